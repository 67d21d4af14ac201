import { Hono } from 'hono'
import { agentAnswer, verifyAudit } from 'sallyport/agents'
import type { Guard } from 'sallyport/guard'
import type { ApiKeys } from 'sallyport/keys'
import type { Ledger } from 'sallyport/store'
import { Refusal, type Rule, readFields } from '../fields.js'
import { createPlaces } from '../places.js'
import type { AgentHost } from './agent.js'
import { type Member, type Registry, type Role, roles } from './registry.js'
import type { Runs } from './runs.js'
import type { createView } from './view.js'

export interface ConsoleSettings {
  registry: Registry
  host: AgentHost
  runs: Runs
  view: ReturnType<typeof createView>
  keys: ApiKeys
  /** Counts the active agents of each user. */
  ledger: Ledger
  /** The guard of the API. It accepts agents too, so that they get a clear refusal here. */
  protect: Guard
}

/** The maximum number of active agents of one user. */
const most = 10

const roleNames = Object.keys(roles) as Role[]
const registration = {
  name: {
    is: (value: unknown): value is string => typeof value === 'string' && /^[a-z0-9][a-z0-9 -]{0,29}$/i.test(value),
    remedy: 'must be 1 to 30 letters, digits, blanks and hyphens.',
  } satisfies Rule<string>,
  role: {
    is: (value: unknown): value is Role => roleNames.some((role) => role === value),
    remedy: `must be one of ${roleNames.join(', ')}.`,
  } satisfies Rule<Role>,
  budget: {
    is: (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= 1e6,
    remedy: 'must be a whole number of 0 to 1,000,000 tokens.',
  } satisfies Rule<number>,
}
const decision = {
  approve: {
    is: (value: unknown): value is boolean => typeof value === 'boolean',
    remedy: 'must be true or false.',
  } satisfies Rule<boolean>,
  code: {
    is: (value: unknown): value is string => typeof value === 'string' && value.length <= 20,
    remedy: 'must be the code beside the call.',
  } satisfies Rule<string>,
}

/**
 * The API where users manage their agents. Signed-in users register agents, let them act, stop and end them, and decide waiting calls;
 * agents cannot. Users can change only their own agents. Every user can stop all agents of the company. Only administrators can resume them and
 * read what agents of others did.
 */
export function createAgentConsole({ registry, host, runs, view, keys, ledger, protect }: ConsoleSettings) {
  const { agents, approvals, audit, append, keptHead } = registry
  const places = createPlaces(ledger, 'agents', most)

  const byPerson = (answer: (request: Request, person: Member) => Promise<Response>, action?: string) =>
    protect.handler(
      { methods: ['access_token'], ...(action !== undefined && { action: { name: action } }) },
      async (request, principal) => {
        const { tenant } = principal
        if (tenant === undefined)
          return refuse(new Refusal(403, 'tenant_mismatch', 'This sign-in belongs to no tenant.'))
        runs.meet(principal)
        return answer(request, { ...principal, tenant }).catch((error) =>
          error instanceof Refusal ? refuse(error) : agentAnswer(error),
        )
      },
    )

  /** A row for an action of a user. A start is written before it happens; an end does not wait for its row. */
  const note = ({ tenant, iss, sub }: Member, action: string, agent?: string) =>
    append({
      tenant,
      ...(iss !== undefined && { iss }),
      sub,
      action,
      decision: 'allowed',
      ...(agent !== undefined && { agent }),
    })

  /** @throws Refusal for another user's agent, exactly as for an unknown one */
  async function own(id: string, { tenant, sub }: Member) {
    const agent = await agents.get(id, { tenant })
    if (agent?.owner !== sub) throw new Refusal(404, 'agent_not_found', 'You have no such agent.')
    return agent
  }

  /** The active agents of a user, from all pages of the company's list. */
  async function working({ tenant, sub }: Member): Promise<string[]> {
    const found: string[] = []
    let cursor: string | undefined
    do {
      const page = await agents.list({ tenant, ...(cursor !== undefined && { cursor }) })
      for (const { id, owner, decommissionedAt } of page.items)
        if (owner === sub && decommissionedAt === undefined) found.push(id)
      cursor = page.cursor
    } while (cursor !== undefined)
    return found
  }

  const look = byPerson(async (_, person) => json(await view(person)))

  const register = byPerson(async (request, person) => {
    const { name, role, budget } = await readFields(request, registration)
    const { tenant, sub } = person
    const full = new Refusal(409, 'too_many_agents', `You have ${most} agents. Decommission one.`)
    // Checked here, so that repeated requests leave nothing behind, and below, because of concurrent requests.
    if ((await working(person)).length >= most) throw full
    const id = `agent_${name.trim().toLowerCase().replaceAll(' ', '-')}.${crypto.randomUUID().slice(0, 6)}`
    await note(person, 'agent.register', id)
    const newcomer = await host.create()
    await agents.register({ id, tenant, owner: sub, role, publicKey: newcomer.publicKey, budget: { day: budget } })
    const undo = () => agents.decommission(id, { tenant, reason: 'too many agents' })
    const placed = await places
      .take({ tenant, owner: sub }, id, () => working(person))
      .catch((error) => {
        undo().catch(() => {})
        throw error
      })
    if (!placed) {
      await undo()
      throw full
    }
    const { key } = await keys.create({ tenant, owner: id, name: `Key of ${id}`, scopes: ['data:read'] })
    await newcomer.settle(id, key)
    return json({ id }, 201)
  })

  const consent = (id: string) =>
    byPerson(async (_, person) => {
      const { role } = await own(id, person)
      await note(person, 'consent.give', id)
      await agents.consent(id, { subject: person, scopes: roles[role as Role], expiresIn: 30 * 86_400 })
      return done()
    })

  const withdraw = (id: string) =>
    byPerson(async (_, person) => {
      await own(id, person)
      await agents.withdraw(id, { tenant: person.tenant, iss: person.iss ?? '', sub: person.sub })
      await note(person, 'consent.withdraw', id)
      return done()
    })

  const decommission = (id: string) =>
    byPerson(async (_, person) => {
      await own(id, person)
      await agents.decommission(id, { tenant: person.tenant, reason: 'by its owner' })
      await keys.revokeOwner(id, { tenant: person.tenant })
      await note(person, 'agent.decommission', id)
      return done()
    })

  const stop = byPerson(async (_, person) => {
    await agents.stop({ tenant: person.tenant })
    await note(person, 'agents.stop')
    return done()
  })

  const resume = byPerson(async (_, person) => {
    await note(person, 'agents.resume')
    await agents.resume({ tenant: person.tenant })
    return done()
  }, 'agents.resume')

  const run = (id: string) =>
    byPerson(async (_, person) => {
      await own(id, person)
      if (!host.runs(id)) throw new Refusal(409, 'agent_gone', 'This agent ran in a process that has ended.')
      if (runs.of(id)?.state === 'active') throw new Refusal(409, 'agent_busy', 'This agent is at work already.')
      runs.start({ id, tenant: person.tenant, sub: person.sub })
      return done()
    })

  /** One call by the agent on its own behalf. */
  const call = (id: string) =>
    byPerson(async (_, person) => {
      await own(id, person)
      if (!host.runs(id)) throw new Refusal(409, 'agent_gone', 'This agent ran in a process that has ended.')
      // Without a token there is no call: the token endpoint has refused.
      return json(await host.ownCall(id).catch(({ code }) => ({ status: 0, error: code ?? 'unavailable' })))
    })

  const decide = (id: string) =>
    byPerson(async (request, person) => {
      const { approve, code } = await readFields(request, decision)
      const { agent } = await approvals.decide(id, { by: person, approve, code })
      await note(person, approve ? 'approval.approve' : 'approval.deny', agent)
      return done()
    })

  const verify = byPerson(async (_, { tenant }) => {
    const head = keptHead(tenant)
    return json({ result: await verifyAudit(audit.exportLines({ tenant }), { head }), kept: head?.seq ?? 0 })
  })

  const download = byPerson(async (_, { tenant }) => {
    let lines = ''
    for await (const line of audit.exportLines({ tenant })) lines += line
    return new Response(lines, {
      headers: { 'Content-Type': 'application/jsonl', 'Cache-Control': 'no-store, private' },
    })
  }, 'trail.read')

  const one = '/api/agents/:id{agent_[a-z0-9.-]+}'
  const app = new Hono()
    .get('/api/agents', ({ req }) => look(req.raw))
    .post('/api/agents', ({ req }) => register(req.raw))
    .post('/api/agents/stop', ({ req }) => stop(req.raw))
    .post('/api/agents/resume', ({ req }) => resume(req.raw))
    .get('/api/agents/audit', ({ req }) => download(req.raw))
    .get('/api/agents/audit/result', ({ req }) => verify(req.raw))
    .post('/api/agents/approvals/:id', ({ req }) => decide(req.param('id'))(req.raw))
    .post(`${one}/consent`, ({ req }) => consent(req.param('id'))(req.raw))
    .delete(`${one}/consent`, ({ req }) => withdraw(req.param('id'))(req.raw))
    .post(`${one}/run`, ({ req }) => run(req.param('id'))(req.raw))
    .post(`${one}/call`, ({ req }) => call(req.param('id'))(req.raw))
    .delete(one, ({ req }) => decommission(req.param('id'))(req.raw))
    .notFound(() => refuse(new Refusal(404, 'not_found', 'Not found.')))
    .onError(() => refuse(new Refusal(500, 'server_error', 'Internal error.')))

  return { fetch: (request: Request) => app.fetch(request) }
}

const json = (body: unknown, status = 200) =>
  Response.json(body, { status, headers: { 'Cache-Control': 'no-store, private' } })

const done = () => new Response(null, { status: 204 })

const refuse = ({ status, error, message }: Refusal) => json({ error, error_description: message }, status)
