import {
  type AuditRow,
  agentAnswer,
  type Budget,
  createAudit,
  createToolAccess,
  scenarios,
  type ToolAccessOptions,
  type ToolCall,
  type ToolGrant,
} from 'sallyport/agents'
import { type Principal, withPeer } from 'sallyport/guard'
import { encodeBase64url } from '../../src/protocol/base64url.js'
import { API, agentKey, type SceneOptions, scene } from './identity.js'

const certificate = crypto.getRandomValues(new Uint8Array(300))
const thumbprint = encodeBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', certificate)))
const { publicKey } = await agentKey()

/** Writers may be given nearly everything here: what counts is what their tokens say. */
const roles: Readonly<Record<string, readonly string[]>> = {
  reader: ['data:read'],
  writer: [
    'data:read',
    'data:write',
    'data:move',
    'model:standard',
    'model:premium',
    'external:invoke',
    'exec:sandbox',
  ],
  executor: ['data:read', 'model:standard', 'exec:sandbox'],
}
const usual = ['data:read', 'data:write', 'model:standard']

/** Who calls, and with what token. An agent is registered when it is first heard of. */
export interface Caller {
  agent?: string
  role?: string
  tenant?: string
  /** The person on whose behalf, who has consented to all that the role may. */
  sub?: string
  scopes?: string[]
  limits?: { tools?: string[]; tiers?: string[]; categories?: string[]; budget?: Budget }
  mtls?: boolean
}

export interface WorldOptions extends SceneOptions {
  /** Who calls where a call names nobody. */
  caller?: Required<Pick<Caller, 'agent' | 'role' | 'tenant'>>
}

