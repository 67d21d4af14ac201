import { createApprovals, createAudit } from 'sallyport/agents'
import { createKeyRing } from 'sallyport/key-ring'
import { createApiKeys } from 'sallyport/keys'
import { memoryLedger } from 'sallyport/store'
import { createTokenIssuer } from 'sallyport/tokens'
import type { SealedKind } from '../../src/bff/sealing/sealed-records.js'
import { agentKey, scene, signingKey } from '../agents/identity.js'
import { memoryVault } from '../key-ring/ring-world.js'
import { createVendor, providerOf } from '../key-ring/vendor.js'
import type { bendable } from './forms.js'

/** A kind of record that is a JSON object with its format in `v`. */
export interface Kind {
  kind: string
  /** As 0.1.0 wrote it, where that was more than leaving `v` out. */
  unversioned?: (value: string) => string
  /** Writes a record; resolves to what is seen of it, asked again and again. */
  write(bent: ReturnType<typeof bendable>, now: () => number): Promise<() => Promise<unknown>>
  /** What is seen where a later release wrote it, if the question is not refused. */
  later?: unknown
}

const signing = await signingKey()
const call = {
  tenant: 'acme',
  agent: 'agent_a',
  iss: 'https://login.example.com',
  sub: 'alice',
  tool: 'notes.write',
  args: { text: 'x' },
}
const grant = { sub: 'alice', client_id: 'page', scopes: ['notes:read'], refresh: true }

async function people({ store }: ReturnType<typeof bendable>, now: () => number) {
  const it = scene({ store: () => store, now })
  const { publicKey } = await agentKey()
  await it.agents.register({ id: 'agent_a', tenant: 'acme', owner: 'ops', role: 'writer', publicKey })
  const { access_token } = await it.people.issue({
    sub: 'alice',
    client_id: 'app',
    scopes: ['data:read'],
    claims: { tenant: 'acme', auth_time: now() },
  })
  const subject = await it.who(access_token)
  await it.agents.consent('agent_a', { subject, scopes: ['data:read'] })
  return { ...it, subject }
}

function ring({ store }: ReturnType<typeof bendable>, now: () => number, tenants: 'shared' | 'separate') {
  const vendor = createVendor()
  return createKeyRing({
    name: 'vendor',
    provider: providerOf(vendor.fetch),
    vault: memoryVault().vault,
    store,
    now,
    tenants,
  })
}

