import { importJWK, type JWK } from 'jose'
import * as oidc from 'openid-client'
import { createBounded } from '../protocol/bounded.js'
import { createCurrent, isDynamic, reveal } from '../protocol/secret.js'
import { type Now, steadyClock } from '../protocol/time.js'
import { type AccessTokenOptions, type IntrospectionOptions, isSafeUrl } from './options.js'

/** What the issuer says of a token, or why it has not said anything. */
export type Introspected =
  | { ok: true; answer: Readonly<Record<string, unknown>> }
  | { ok: false; detail: string; retryAfter?: number }

/** Seconds that an issuer can ask for to be left alone with one token. */
const LONGEST_REST = 60
/** Tokens that it is not asked about for a while, at most. */
const RESTING = 998

/**
 * Asks an issuer about tokens. Never rejects: an answer that is not one, of whatever kind, is no word on the token. Nothing
 * is tried again by itself. While the issuer wants to be left alone (`Retry-After`), it is: with this token. Anybody can send one
 * that an issuer trips over, or many until it answers 429; whose token is another is asked about all the same.
 *
 * @see RFC 7662 section 2
 */
export function createIntrospection(options: AccessTokenOptions, client: IntrospectionOptions, now: Now) {
  const { issuer, timeout = 5 } = options
  const { client_id, endpoint } = client
  const { fetch: custom = globalThis.fetch } = options
  const fetch: oidc.CustomFetch = (url, init) => custom(url, init as RequestInit)
  const execute = new URL(endpoint ?? issuer).protocol === 'http:' ? [oidc.allowInsecureRequests] : []
  const credential = 'clientKey' in client ? client.clientKey : client.client_secret
  const method = createCurrent(() => methodOf(client), { dynamic: isDynamic([credential]) })
  const authenticate: oidc.ClientAuth = async (...parameters) => (await method())(...parameters)
  let discovering: Promise<oidc.ServerMetadata> | undefined
  const clock = steadyClock(now)
  const rests = createBounded<number>(RESTING)

  async function discover(): Promise<oidc.ServerMetadata> {
    const own = { execute, timeout, [oidc.customFetch]: fetch }
    const metadata = (await oidc.discovery(new URL(issuer), client_id, undefined, authenticate, own)).serverMetadata()
    // openid-client compares parsed URLs; an issuer is compared as a string (RFC 8414 section 3.3).
    if (metadata.issuer !== issuer) throw Object.assign(new Error(), { code: 'another issuer' })
    // Where http is allowed at all, it is on loopback alone.
    if (!isSafeUrl(metadata.introspection_endpoint)) throw Object.assign(new Error(), { code: 'endpoint' })
    return metadata
  }

  /** Made for each question: openid-client's clock is the system's plus a skew that is fixed at construction. */
  function configuration(metadata: oidc.ServerMetadata): oidc.Configuration {
    const skew = Math.round(now() - Date.now() / 1000)
    const config = new oidc.Configuration({ ...metadata }, client_id, { [oidc.clockSkew]: skew }, authenticate)
    for (const step of execute) step(config)
    config.timeout = timeout
    config[oidc.customFetch] = fetch
    return config
  }

  /** `digest`: of the token, which is itself kept nowhere. */
  return async (token: string, digest: string): Promise<Introspected> => {
    const rest = (rests.get(digest) ?? 0) - clock()
    if (rest > 0) return { ok: false, detail: 'introspection: left alone', retryAfter: rest }
    try {
      discovering ??=
        endpoint === undefined ? discover() : Promise.resolve({ issuer, introspection_endpoint: endpoint })
      const config = configuration(await discovering)
      const answer = await oidc.tokenIntrospection(config, token, { token_type_hint: 'access_token' })
      return { ok: true, answer }
    } catch (error) {
      // What was read of the issuer may be what is wrong.
      discovering = undefined
      const { status, retryAfter } = responseOf(error)
      if (retryAfter !== undefined) rests.set(digest, clock() + retryAfter)
      const detail = `introspection: ${status ?? (error as { code?: unknown }).code ?? 'failed'}`
      return { ok: false, detail, ...(retryAfter !== undefined && { retryAfter }) }
    }
  }
}

async function methodOf(client: IntrospectionOptions): Promise<oidc.ClientAuth> {
  if ('clientKey' in client) {
    const jwk = JSON.parse(await reveal(client.clientKey)) as JWK
    const { alg, kid } = jwk
    const key = (await importJWK(jwk)) as CryptoKey
    return oidc.PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, {
      // By the name that the JWK has: an issuer may know Ed25519 by the older one.
      [oidc.modifyAssertion](header) {
        header['alg'] = alg
      },
    })
  }
  const secret = await reveal(client.client_secret)
  const { clientAuthentication } = client
  return clientAuthentication === 'client_secret_post' ? oidc.ClientSecretPost(secret) : oidc.ClientSecretBasic(secret)
}

/** Of the response that openid-client did not take, where there was one. */
function responseOf(error: unknown): { status?: number; retryAfter?: number } {
  const { cause, response = cause } = error as { cause?: unknown; response?: unknown }
  if (!(response instanceof Response)) return {}
  const { status, headers } = response
  const said = headers.get('retry-after') ?? ''
  return { status, ...(/^\d{1,6}$/.test(said) && { retryAfter: Math.min(LONGEST_REST, Number(said)) }) }
}
