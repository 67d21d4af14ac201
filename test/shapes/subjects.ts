import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as agents from 'sallyport/agents'
import * as bff from 'sallyport/bff'
import * as telemetry from 'sallyport/bff/opentelemetry'
import * as guard from 'sallyport/guard'
import * as hono from 'sallyport/hono'
import * as keys from 'sallyport/keys'
import * as machine from 'sallyport/machine'
import * as node from 'sallyport/node'
import * as store from 'sallyport/store'
import * as postgres from 'sallyport/store/postgres'
import * as redis from 'sallyport/store/redis'
import * as testing from 'sallyport/testing'
import * as testAuth from 'sallyport/testing/auth'
import * as tokens from 'sallyport/tokens'
import { agentsCalls, agentsOptions } from '../../src/agents/agent-shapes.js'
import { standingCheck } from '../../src/agents/agent-token.js'
import { answerOptions } from '../../src/agents/answers.js'
import { approvalsCalls, approvalsOptions } from '../../src/agents/approvals.js'
import { auditCalls, auditOptions } from '../../src/agents/audit.js'
import { policyCheck } from '../../src/agents/budget.js'
import { publicKeysCheck } from '../../src/agents/checkpoint.js'
import { keyRingCalls, keyRingOptions } from '../../src/agents/key-ring.js'
import { peerCheckOptions, signRequestOptions } from '../../src/agents/peer.js'
import { standingCalls, standingOptions } from '../../src/agents/standing.js'
import { namespaceCalls } from '../../src/agents/tenancy.js'
import { tokenEndpointCalls, tokenEndpointOptions } from '../../src/agents/token-endpoint.js'
import { toolAccessOptions } from '../../src/agents/tool-options.js'
import { environmentCheck, variablesCheck, vaultCalls } from '../../src/agents/vault.js'
import { verifyAuditTakes } from '../../src/agents/verify-audit.js'
import { meteredCheck } from '../../src/agents/with-budget.js'
import { sessionCookieOptions } from '../../src/bff/session-cookie.js'
import { bffCalls, bffOptions } from '../../src/bff/shapes.js'
import * as browserOnly from '../../src/browser-only/development.js'
import { browserOnlyOptions } from '../../src/browser-only/shapes.js'
import * as page from '../../src/client/development.js'
import { apis, authCalls, authOptions } from '../../src/client/shapes.js'
import { clientCertificateOptions } from '../../src/guard/client-certificate.js'
import { guardCalls, guardCheck, guardOptions } from '../../src/guard/guard.js'
import { needsShape } from '../../src/guard/needs.js'
import { accessTokenOptions } from '../../src/guard/options.js'
import { keysCheck } from '../../src/keys/api-key.js'
import { apiKeysCalls, apiKeysOptions } from '../../src/keys/shapes.js'
import { machineClientCalls, machineClientOptions } from '../../src/machine/machine-client.js'
import { fileVaultOptions } from '../../src/node/file-vault.js'
import { headCheck } from '../../src/node/guards.js'
import { handlerCheck } from '../../src/node/listener.js'
import { mutualTlsOptions } from '../../src/node/mutual-tls.js'
import { serverCheck, upgradeCheck } from '../../src/node/upgrade.js'
import type { Call } from '../../src/protocol/examine.js'
import { type AnyCheck, anything, func, having, object, oneOf, optional, text } from '../../src/protocol/shape.js'
import { principal, request } from '../../src/protocol/web-shapes.js'
import { ledgerCheck, memoryOptions } from '../../src/store/examine-store.js'
import { postgresOptions } from '../../src/store/postgres-sender.js'
import { redisOptions } from '../../src/store/redis-sender.js'
import { authorizationServerCalls, authorizationServerOptions } from '../../src/testing/authorization-server.js'
import { browserCalls, browserOptions, tabCalls } from '../../src/testing/browser.js'
import { tokenIssuerCalls, tokenIssuerOptions } from '../../src/tokens/token-issuer.js'
import { randomKey } from '../keys.js'
import type { Subject } from './faults.js'

type Takes = readonly (readonly [name: string, check: AnyCheck])[]

/** A function that is exported, or why it takes nothing that could be misused. */
type Exported = { readonly takes: Takes } | { readonly because: string }

const options = (check: AnyCheck): Exported => ({ takes: [['options', check]] })
const one = (name: string, check: AnyCheck): Exported => ({ takes: [[name, check]] })
const because = (reason: string): Exported => ({ because: reason })

/** Entries of one file export no declarations: what they take is said here once more, tied to the same types. */
const openTelemetryOptions = object<telemetry.OpenTelemetryOptions>({
  meterProvider: optional(having('a MeterProvider', 'getMeter')),
})
const testAuthOptions = object<testAuth.TestAuthOptions<unknown>>({
  user: anything<unknown>(),
  token: optional(text),
  status: optional(oneOf('pending', 'signed-in', 'signed-out', 'unavailable')),
  fetch: optional(func),
  apis: optional(apis),
  bff: optional(text),
})

const fromOutside = because('what it takes comes from outside, and is answered')

