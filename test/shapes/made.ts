import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as agents from 'sallyport/agents'
import * as bff from 'sallyport/bff'
import * as guard from 'sallyport/guard'
import * as hono from 'sallyport/hono'
import * as keyRing from 'sallyport/key-ring'
import * as keys from 'sallyport/keys'
import * as machine from 'sallyport/machine'
import * as node from 'sallyport/node'
import * as store from 'sallyport/store'
import * as postgres from 'sallyport/store/postgres'
import * as redis from 'sallyport/store/redis'
import * as testing from 'sallyport/testing'
import * as tokens from 'sallyport/tokens'
import { approvalsCalls } from '../../src/agents/approvals/approvals.js'
import { auditCalls } from '../../src/agents/audit/audit.js'
import { statusCheckCalls } from '../../src/agents/identity/status.js'
import { tokenEndpointCalls } from '../../src/agents/identity/token-endpoint.js'
import { agentsCalls } from '../../src/agents/identity/validation.js'
import { namespaceCalls } from '../../src/agents/tenancy.js'
import { grantCalls } from '../../src/agents/tools/grant.js'
import { meterCalls } from '../../src/agents/tools/with-budget.js'
import { bffCalls } from '../../src/bff/validation.js'
import * as browserOnly from '../../src/browser-only/development.js'
import * as page from '../../src/client/development.js'
import { authCalls } from '../../src/client/validation.js'
import { guardCalls } from '../../src/guard/guard.js'
import { requirementsShape } from '../../src/guard/requirements.js'
import { keyRingCalls } from '../../src/key-ring/key-ring.js'
import { vaultCalls } from '../../src/key-ring/vault.js'
import { apiKeysCalls } from '../../src/keys/validation.js'
import { machineClientCalls } from '../../src/machine/machine-client.js'
import { anything, either, func, optional } from '../../src/protocol/shape.js'
import type { Call } from '../../src/protocol/validate.js'
import { principalCheck, requestCheck } from '../../src/protocol/web-checks.js'
import { storeCalls } from '../../src/store/validate.js'
import { ledgerCalls } from '../../src/store/validate-ledger.js'
import { authorizationServerCalls } from '../../src/testing/authorization-server/authorization-server.js'
import { browserCalls, tabCalls } from '../../src/testing/browser/browser.js'
import { cookieJarCalls } from '../../src/testing/browser/cookie-jar.js'
import { tokenIssuerCalls } from '../../src/tokens/token-issuer.js'
import { randomKey } from '../keys.js'
import type { Subject } from './faults.js'

/** Writes that were made, whoever made them. */
export const written = { times: 0 }
const counting =
  <Arguments extends unknown[], Result>(run: (...args: Arguments) => Result) =>
  (...args: Arguments): Result => {
    written.times++
    return run(...args)
  }
const inner = store.memoryStore()
const counted: store.RecordStore = { ...inner, write: counting(inner.write), consume: counting(inner.consume) }
const memoryLedger = store.memoryLedger()
/** Clients of servers that are never asked: whatever is sent counts as written. */
const onRedis = { send: counting(async () => null) }
const onPostgres = {
  query: counting(async () => ({ rows: [] })),
  transaction: <Result>(work: (query: postgres.Query) => Promise<Result>) => work(onPostgres.query),
}

const issuer = 'https://agents.example.com'
const client = { issuer: 'https://login.example.net', client_id: 'notes', client_secret: randomKey() }
const apiKeys = keys.createApiKeys({ store: counted, prefix: 'sp', scopes: ['data:read'] })
const issuing = tokens.createTokenIssuer({
  issuer,
  audience: 'https://api.example.com',
  keys: [{ alg: 'HS256', key: randomKey() }],
  store: counted,
})
const allAgents = agents.createAgents({ tokens: issuing, store: counted })
const protect = guard.createGuard({ resource: 'https://api.example.com', accept: [keys.apiKey(apiKeys)] })
const provider = { create: async () => ({ id: 'a', secret: 'b' }), test: async () => true, revoke: async () => {} }
const vault = keyRing.environmentVault({}, {})
const browser = testing.mockBrowser({ origins: {} })
const alice = { method: 'access_token', sub: 'alice', tenant: 'acme', scopes: [], claims: {} } as const

