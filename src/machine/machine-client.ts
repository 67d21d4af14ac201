import { misuseOf } from '../protocol/option-checks.js'
import type { Secret } from '../protocol/secret.js'
import { func, object, optional, seconds, secret, text } from '../protocol/shape.js'
import { monotonicClock, systemNow } from '../protocol/time.js'
import { asyncCall, validate, validated } from '../protocol/validate.js'
import { fetchInit, fetchInput } from '../protocol/web-checks.js'
import { type ClientOptions, clientShape, validateClient, validatePrivateKey } from '../provider/client/client.js'
import { createDpop } from '../provider/client/dpop.js'
import { createProvider } from '../provider/provider.js'
import { createCalls } from './calls.js'
import { createTokenCache, type MachineTokenOptions } from './token-cache.js'

/** The service as an OAuth client. Client authentication has the same options as in `createBff`. */
export type MachineClientOptions = ClientOptions & {
  /** Space-separated. The default scope of calls. */
  scope?: string
  /** The default API of calls. @see RFC 8707 section 2 */
  resource?: string
  /** Binds tokens to this private key, a JWK in JSON (RFC 9449). Default: plain bearer tokens. */
  dpopKey?: Secret
  /** Seconds to wait for the provider. Default 10. */
  timeout?: number
  /** Used for all requests, including those to APIs. `mutualTls(…)` adds a client certificate. Default: the global `fetch`. */
  fetch?: typeof globalThis.fetch
  now?: () => number
}

export interface MachineClient {
  /**
   * An access token of this client. It is cached until 30 seconds before its expiry, and renewed in the background before that.
   * Concurrent calls share one token request.
   *
   * @throws SallyportError `token_unavailable` (retryable), `client_refused`, `request_refused`, `operator_error`
   */
  getToken(options?: MachineTokenOptions): Promise<string>
  /**
   * `fetch` with a token, and with a DPoP proof if tokens are bound. After a 401 it requests a new token and sends the request
   * once more, unless its body is a stream or the token is younger than 10 seconds. Not checked: the host of the request. Call
   * only your own APIs, since they get the token.
   *
   * @throws what `getToken()` throws
   */
  fetch(input: string | URL | Request, init?: RequestInit, options?: MachineTokenOptions): Promise<Response>
}

export const machineClientOptions = object<MachineClientOptions>({
  ...clientShape,
  scope: optional(text),
  resource: optional(text),
  dpopKey: optional(secret),
  timeout: optional(seconds()),
  fetch: optional(func),
  now: optional(func),
})

const misuse = misuseOf('createMachineClient')

const tokenOptions = optional(object<MachineTokenOptions>({ resource: optional(text), scope: optional(text) }))

export const machineClientCalls = {
  getToken: asyncCall(['options', tokenOptions]),
  fetch: asyncCall(['input', fetchInput], ['init', optional(fetchInit)], ['options', tokenOptions]),
}

/**
 * A service that calls APIs as itself, with the client credentials grant. There is no user and no refresh token; an expired
 * token is requested again.
 *
 * After failures there is a back-off, with the provider's `Retry-After`. While the provider is down, a cached token is used until
 * it expires.
 *
 * @throws TypeError naming the option
 * @see RFC 6749 section 4.4
 */
export function createMachineClient(options: MachineClientOptions): MachineClient {
  validate('createMachineClient', machineClientOptions, options)
  const { dpopKey, timeout = 10, now = systemNow } = options
  if (dpopKey !== undefined) validatePrivateKey('dpopKey', dpopKey, misuse)
  const fetch = options.fetch ?? globalThis.fetch.bind(globalThis)
  const dpop = dpopKey === undefined ? undefined : createDpop(dpopKey, { now })
  const provider = createProvider(
    {
      ...validateClient(options, options.fetch !== undefined, misuse),
      timeout,
      now,
      fetch,
      emit: () => {},
      idTokenAlgs: [],
      clockTolerance: 0,
      userinfo_signed_response_alg: undefined,
    },
    dpop,
    ['token_endpoint'],
  )
  const tokens = createTokenCache(provider, { scope: options.scope, resource: options.resource }, monotonicClock(now))
  const methods = {
    getToken: (requested: MachineTokenOptions = {}) => tokens.get(requested),
    fetch: createCalls(tokens, dpop, fetch),
  }
  return validated('client', methods, machineClientCalls)
}
