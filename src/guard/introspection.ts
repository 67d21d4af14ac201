import { createBoundedCache } from '../protocol/bounded-cache.js'
import { monotonicClock, type Now } from '../protocol/time.js'
import { createIntrospectionRequest } from '../provider/introspection.js'
import type { AccessTokenOptions, IntrospectionOptions } from './options.js'

/** The introspection response of the issuer, or why there is none. */
export type IntrospectionResult =
  | { ok: true; answer: Readonly<Record<string, unknown>> }
  | { ok: false; detail: string; temporary: boolean; retryAfter?: number }

/** Seconds of `Retry-After` that are respected, at most. */
const MAX_RETRY_AFTER = 60
/** Tokens whose introspection is paused, at most. */
const MAX_PAUSED = 998

/**
 * Sends introspection requests to an issuer. Never rejects: an invalid response says nothing about the token. There are no
 * retries. `Retry-After` pauses the introspection of this token only: an attacker can send tokens that cause errors, or many
 * until the issuer responds 429, and that must not block the tokens of other callers.
 *
 * @see RFC 7662 section 2
 */
export function createIntrospection(options: AccessTokenOptions, client: IntrospectionOptions, now: Now) {
  const { issuer, timeout = 5, fetch = globalThis.fetch } = options
  const { client_id, endpoint } = client
  const ask = createIntrospectionRequest({
    ...('clientKey' in client
      ? {
          clientAuthentication: client.clientAuthentication,
          credential: client.clientKey,
          assertionAudience: client.assertionAudience,
        }
      : {
          clientAuthentication: client.clientAuthentication ?? 'client_secret_basic',
          credential: client.client_secret,
        }),
    issuer,
    client_id,
    endpoint,
    timeout,
    now,
    fetch: (input, init) => fetch(input, init),
  })
  const clock = monotonicClock(now)
  const pauses = createBoundedCache<number>(MAX_PAUSED)

  /** `digest`: of the token. The token itself is not stored. */
  return async (token: string, digest: string): Promise<IntrospectionResult> => {
    const pause = (pauses.get(digest) ?? 0) - clock()
    if (pause > 0)
      return { ok: false, detail: 'introspection: paused by Retry-After', temporary: true, retryAfter: pause }
    const outcome = await ask(token)
    if ('answer' in outcome) return { ok: true, answer: outcome.answer }
    const { retryAfter, ...fault } = outcome.fault
    if (retryAfter === undefined) return { ok: false, ...fault }
    const wait = Math.min(MAX_RETRY_AFTER, retryAfter)
    pauses.set(digest, clock() + wait)
    return { ok: false, ...fault, retryAfter: wait }
  }
}