const ledgerCounted: store.Ledger = {
  ...memoryLedger,
  reserve: counting(memoryLedger.reserve),
  spend: counting(memoryLedger.spend),
  start: counting(memoryLedger.start),
  settle: counting(memoryLedger.settle),
  release: counting(memoryLedger.release),
}
const robot = {
  method: 'api_key',
  sub: 'robot',
  tenant: 'acme',
  scopes: ['data:read'],
  claims: {},
  expiresAt: Number.POSITIVE_INFINITY,
} as const
const access = agents.createToolAccess({
  agents: allAgents,
  ledger: ledgerCounted,
  tools: { read: { scope: 'data:read', methods: ['agent_token', 'api_key'] } },
  budgets: { tenant: { day: 1000 } },
})
export const toolCall = { tool: 'read', estimate: 1 }
/** A call of a tool, with what may be in it from outside. */
export const ask = (call: unknown) => access(robot, call as typeof toolCall)
const meter = await agents.withBudget(
  memoryLedger,
  { tenant: 'acme', lines: [{ subject: 'tenant:acme', window: 'day' }], estimate: 1 },
  async (given) => given,
)

const omitted = (calls: Readonly<Record<string, Call>>, ...names: readonly string[]) =>
  Object.fromEntries(Object.entries(calls).filter(([name]) => !names.includes(name)))

/** What factories return, with all its functions. One without a declaration fails the test. */
export const made: readonly (readonly [who: string, instance: object, calls: Readonly<Record<string, Call>>])[] = [
  ['keys', apiKeys, apiKeysCalls],
  ['tokens', issuing, tokenIssuerCalls],
  ['client', machine.createMachineClient(client), machineClientCalls],
  ['guard', protect, guardCalls],
  ['agents', allAgents, agentsCalls],
  ['agents', agents.createStatusCheck({ issuer, store: counted }), statusCheckCalls],
  ['approvals', agents.createApprovals({ store: counted }), approvalsCalls],
  ['audit', agents.createAudit({ store: counted }), auditCalls],
  ['ring', keyRing.createKeyRing({ name: 'openai', provider, vault, store: counted }), keyRingCalls],
  ['endpoint', agents.createTokenEndpoint({ agents: allAgents, tokens: issuing }), tokenEndpointCalls],
  ['tenantOf', agents.tenantOf(alice), namespaceCalls],
  ['vault', vault, vaultCalls],
  ['vault', node.fileVault({ directory: join(mkdtempSync(join(tmpdir(), 'sallyport-')), 'vault') }), vaultCalls],
  [
    'bff',
    bff.createBff({ ...client, baseUrl: 'https://app.example.com', cookieKeys: [randomKey()], store: counted }),
    bffCalls,
  ],
  ['auth', page.createAuth(), authCalls],
  ['auth', browserOnly.createBrowserOnlyAuth({ issuer: 'https://login.example.net', client_id: 'notes' }), authCalls],
  ['as', await testing.mockAuthorizationServer({ issuer, clients: [], users: [] }), authorizationServerCalls],
  ['browser', browser, browserCalls],
  ['tab', browser.newTab('https://app.example.com'), tabCalls],
  ['jar', browser.jar, cookieJarCalls],
  ['store', store.memoryStore(), omitted(storeCalls, 'sweep', 'migrate')],
  ['store', redis.redisStore(onRedis), omitted(storeCalls, 'sweep', 'migrate')],
  ['store', postgres.postgresStore(onPostgres), storeCalls],
  ['ledger', memoryLedger, omitted(ledgerCalls, 'migrate')],
  ['ledger', redis.redisLedger(onRedis), omitted(ledgerCalls, 'migrate')],
  ['ledger', postgres.postgresLedger(onPostgres), ledgerCalls],
  ['grant', await ask(toolCall), grantCalls],
  ['meter', meter, meterCalls],
]

/** Functions that are made by a factory and are called by themselves. */
export const alone: readonly Subject[] = [
  {
    who: 'guard',
    parameters: [
      ['request', requestCheck],
      ['requirements', optional(requirementsShape)],
    ],
    run: protect as Subject['run'],
  },
  {
    who: 'check',
    parameters: [['request', requestCheck]],
    run: agents.createPeerCheck({ audience: 'https://api.example.com', store: counted }) as Subject['run'],
  },
  {
    who: 'access',
    parameters: [
      ['principal', principalCheck],
      ['call', anything()],
    ],
    run: access as Subject['run'],
  },
  // By request the rims examine what a route needs as it is found.
  ...[node.toExpressGuard(protect), node.toFastifyGuard(protect), hono.toHonoGuard(protect)].map((rim) => ({
    who: 'guard',
    parameters: [['requirements', optional(either(func, requirementsShape))]] as const,
    run: rim as Subject['run'],
  })),
]
