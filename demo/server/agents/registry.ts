import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type AgentEvent,
  type AuditEntry,
  type AuditHead,
  createAgentPlatform,
  createAudit,
  defaultRoles,
  type ToolAccessOptions,
} from 'sallyport/agents'
import type { GuardOptions, Principal } from 'sallyport/guard'
import type { Ledger, RecordStore } from 'sallyport/store'
import { createTokenIssuer } from 'sallyport/tokens'

export interface RegistrySettings {
  /** The agents’ issuer, on the demo’s origin. */
  issuer: string
  /** The default API of their tokens, and the other allowed APIs. */
  resource: string
  resources: readonly string[]
  store: RecordStore
  ledger: Ledger
  /** What each tool takes, and where code runs. */
  tools: ToolAccessOptions['tools']
  sandbox: NonNullable<ToolAccessOptions['sandbox']>
}

/** The scopes of each role; the assistant has all scopes. */
export const roles = {
  ...defaultRoles,
  assistant: ['data:read', 'data:write', 'external:invoke', 'exec:sandbox'],
} as const

/** The scopes that users can delegate to agents. */
export const agentScopes = roles.assistant

export type Role = keyof typeof roles
export type Registry = ReturnType<typeof createRegistry>

/** Made for this run, like all secrets here. */
const signingKey = () =>
  JSON.stringify({
    ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    alg: 'ES256',
    kid: randomUUID(),
  })

/** A user with a tenant. */
export type Member = Principal & { tenant: string }

/** From the provider's tokens: an administrator decides calls that users may not decide themselves. */
export const isAdministrator = ({ claims }: Pick<Principal, 'claims'>): boolean => isAdministrators(claims)

function isAdministrators(claims: unknown): boolean {
  const { roles } = Object(claims) as { roles?: unknown }
  return Array.isArray(roles) && roles.includes('administrator')
}

/** Actions on the agents of all users. Every user may stop them, because that is the safe action. */
const forAdministrators: ReadonlySet<string> = new Set(['agents.resume', 'trail.read'])

/** The guard’s `decide`: actions that need more than a sign-in. */
export const decide: NonNullable<GuardOptions['decide']> = ({ subject, action }) =>
  !forAdministrators.has(action.name) || isAdministrators(subject.properties['claims'])

/** The agents, the approvals and the audit trail. */
export function createRegistry({ issuer, resource, resources, store, ledger, tools, sandbox }: RegistrySettings) {
  const tokens = createTokenIssuer({ issuer, audience: resource, keys: [{ alg: 'ES256', key: signingKey() }], store })
  const waiting = new Map<string, () => void>()
  /** The newest head of each tenant, stored outside the store, to verify a trail. */
  const kept = new Map<string, AuditHead>()
  const trail = createAudit({ store })
  const { agents, approvals, audit, verifyToolAccess } = createAgentPlatform({
    store,
    ledger,
    tokens,
    tools,
    agents: { roles, resources },
    approvals: { approvers: { admin: (_, by) => isAdministrator(by) } },
    toolAccess: { sandbox },
    parts: { audit: { ...trail, append } },
    onEvent: wake,
  })

  function wake(event: AgentEvent): void {
    if (event.type === 'approval_decided' || event.type === 'approval_voided') waiting.get(event.id)?.()
  }

  /** Appends a row to the trail, and stores the head. */
  async function append(entry: AuditEntry): Promise<AuditHead> {
    const head = await trail.append(entry)
    if (head.seq > (kept.get(head.tenant)?.seq ?? 0)) kept.set(head.tenant, head)
    return head
  }

  return {
    tokens,
    agents,
    approvals,
    audit,
    verifyToolAccess,
    append,
    keptHead: (tenant: string): AuditHead | undefined => kept.get(tenant),

    /** Whether the owner of an API key may still act: an agent may, while it is active and agents are not stopped. */
    async isActive({ tenant, owner }: { tenant: string; owner: string }): Promise<boolean> {
      if (!owner.startsWith('agent_')) return true
      const [agent, stopped] = await Promise.all([agents.get(owner, { tenant }), agents.stopped({ tenant })])
      return agent !== undefined && agent.decommissionedAt === undefined && stopped === undefined
    },

    /** Resolves after the decision, or when no decision is possible any more. */
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