/** An API that offers tools to agents, and everything that it needs; the clock stands still. */
export async function world(
  options: Partial<ToolAccessOptions> = {},
  { caller: usually = { agent: 'agent_a', role: 'writer', tenant: 'acme' }, ...engines }: WorldOptions = {},
) {
  const { ledger: given } = options
  const base = scene({ ...(given && { ledger: given }), ...engines, agents: { roles, ...engines.agents } })
  const { agents, approvals, events, ledger, now, people, protect, store } = base
  const audit = createAudit({ store, now })
  const executed: { tool: string; args: unknown; model?: string }[] = []
  const open = (more: Partial<ToolAccessOptions> = {}) =>
    createToolAccess({
      agents,
      ledger,
      approvals,
      audit,
      sandbox: async ({ tool, args }) => {
        executed.push({ tool, args })
        return 'from the sandbox'
      },
      tools: {
        'data.read': 'data:read',
        'model.chat': 'data:read',
        'notes.update': 'data:write',
        'public.read': scenarios.readPublic.tool,
        'notes.replace': scenarios.modifyUserData.tool,
        'mail.send': scenarios.callExternal.tool,
        'code.run': scenarios.execute.tool,
      },
      now,
      onEvent: (event) => events.push(event),
      ...options,
      ...more,
    })
  const verifyToolAccess = open()

  const known = new Map<string, Promise<unknown>>()
  /** Once for each name, whoever asks at once. */
  const once = async (name: string, make: () => Promise<unknown>): Promise<void> => {
    const making = known.get(name) ?? make()
    known.set(name, making)
    await making
  }
  const register = (id: string, tenant: string, role: string, more: { budget?: Budget; parent?: string } = {}) =>
    once(id, async () => {
      // Perhaps by another process.
      if (await agents.get(id, { tenant })) return
      await agents.register({ id, tenant, owner: 'ops', role, publicKey, ...more })
    })
  await register(usually.agent, usually.tenant, usually.role)

  async function personOf(sub: string, tenant: string, scopes: string[]): Promise<Principal> {
    const { access_token } = await people.issue({
      sub,
      client_id: 'app',
      scopes,
      claims: { tenant, auth_time: 1_790_000_000 },
    })
    return base.who(access_token)
  }

  async function tokenOf(caller: Caller): Promise<string> {
    const { agent, role, tenant, sub, limits, mtls } = { ...usually, ...caller }
    await register(agent, tenant, role)
    const allowed = roles[role] ?? []
    const request = {
      scopes: caller.scopes ?? usual.filter((scope) => allowed.includes(scope)),
      ...limits,
      ...(mtls && { bindTo: { 'x5t#S256': thumbprint } }),
    }
    if (sub === undefined) return (await agents.issue(agent, { ...request, tenant })).access_token
    const subject = await personOf(sub, tenant, [...allowed])
    await once(`${sub} of ${tenant} to ${agent}`, () => agents.consent(agent, { subject, scopes: allowed }))
    return (await agents.exchange(agent, { ...request, subject })).access_token
  }

  const requestOf = async (caller: Caller, body: unknown): Promise<Request> =>
    sent({ Authorization: `Bearer ${await tokenOf(caller)}` }, body, caller.mtls)

  const sent = (headers: Record<string, string>, body: unknown, mtls = false): Request => {
    const request = new Request(`${API}/tools`, { method: 'POST', headers, body: JSON.stringify(body) })
    return mtls ? withPeer(request, { address: '192.0.2.1', encrypted: true, certificate }) : request
  }

  /** The API: a tool call comes in, and is made or refused. */
  async function api(request: Request): Promise<Response> {
    const outcome = await protect(request)
    return outcome.ok ? run(outcome.principal, await request.json()) : outcome.response
  }

  async function run(principal: Principal, { units, ...call }: ToolCall & { units?: number }): Promise<Response> {
    try {
      await using grant = await verifyToolAccess(principal, call)
      await grant.confirm()
      const { tool, args, model } = grant
      executed.push({ tool, args, ...(model !== undefined && { model }) })
      await grant.settle({ units: units ?? call.estimate ?? 0 })
      return Response.json({ tool, ...(model !== undefined && { model }) })
    } catch (error) {
      return agentAnswer(error, { now })
    }
  }

  async function principalOf(caller: Caller): Promise<Principal> {
    const outcome = await protect(await requestOf(caller, {}))
    if (!outcome.ok) throw new Error(`not let in: ${await outcome.response.text()}`)
    return outcome.principal
  }

  return {
    ...base,
    api,
    audit,
    executed,
    open,
    principalOf,
    register,
    requestOf,
    run,
    sent,
    tenant: usually.tenant,
    verifyToolAccess,
    /** What the API answers: `ok`, or status and error. */
    async call(call: ToolCall & { units?: number }, caller: Caller = {}): Promise<unknown> {
      const response = await api(await requestOf(caller, call))
      return response.ok ? 'ok' : [response.status, (await response.json()).error]
    },
    grant: async (call: ToolCall, caller: Caller = {}): Promise<ToolGrant> =>
      verifyToolAccess(await principalOf(caller), call),
    /** The code of the refusal, or `ok`. */
    code: async (call: ToolCall, caller: Caller | Principal = {}): Promise<string> => {
      const principal = 'method' in caller ? caller : await principalOf(caller)
      return verifyToolAccess(principal, call).then(
        () => 'ok',
        (error) => error.code ?? `${error}`,
      )
    },
    /** Says yes: the person concerned, or an administrator. */
    async approve(id: string, tenant = usually.tenant): Promise<void> {
      const { kind, sub } = (await approvals.get(id, { tenant })) ?? {}
      const by = await personOf(kind === 'user' ? `${sub}` : 'root', tenant, ['admin:approve'])
      await approvals.decide(id, { by, approve: true })
    },
    /** The audit trail without the links of its chain. */
    async rows(tenant = usually.tenant) {
      const { items: rows } = await audit.read({ tenant })
      return rows.map(({ seq: _, at: __, prev: ___, hash: ____, v: _____, ...entry }: AuditRow) => entry)
    },
    balance: (
      subject: `agent:${string}` | `tenant:${string}` | `user:${string}` | `key:${string}` = `agent:${usually.agent}`,
      window: 'day' | 'total' = 'day',
    ) => ledger.read({ subject, window }, { tenant: usually.tenant }).then(({ committed, held }) => [committed, held]),
  }
}