/** Every function of every public subpath. One that is missing here fails the test. */
export const exported: readonly (readonly [
  module: Readonly<Record<string, unknown>>,
  Readonly<Record<string, Exported>>,
])[] = [
  [page, { createAuth: options(optional(authOptions)) }],
  [browserOnly, { createBrowserOnlyAuth: options(browserOnlyOptions) }],
  [
    bff,
    {
      createBff: options(bffOptions),
      sessionCookie: {
        takes: [
          ['bff', anything()],
          ['options', optional(sessionCookieOptions)],
        ],
      },
      withPeer: because('called for every request, by rims'),
    },
  ],
  [telemetry, { openTelemetry: options(optional(openTelemetryOptions)) }],
  [
    guard,
    {
      accessToken: options(accessTokenOptions),
      clientCertificate: options(clientCertificateOptions),
      createGuard: options(guardOptions),
      peerOf: because('asked of any object'),
      withPeer: because('called for every request, by rims'),
    },
  ],
  [machine, { createMachineClient: options(machineClientOptions) }],
  [tokens, { createTokenIssuer: options(tokenIssuerOptions) }],
  [keys, { createApiKeys: options(apiKeysOptions), apiKey: one('keys', keysCheck), parseApiKey: fromOutside }],
  [
    agents,
    {
      agentAnswer: {
        takes: [
          ['error', anything()],
          ['options', optional(answerOptions)],
        ],
      },
      agentToken: {
        takes: [
          ['agents', standingCheck],
          ['verifier', anything()],
        ],
      },
      budgetLines: {
        takes: [
          ['principal', principal],
          ['policy', policyCheck],
        ],
      },
      createAgents: options(agentsOptions),
      createApprovals: options(approvalsOptions),
      createAudit: options(auditOptions),
      createKeyRing: options(keyRingOptions),
      createPeerCheck: options(peerCheckOptions),
      createStanding: options(standingOptions),
      createTokenEndpoint: options(tokenEndpointOptions),
      createToolAccess: options(toolAccessOptions),
      digestOf: because('plain data of any kind; anything else is a TypeError that says what was found'),
      environmentVault: {
        takes: [
          ['environment', environmentCheck],
          ['variables', variablesCheck],
        ],
      },
      parseArguments: fromOutside,
      signRequest: {
        takes: [
          ['request', request],
          ['options', signRequestOptions],
        ],
      },
      tenantOf: one('principal', principal),
      verifyAudit: { takes: verifyAuditTakes },
      verifyCheckpoint: {
        takes: [
          ['jws', anything()],
          ['keys', publicKeysCheck],
        ],
      },
      withBudget: {
        takes: [
          ['ledger', ledgerCheck],
          ['metered', meteredCheck],
          ['work', func],
        ],
      },
    },
  ],
  [
    node,
    {
      attachUpgrade: {
        takes: [
          ['server', serverCheck],
          ['bff', upgradeCheck],
        ],
      },
      fileVault: options(fileVaultOptions),
      mutualTls: options(mutualTlsOptions),
      principalOf: one('request', headCheck),
      toExpress: one('handler', handlerCheck),
      toExpressGuard: one('protect', guardCheck),
      toFastifyGuard: one('protect', guardCheck),
      toNodeListener: one('handler', handlerCheck),
    },
  ],
  [hono, { toHonoGuard: one('protect', guardCheck) }],
  [
    store,
    {
      memoryLedger: options(optional(memoryOptions)),
      memoryStore: options(optional(memoryOptions)),
      StoreError: because('an error'),
    },
  ],
  [redis, { redisLedger: options(redisOptions), redisStore: options(redisOptions) }],
  [postgres, { postgresLedger: options(postgresOptions), postgresStore: options(postgresOptions) }],
  [
    testing,
    {
      generateKeys: because('takes nothing'),
      ledgerContract: because('for authors of engines'),
      mockAuthorizationServer: options(authorizationServerOptions),
      mockBrowser: options(browserOptions),
      recordStoreContract: because('for authors of engines'),
    },
  ],
  [testAuth, { createTestAuth: options(optional(testAuthOptions)) }],
]

/** Writes that were made, whoever made them. */
export const written = { times: 0 }
const inner = store.memoryStore()
const counted: store.RecordStore = {
  ...inner,
  write(changes) {
    written.times++
    return inner.write(changes)
  },
  consume(id, ttl) {
    written.times++
    return inner.consume(id, ttl)
  },
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
const vault = agents.environmentVault({}, {})
const browser = testing.mockBrowser({ origins: {} })
const alice = { method: 'access_token', sub: 'alice', tenant: 'acme', scopes: [], claims: {} } as const

/** What factories return, with all its functions. One without a declaration fails the test. */
export const made: readonly (readonly [who: string, instance: object, calls: Readonly<Record<string, Call>>])[] = [
  ['keys', apiKeys, apiKeysCalls],
  ['tokens', issuing, tokenIssuerCalls],
  ['client', machine.createMachineClient(client), machineClientCalls],
  ['guard', protect, guardCalls],
  ['agents', allAgents, agentsCalls],
  ['agents', agents.createStanding({ issuer, store: counted }), standingCalls],
  ['approvals', agents.createApprovals({ store: counted }), approvalsCalls],
  ['audit', agents.createAudit({ store: counted }), auditCalls],
  ['ring', agents.createKeyRing({ name: 'openai', provider, vault, store: counted }), keyRingCalls],
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
]

/** Functions that are made by a factory and are called by themselves. */
const alone: readonly Subject[] = [
  {
    who: 'guard',
    takes: [
      ['request', request],
      ['needs', optional(needsShape)],
    ],
    run: protect as Subject['run'],
  },
  {
    who: 'check',
    takes: [['request', request]],
    run: agents.createPeerCheck({ audience: 'https://api.example.com', store: counted }) as Subject['run'],
  },
]

export const subjects: readonly Subject[] = [
  ...exported.flatMap(([module, functions]) =>
    Object.entries(functions).flatMap(([who, about]) =>
      'takes' in about ? [{ who, takes: about.takes, run: module[who] as Subject['run'] }] : [],
    ),
  ),
  ...made.flatMap(([who, instance, calls]) =>
    Object.entries(calls).map(([name, { takes }]) => ({
      who: `${who}.${name}`,
      takes,
      run: (instance as Record<string, Subject['run']>)[name] as Subject['run'],
    })),
  ),
  ...alone,
]
