import * as agents from 'sallyport/agents'
import * as bff from 'sallyport/bff'
import * as telemetry from 'sallyport/bff/opentelemetry'
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
import * as testAuth from 'sallyport/testing/auth'
import * as tokens from 'sallyport/tokens'
import { answerOptions } from '../../src/agents/agent-answer.js'
import { approvalsOptions } from '../../src/agents/approvals/approvals.js'
import { auditOptions } from '../../src/agents/audit/audit.js'
import { publicKeysCheck } from '../../src/agents/audit/checkpoint.js'
import { verifyAuditParameters } from '../../src/agents/audit/verify.js'
import { statusCheckShape } from '../../src/agents/identity/agent-token.js'
import { peerCheckOptions, signRequestOptions } from '../../src/agents/identity/signed-request.js'
import { statusCheckOptions } from '../../src/agents/identity/status.js'
import { tokenEndpointOptions } from '../../src/agents/identity/token-endpoint.js'
import { agentsOptions } from '../../src/agents/identity/validation.js'
import { agentPlatformOptions } from '../../src/agents/platform.js'
import { policyCheck } from '../../src/agents/tools/budget.js'
import { toolAccessOptions } from '../../src/agents/tools/options.js'
import { meteredCheck } from '../../src/agents/tools/with-budget.js'
import { sessionCookieOptions } from '../../src/bff/session-cookie.js'
import { bffOptions } from '../../src/bff/validation.js'
import * as browserOnly from '../../src/browser-only/development.js'
import { browserOnlyOptions } from '../../src/browser-only/validation.js'
import * as page from '../../src/client/development.js'
import { apis, authOptions, routeAuthOptions } from '../../src/client/validation.js'
import { clientCertificateOptions } from '../../src/guard/client-certificate.js'
import { guardCheck, guardOptions } from '../../src/guard/guard.js'
import { accessTokenOptions } from '../../src/guard/options.js'
import { keyRingOptions } from '../../src/key-ring/key-ring.js'
import { environmentCheck, variablesCheck } from '../../src/key-ring/vault.js'
import { keysCheck } from '../../src/keys/api-key.js'
import { apiKeysOptions } from '../../src/keys/validation.js'
import { machineClientOptions } from '../../src/machine/machine-client.js'
import { fileVaultOptions } from '../../src/node/file-vault.js'
import { headCheck } from '../../src/node/guards.js'
import { handlerCheck } from '../../src/node/listener.js'
import { mutualTlsOptions } from '../../src/node/mutual-tls.js'
import { serverCheck, upgradeCheck } from '../../src/node/upgrade.js'
import { type AnyCheck, anything, func, object, oneOf, optional, text, withMethods } from '../../src/protocol/shape.js'
import { principalCheck, requestCheck } from '../../src/protocol/web-checks.js'
import { ledgerCheck, memoryOptions } from '../../src/store/engine-checks.js'
import { postgresOptions } from '../../src/store/postgres/sender.js'
import { redisOptions } from '../../src/store/redis/sender.js'
import { authorizationServerOptions } from '../../src/testing/authorization-server/authorization-server.js'
import { browserOptions } from '../../src/testing/browser/browser.js'
import { tokenIssuerOptions } from '../../src/tokens/token-issuer.js'
import type { Subject } from './faults.js'
import { alone, made } from './made.js'

type Takes = readonly (readonly [name: string, check: AnyCheck])[]

/** A function that is exported, or why it takes nothing that could be misused. */
type Exported = { readonly parameters: Takes } | { readonly because: string }

const options = (check: AnyCheck): Exported => ({ parameters: [['options', check]] })
const one = (name: string, check: AnyCheck): Exported => ({ parameters: [[name, check]] })
const because = (reason: string): Exported => ({ because: reason })

/** Entries of one file export no declarations: what they take is said here once more, tied to the same types. */
const openTelemetryOptions = object<telemetry.OpenTelemetryOptions>({
  meterProvider: optional(withMethods('a MeterProvider', 'getMeter')),
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
  [
    page,
    {
      createAuth: options(optional(authOptions)),
      requireAuth: {
        parameters: [
          ['auth', anything()],
          ['options', optional(routeAuthOptions)],
        ],
      },
    },
  ],
  [browserOnly, { createBrowserOnlyAuth: options(browserOnlyOptions) }],
  [
    bff,
    {
      createBff: options(bffOptions),
      sessionCookie: {
        parameters: [
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
        parameters: [
          ['error', anything()],
          ['options', optional(answerOptions)],
        ],
      },
      agentToken: {
        parameters: [
          ['agents', statusCheckShape],
          ['verifier', anything()],
        ],
      },
      budgetLines: {
        parameters: [
          ['principal', principalCheck],
          ['policy', policyCheck],
        ],
      },
      createAgentPlatform: options(agentPlatformOptions),
      createAgents: options(agentsOptions),
      createApprovals: options(approvalsOptions),
      createAudit: options(auditOptions),
      createPeerCheck: options(peerCheckOptions),
      createStatusCheck: options(statusCheckOptions),
      createTokenEndpoint: options(tokenEndpointOptions),
      createToolAccess: options(toolAccessOptions),
      digestOf: because('plain data of any kind; anything else is a TypeError that says what was found'),
      parseArguments: fromOutside,
      signRequest: {
        parameters: [
          ['request', requestCheck],
          ['options', signRequestOptions],
        ],
      },
      tenantOf: one('principal', principalCheck),
      verifyAudit: { parameters: verifyAuditParameters },
      verifyCheckpoint: {
        parameters: [
          ['jws', anything()],
          ['keys', publicKeysCheck],
        ],
      },
      withBudget: {
        parameters: [
          ['ledger', ledgerCheck],
          ['metered', meteredCheck],
          ['work', func],
        ],
      },
    },
  ],
  [
    keyRing,
    {
      createKeyRing: options(keyRingOptions),
      environmentVault: {
        parameters: [
          ['environment', environmentCheck],
          ['variables', variablesCheck],
        ],
      },
    },
  ],
  [
    node,
    {
      attachUpgrade: {
        parameters: [
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

export const subjects: readonly Subject[] = [
  ...exported.flatMap(([module, functions]) =>
    Object.entries(functions).flatMap(([who, about]) =>
      'parameters' in about ? [{ who, parameters: about.parameters, run: module[who] as Subject['run'] }] : [],
    ),
  ),
  ...made.flatMap(([who, instance, calls]) =>
    Object.entries(calls).map(([name, { parameters }]) => ({
      who: `${who}.${name}`,
      parameters,
      run: (instance as Record<string, Subject['run']>)[name] as Subject['run'],
    })),
  ),
  ...alone,
]