export const kinds: readonly Kind[] = [
  {
    kind: 'api-key',
    async write({ store }, now) {
      const addressOf = () => '192.0.2.1'
      const keys = createApiKeys({
        store,
        prefix: 'sp_test',
        scopes: ['notes:read'],
        now,
        addressOf,
        ledger: memoryLedger({ now }),
      })
      const { key } = await keys.create({
        tenant: 'acme',
        owner: 'alice',
        name: 'script',
        scopes: ['notes:read'],
        ips: ['192.0.2.0/24'],
        quota: { day: 100 },
        metadata: { team: 'a' },
      })
      return async () => {
        const result = await keys.verify(key, { request: new Request('https://api.example') })
        return result.ok ? result.record.name : result.detail
      }
    },
  },
  {
    kind: 'api-key-use',
    later: 'not known',
    async write({ store }, now) {
      const keys = createApiKeys({ store, prefix: 'sp_test', scopes: ['notes:read'], now })
      const { key, record } = await keys.create({ tenant: 'acme', owner: 'alice', name: 'script', scopes: [] })
      await keys.verify(key)
      return async () => (await keys.get(record.id, { tenant: 'acme' }))?.lastUsedAt ?? 'not known'
    },
  },
  {
    kind: 'refresh-token',
    async write({ store }, now) {
      const tokens = createTokenIssuer({
        issuer: 'https://a.example',
        audience: 'https://api.example',
        keys: [signing],
        store,
        now,
      })
      const { refresh_token = '' } = await tokens.issue(grant)
      return async () => (await tokens.refresh(refresh_token)).scope
    },
  },
  {
    kind: 'refresh-replay',
    async write({ store }, now) {
      const tokens = createTokenIssuer({
        issuer: 'https://a.example',
        audience: 'https://api.example',
        keys: [signing],
        store,
        now,
      })
      const { refresh_token = '' } = await tokens.issue(grant)
      await tokens.refresh(refresh_token)
      return async () => (await tokens.refresh(refresh_token)).scope
    },
  },
  {
    kind: 'agent',
    async write(bent, now) {
      const { agents } = await people(bent, now)
      return () => agents.get('agent_a', { tenant: 'acme' })
    },
  },
  {
    kind: 'agent-switch',
    async write(bent, now) {
      const { agents } = await people(bent, now)
      await agents.stop({ tenant: 'acme', reason: 'incident' })
      return () => agents.stopped({ tenant: 'acme' })
    },
  },
  {
    kind: 'agent-consent',
    async write(bent, now) {
      const { agents, subject } = await people(bent, now)
      return async () => (await agents.exchange('agent_a', { subject, scopes: ['data:read'] })).scope
    },
  },
  {
    kind: 'agent-person',
    later: 503,
    // The epoch alone.
    unversioned: (value) => JSON.stringify(JSON.parse(value).epoch),
    async write(bent, now) {
      const it = await people(bent, now)
      await it.agents.endDelegations({ iss: `${it.subject.iss}`, sub: 'alice' }, { tenant: 'acme' })
      const { agents } = it
      // Who has signed in since.
      const subject = { ...it.subject, claims: { ...it.subject.claims, auth_time: now() + 1 } }
      const { access_token } = await agents.exchange('agent_a', { subject, scopes: ['data:read'] })
      return async () => {
        const outcome = await it.ask(access_token)
        return outcome.ok ? outcome.principal.sub : outcome.response.status
      }
    },
  },
  {
    kind: 'approval',
    async write({ store }, now) {
      const approvals = createApprovals({ store, now })
      const { id } = await approvals.request({ ...call, kind: 'user', freshWithin: 300, acr: ['high'] })
      return async () => (await approvals.get(id, { tenant: 'acme' }))?.status
    },
  },
  {
    kind: 'approval-question',
    // The id alone.
    unversioned: (value) => JSON.parse(value).id,
    async write({ store }, now) {
      const approvals = createApprovals({ store, now })
      const { id } = await approvals.request({ ...call, kind: 'user' })
      return async () => (await approvals.request({ ...call, kind: 'user' })).id === id
    },
  },
  {
    kind: 'approval-queue',
    // The ids alone.
    unversioned: (value) => JSON.stringify(JSON.parse(value).ids),
    async write({ store }, now) {
      const approvals = createApprovals({ store, now, maxPending: 1 })
      await approvals.request({ ...call, kind: 'user' })
      return async () => {
        const another = approvals.request({ ...call, args: {}, kind: 'user' })
        return another.then(
          () => 'asked',
          (error) => {
            if (error.code !== 'approvals_exceeded') throw error
            return error.code
          },
        )
      }
    },
  },
  {
    kind: 'audit-head',
    async write({ store }, now) {
      const audit = createAudit({ store, now })
      await audit.append({ tenant: 'acme', agent: 'agent_a', action: 'tool:x', decision: 'allowed' })
      return () => createAudit({ store, now }).checkpoint({ tenant: 'acme' })
    },
  },
  {
    kind: 'audit-row',
    async write({ store }, now) {
      const audit = createAudit({ store, now })
      await audit.append({ tenant: 'acme', agent: 'agent_a', action: 'tool:x', decision: 'allowed', reason: 'policy' })
      return async () => (await audit.read({ tenant: 'acme' })).items.map(({ seq, action }) => [seq, action])
    },
  },
  {
    kind: 'key-ring',
    async write(bent, now) {
      const it = ring(bent, now, 'shared')
      await it.rotate()
      return async () => (await it.status()).keys.map(({ state }) => state)
    },
  },
  {
    kind: 'tenant-key-ring',
    async write(bent, now) {
      const it = ring(bent, now, 'separate')
      await it.rotate({ tenant: 'acme' })
      return async () => (await it.status({ tenant: 'acme' })).keys.map(({ state }) => state)
    },
  },
]

/** What is sealed, and so says its format in the header of a JWE. */
export const sealedKinds: readonly SealedKind[] = ['session', 'attempt', 'idle', 'not-before', 'logout-hint']

/** That they are there is all that they say: nothing is read out of them. */
export const marks: readonly string[] = [
  'agent-proof',
  'agent-session',
  'api-key-network',
  'dpop-proof',
  'logout',
  'logout-token',
  'refresh-family',
  'transaction',
]
