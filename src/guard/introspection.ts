import { createBoundedCache } from '../protocol/bounded-cache.js'
import { monotonicClock, type Now } from '../protocol/time.js'
import { createIntrospectionRequest } from '../provider/introspection.js'
import type { AccessTokenOptions, IntrospectionOptions } from './options.js'

/** What the issuer says of a token, or why it has not said anything. */
export type IntrospectionResult =
  | { ok: true; answer: Readonly<Record<string, unknown>> }
  | { ok: false; detail: string; retryAfter?: number }

/** Seconds that an issuer can ask for to be left alone with one token. */
const MAX_RETRY_AFTER = 60
/** Tokens that it is not asked about for a while, at most. */
const MAX_PAUSED = 998

/**
 * Asks an issuer about tokens. Never rejects: an answer that is not one, of whatever kind, is no word on the token. Nothing
 * is tried again by itself. While the issuer wants to be left alone (`Retry-After`), it is: with this token. Anybody can send one
 * that an issuer trips over, or many until it answers 429; whose token is another is asked about all the same.
 *
 * @see RFC 7662 section 2
 */
export function createIntrospection(options: AccessTokenOptions, client: IntrospectionOptions, now: Now) {
  const { issuer, timeout = 5, fetch = globalThis.fetch } = options
  const { client_id, endpoint } = client
  const ask = createIntrospectionRequest({
    ...('clientKey' in client
      ? { clientAuthentication: client.clientAuthentication, credential: client.clientKey }
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

  /** `digest`: of the token, which is itself kept nowhere. */
  return async (token: string, digest: string): Promise<IntrospectionResult> => {
    const pause = (pauses.get(digest) ?? 0) - clock()
    if (pause > 0) return { ok: false, detail: 'introspection: left alone', retryAfter: pause }
    const outcome = await ask(token)
    if ('answer' in outcome) return { ok: true, answer: outcome.answer }
    const { reason, retryAfter } = outcome.fault
    const detail = `introspection: ${reason}`
    if (retryAfter === undefined) return { ok: false, detail }
    const wait = Math.min(MAX_RETRY_AFTER, retryAfter)
    pauses.set(digest, clock() + wait)
    return { ok: false, detail, retryAfter: wait }
  }
}
