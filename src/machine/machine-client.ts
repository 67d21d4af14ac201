import { misuseOf } from '../protocol/option-checks.js'
import type { Secret } from '../protocol/secret.js'
import { func, object, optional, seconds, secret, text } from '../protocol/shape.js'
import { monotonicClock, systemNow } from '../protocol/time.js'
import { asyncCall, validate, validated } from '../protocol/validate.js'
import { fetchInit, fetchInput } from '../protocol/web-shapes.js'
import { type ClientOptions, clientShape, validateClient, validatePrivateKey } from '../provider/client/client.js'
import { createDpop } from '../provider/client/dpop.js'
import { createProvider } from '../provider/provider.js'

import { createCalls } from './calls.js'
import { createTokenCache, type MachineTokenOptions } from './token-cache.js'

export type { MachineTokenOptions }

/** A service as a client of its own: how it proves which one it is, as in `createBff`. */
export type MachineClientOptions = ClientOptions & {
  /** Space-separated: what is asked for where a call names nothing. */
  scope?: string
  /** The API that is meant where a call names none. @see RFC 8707 section 2 */
  resource?: string
  /** Binds tokens to this private key, a JWK in JSON (RFC 9449). Default: plain bearer tokens. */
  dpopKey?: Secret
  /** Seconds to wait for the provider. Default 10. */
  timeout?: number
  /** What all requests go through, those to APIs included; `mutualTls(…)` brings a certificate. Default: the platform's. */
  fetch?: typeof globalThis.fetch
  now?: () => number
}

export interface MachineClient {
  /**
   * An access token of this client. From memory while it has 30 seconds left; one request, however many ask at once; renewed
   * ahead of its end while the present one still serves.
   *
   * @throws SallyportError `token_unavailable` (retryable), `client_refused`, `request_refused`
   */
  getToken(options?: MachineTokenOptions): Promise<string>
  /**
   * `fetch` with a token, and a proof where tokens are bound. After a 401 it asks once for another token and sends the
   * request once more, unless its body is a stream or the token is younger than 10 seconds. Not checked: which hosts it is sent to; name your own APIs only.
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

/** What the functions of `createMachineClient(…)` take. */
export const machineClientCalls = {
  getToken: asyncCall(['options', tokenOptions]),
  fetch: asyncCall(['input', fetchInput], ['init', optional(fetchInit)], ['options', tokenOptions]),
}

/**
 * A service that calls APIs as itself: the client credentials grant. There is no person in it and no refresh token; a token
 * is asked for again when its time is over.
 *
 * Back-off after failures, with the provider's `Retry-After`; a token that is still good is served through an outage.
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
  )
  const tokens = createTokenCache(provider, { scope: options.scope, resource: options.resource }, monotonicClock(now))
  const methods = {
    getToken: (wanted: MachineTokenOptions = {}) => tokens.get(wanted),
    fetch: createCalls(tokens, dpop, fetch),
  }
  return validated('client', methods, machineClientCalls)
}
