import { peerOf, withPeer } from '../../protocol/http/peer.js'
import { bool, func, integer, list, object, oneOf, optional, seconds, text } from '../../protocol/shape.js'
import { asyncCall, call, validate, validated } from '../../protocol/validate.js'
import { fetchInit, fetchInput } from '../../protocol/web-checks.js'
import { refuseProduction } from '../refuse-production.js'
import { authorize } from './authorize.js'
import { crossOrigin } from './cross-origin.js'
import { endSession } from './end-session.js'
import { createFaults, type EndpointName, endpoints, type Fault } from './faults.js'
import type { RequestHandler } from './handlers.js'
import { introspect } from './introspection.js'
import { type Claims, createKeys } from './keys.js'
import { type LogoutTokenOptions, logoutToken } from './logout-token.js'
import { createMockTokenIssuer, type MockTokenIssuer, mockTokenIssuerCalls } from './mock-token-issuer.js'
import {
  isPublic,
  type MockAuthorizationServerOptions,
  type ProviderState,
  sidOfSignIn,
  type TamperHooks,
} from './provider-state.js'
import { json, push, revoke, token } from './token.js'
import { userinfo } from './userinfo.js'
import { clientCheck, endpointCheck, faultCheck, keyCheck, userCheck } from './validation.js'

export interface MockAuthorizationServer extends MockTokenIssuer {
  readonly issuer: string
  /**
   * Answers a request as the provider would. Pass it as the `fetch` option of `createBff` and `accessToken`. Opens no
   * port.
   */
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>
  /** msw request handlers over `fetch`; needs msw. They are not registered. */
  handlers(): Promise<RequestHandler[]>
  /** Sets who is signed in at the provider. */
  signIn(sub: string): void
  signOut(): void
  /** Makes the provider refuse the next authorization request. */
  deny(answer?: { error?: string; error_description?: string }): void
  /** Makes the next request to an endpoint fail, or the next `times` requests. */
  fail(endpoint: EndpointName, fault: Fault, options?: { times?: number }): void
  /** Requests to the endpoint wait until `release()`. */
  delay(endpoint: EndpointName): { release(): void }
  rotateKeys(): Promise<void>
  /** Revokes all refresh tokens of a user, and makes introspection report the user's access tokens as inactive. */
  revoke(sub: string): void
  /**
   * A logout token for a client, as in back-channel logout. `tamper` makes it invalid.
   * @see OpenID Connect Back-Channel Logout 1.0 section 2.4
   */
  logoutToken(client_id: string, options: LogoutTokenOptions): Promise<string>
  readonly tamper: TamperHooks
  /** How many requests each endpoint received. */
  readonly requests: Record<EndpointName, number>
  /** Successful grants. */
  readonly grants: { authorization_code: number; refresh_token: number; client_credentials: number }
  /** Every code and token issued so far. */
  readonly issued: readonly string[]
}

export const authorizationServerOptions = object<MockAuthorizationServerOptions>({
  issuer: text,
  clients: list(clientCheck),
  users: list(userCheck),
  now: optional(func),
  accessTokenLifetime: optional(seconds({ least: 0 })),
  accessTokenFormat: optional(oneOf('jwt', 'opaque')),
  leeway: optional(seconds({ least: 0 })),
  grantPerSession: optional(bool),
  par: optional(bool),
  assertionAudience: optional(oneOf('issuer', 'endpoint')),
  dpopNonce: optional(text),
  keys: optional(list(keyCheck)),
})

export const authorizationServerCalls = {
  fetch: asyncCall(['input', fetchInput], ['init', optional(fetchInit)]),
  handlers: asyncCall(),
  signIn: call(['sub', text]),
  signOut: call(),
  deny: call([
    'answer',
    optional(
      object<{ error?: string; error_description?: string }>({
        error: optional(text),
        error_description: optional(text),
      }),
    ),
  ]),
  fail: call(
    ['endpoint', endpointCheck],
    ['fault', faultCheck],
    ['options', optional(object<{ times?: number }>({ times: optional(integer({ least: 1 })) }))],
  ),
  delay: call(['endpoint', endpointCheck]),
  rotateKeys: asyncCall(),
  revoke: call(['sub', text]),
  logoutToken: asyncCall(
    ['client_id', text],
    ['options', object<LogoutTokenOptions>({ sub: optional(text), sid: optional(text), tamper: optional(func) })],
  ),
  ...mockTokenIssuerCalls,
}

const paths: Record<string, EndpointName> = {
  '/.well-known/openid-configuration': 'discovery',
  '/.well-known/oauth-authorization-server': 'discovery',
  '/jwks': 'jwks',
  '/par': 'push',
  '/authorize': 'authorize',
  '/token': 'token',
  '/userinfo': 'userinfo',
  '/revoke': 'revocation',
  '/introspect': 'introspection',
  '/end-session': 'end_session',
}

/**
 * A mock OpenID provider that refuses what a strict real one would: wrong verifiers, used codes, redirect URIs of other
 * clients, reused refresh tokens. It signs with real keys, which are generated for each server, has its own clock, and
 * can simulate faults. `signIn(sub)` signs a user in: there is no form.
 *
 * Not supported: client registration, more than one user signed in at a time.
 */
