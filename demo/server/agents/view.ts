import type { Ledger } from 'sallyport/store'
import type { AgentHost } from './agent.js'
import { isAdministrator, type Member, type Registry, type Role, roles } from './registry.js'
import type { Runs } from './runs.js'

export interface ViewSettings {
  registry: Registry
  host: AgentHost
  runs: Runs
  ledger: Ledger
}

/** The number of rows that are shown, and that are read to find them. */
const shownRows = 30
const readRows = 300

/** All data of a user’s page in one response: agents, runs, waiting calls and trail. Administrators get the trail of all users, others only what they and their agents did. */
export function createView({ registry, host, runs, ledger }: ViewSettings) {
  const { agents, approvals, audit } = registry

  async function agentsOf({ tenant, iss = '', sub }: Member) {
    const [{ items: all }, consents] = await Promise.all([
      agents.list({ tenant, limit: 200 }),
      agents.consents({ iss, sub }, { tenant, limit: 1000 }),
    ])
    const own = all.filter(({ owner }) => owner === sub).sort((a, b) => b.createdAt - a.createdAt)
    return Promise.all(
      own.map(async ({ id, role, createdAt, decommissionedAt, budget }) => {
        const { committed, held } = await ledger.read({ subject: `agent:${id}`, window: 'day' }, { tenant })
        return {
          id,
          role,
          scopes: Object.hasOwn(roles, role) ? roles[role as Role] : [],
          createdAt,
          decommissionedAt,
          consented: consents.items.some(({ agent }) => agent === id),
          runsHere: host.runs(id),
          budget: budget?.day ?? 0,
          spent: committed,
          held,
          run: runs.of(id),
        }
      }),
    )
  }

  /** The calls that wait for this user, and the calls of their agents that wait for others. */
  async function waitingFor(person: Member) {
    const { items: all } = await approvals.pending({ tenant: person.tenant })
    return all
      .map(({ id, kind, code, agent, sub, tool, args, expiresAt }) => {
        const mine = sub === person.sub
        const decides = kind === 'user' ? mine : isAdministrator(person) && !mine
        return { id, kind, code, agent, sub, tool, args: JSON.stringify(args), expiresAt, mine, decides }
      })
      .filter(({ mine, decides }) => mine || decides)
  }

  async function newest(person: Member, own: ReadonlySet<string>) {
    const { tenant, sub } = person
    const head = registry.keptHead(tenant) ?? (await audit.checkpoint({ tenant }))
    const last = head?.seq ?? 0
    const { items: rows } = await audit.read({ tenant, from: Math.max(1, last - readRows + 1), limit: readRows })
    const theirs = rows.filter(
      (row) => isAdministrator(person) || row.sub === sub || (row.agent !== undefined && own.has(row.agent)),
    )
    return { last, rows: theirs.reverse().slice(0, shownRows) }
  }

  return async (person: Member) => {
    const own = await agentsOf(person)
    const [waiting, trail, stopped] = await Promise.all([
      waitingFor(person),
      newest(person, new Set(own.map(({ id }) => id))),
      agents.stopped({ tenant: person.tenant }),
    ])
    return { agents: own, waiting, trail, stopped: stopped !== undefined, administrator: isAdministrator(person) }
  }
}
