import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type AgentEvent,
  type AuditEntry,
  type AuditHead,
  createAgents,
  createApprovals,
  createAudit,
  defaultRoles,
} from 'sallyport/agents'
import type { GuardOptions, Principal } from 'sallyport/guard'
import type { Ledger, RecordStore } from 'sallyport/store'
import { createTokenIssuer } from 'sallyport/tokens'

export interface RegistrySettings {
  /** The agents’ own, on the demo’s origin. */
  issuer: string
  /** The API that their tokens are for, and others that they may be for. */
  resource: string
  resources: readonly string[]
  store: RecordStore
  ledger: Ledger
}

/** What each role may at most; the assistant all that there is. */
export const roles = {
  ...defaultRoles,
  assistant: ['data:read', 'data:write', 'external:invoke', 'exec:sandbox'],
} as const

/** What people can let agents do for them. */
export const agentScopes = roles.assistant

export type Role = keyof typeof roles
export type Registry = ReturnType<typeof createRegistry>

/** Made for this run, as everything that is secret here. */
const signingKey = () =>
  JSON.stringify({
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    alg: 'ES256',
    kid: randomUUID(),
  })

/** A person with a tenant. */
export type Member = Principal & { tenant: string }

/** As the provider says in its tokens: an administrator decides what the person themselves may not. */
export const isAdministrator = ({ claims }: Pick<Principal, 'claims'>): boolean => isAdministrators(claims)

function isAdministrators(claims: unknown): boolean {
  const { roles } = Object(claims) as { roles?: unknown }
  return Array.isArray(roles) && roles.includes('administrator')
}

/** What concerns everybody’s agents. To stop them is the safe side, and everybody’s. */
const forAdministrators: ReadonlySet<string> = new Set(['agents.resume', 'trail.read'])

/** The guard’s `decide`: what needs more than a sign-in. */
export const decide: NonNullable<GuardOptions['decide']> = ({ subject, action }) =>
  !forAdministrators.has(action.name) || isAdministrators(subject.properties['claims'])

/** Who the agents are, what people have approved, and what became of it. */
export function createRegistry({ issuer, resource, resources, store, ledger }: RegistrySettings) {
  const tokens = createTokenIssuer({ issuer, audience: resource, keys: [{ alg: 'ES256', key: signingKey() }], store })
  const waiting = new Map<string, () => void>()
  const approvals = createApprovals({
    store,
    approvers: { admin: (_, by) => isAdministrator(by) },
    onEvent: wake,
  })
  const agents = createAgents({ tokens, store, roles, resources, ledger, approvals })
  const audit = createAudit({ store })
  /** The newest head of each tenant, kept outside the store: what a trail is verified against. */
  const kept = new Map<string, AuditHead>()

  function wake(event: AgentEvent): void {
    if (event.type === 'approval_decided' || event.type === 'approval_voided') waiting.get(event.id)?.()
  }

  return {
    tokens,
    agents,
    approvals,
    audit,
    keptHead: (tenant: string): AuditHead | undefined => kept.get(tenant),

    /** Whether whoever owns an API key may still act: of an agent, as long as it is there and nobody has stopped them all. */
    async isActive({ tenant, owner }: { tenant: string; owner: string }): Promise<boolean> {
      if (!owner.startsWith('agent_')) return true
      const [agent, stopped] = await Promise.all([agents.get(owner, { tenant }), agents.stopped({ tenant })])
      return agent !== undefined && agent.decommissionedAt === undefined && stopped === undefined
    },

    /** A row in the trail, whose head is kept. */
    async append(entry: AuditEntry): Promise<AuditHead> {
      const head = await audit.append(entry)
      if (head.seq > (kept.get(head.tenant)?.seq ?? 0)) kept.set(head.tenant, head)
      return head
    },

    /** Resolves once somebody has decided, or nobody can any more. */
    async decided(tenant: string, id: string, signal: AbortSignal): Promise<void> {
      const done = new AbortController()
      waiting.set(id, () => done.abort())
      const approval = await approvals.get(id, { tenant })
      const left = (approval?.expiresAt ?? 0) * 1000 - Date.now()
      if (approval?.status === 'pending' && left > 0)
        await pause(left, undefined, { signal: AbortSignal.any([signal, done.signal]) }).catch(() => {})
      waiting.delete(id)
    },
  }
}