export async function mockAuthorizationServer(
  options: MockAuthorizationServerOptions,
): Promise<MockAuthorizationServer> {
  refuseProduction()
  validate('mockAuthorizationServer', authorizationServerOptions, options)
  const { issuer } = options
  const state: ProviderState = {
    issuer,
    clients: options.clients,
    users: options.users,
    keys: await createKeys(options.keys),
    now: options.now ?? (() => Date.now() / 1000),
    accessTokenLifetime: options.accessTokenLifetime ?? 300,
    accessTokenFormat: options.accessTokenFormat ?? 'jwt',
    leeway: options.leeway ?? 0,
    grantPerSession: options.grantPerSession ?? false,
    codes: new Map(),
    pushed: new Map(),
    refreshTokens: new Map(),
    revokedFamilies: new Set(),
    sessionFamilies: new Map(),
    accessTokens: new Map(),
    accessTokenFamilies: new Map(),
    tamper: {},
    signedIn: undefined,
    denial: undefined,
    grants: { authorization_code: 0, refresh_token: 0, client_credentials: 0 },
    issued: [],
    seen: new Set(),
    assertionAudience: options.assertionAudience ?? 'issuer',
    dpopNonce: options.dpopNonce,
  }
  const faults = createFaults()
  const requests = Object.fromEntries(endpoints.map((name) => [name, 0])) as Record<EndpointName, number>

  async function respond(endpoint: EndpointName, request: Request): Promise<Response> {
    const url = new URL(request.url)
    const method = ['push', 'token', 'revocation', 'introspection'].includes(endpoint) ? 'POST' : 'GET'
    if (request.method !== method) return new Response(null, { status: 405, headers: { Allow: method } })
    switch (endpoint) {
      case 'discovery':
        return json(state.tamper.metadata?.(metadata(issuer, options)) ?? metadata(issuer, options))
      case 'jwks':
        return json(state.keys.jwks())
      case 'push':
        return push(state, request)
      case 'authorize':
        return authorize(state, url)
      case 'token':
        return token(state, request)
      case 'userinfo':
        return userinfo(state, request)
      case 'revocation':
        return revoke(state, request)
      case 'introspection':
        return introspect(state, request)
      case 'end_session':
        return endSession(state, url)
    }
  }

  const self: MockAuthorizationServer = {
    issuer,
    async fetch(input, init) {
      // Some runtimes' own Request objects cannot be copied.
      const request = input instanceof Request && !init ? input : new Request(input, init)
      const peer = input instanceof Request ? peerOf(input) : undefined
      if (peer) withPeer(request, peer)
      const endpoint = paths[new URL(request.url).href.slice(issuer.replace(/\/$/, '').length).replace(/[?#].*/, '')]
      if (!request.url.startsWith(issuer) || !endpoint) return new Response(null, { status: 404 })
      const answer = () => {
        requests[endpoint]++
        return faults.run(endpoint, () => respond(endpoint, request))
      }
      // Browsers navigate to the authorization endpoint; pages must not read it.
      return endpoint !== 'authorize' && state.clients.some(isPublic) ? crossOrigin(request, answer) : answer()
    },
    handlers: async () => (await import('./handlers.js')).mswHandlers(self),
    signIn(sub) {
      if (!state.users.some((user) => user.sub === sub)) throw new TypeError(`signIn: "users" has no user "${sub}"`)
      state.signedIn = { sub, sid: sidOfSignIn(state), auth_time: Math.floor(state.now()) }
    },
    signOut() {
      state.signedIn = undefined
    },
    deny({ error = 'access_denied', error_description } = {}) {
      state.denial = { error, ...(error_description !== undefined && { error_description }) }
    },
    fail: faults.fail,
    delay: faults.delay,
    rotateKeys: () => state.keys.rotate(),
    revoke(sub) {
      for (const grant of state.refreshTokens.values()) if (grant.sub === sub) state.revokedFamilies.add(grant.family)
      for (const [token, claims] of state.accessTokens) if (claims['sub'] === sub) state.accessTokens.delete(token)
    },
    logoutToken: (client_id, options) => logoutToken(state, client_id, options),
    ...createMockTokenIssuer(state),
    tamper: state.tamper,
    requests,
    grants: state.grants,
    issued: state.issued,
  }
  return validated('as', self, authorizationServerCalls)
}

function metadata(issuer: string, { par }: MockAuthorizationServerOptions): Claims {
  const at = (path: string) => issuer.replace(/\/$/, '') + path
  return {
    issuer,
    authorization_endpoint: at('/authorize'),
    ...(par && { pushed_authorization_request_endpoint: at('/par') }),
    token_endpoint: at('/token'),
    jwks_uri: at('/jwks'),
    userinfo_endpoint: at('/userinfo'),
    revocation_endpoint: at('/revoke'),
    introspection_endpoint: at('/introspect'),
    end_session_endpoint: at('/end-session'),
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'form_post', 'jwt'],
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256', 'ES256'],
    token_endpoint_auth_methods_supported: [
      'client_secret_basic',
      'client_secret_post',
      'private_key_jwt',
      'tls_client_auth',
      'none',
    ],
    dpop_signing_alg_values_supported: ['ES256', 'EdDSA', 'PS256', 'RS256'],
    authorization_signing_alg_values_supported: ['RS256', 'ES256'],
    userinfo_signing_alg_values_supported: ['RS256', 'ES256'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    frontchannel_logout_supported: true,
    frontchannel_logout_session_supported: true,
  }
}
