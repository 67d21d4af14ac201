import type { PlainRequest } from '../../protocol/http/plain-response.js'
import type { EpochSeconds } from '../../protocol/time.js'
import type { CookieJar } from '../http/cookies.js'
import { KEPT_AFTER_END } from '../lifetimes.js'
import { type CookieKeys, openJson } from '../sealing/cookie-keys.js'
import type { Settings } from '../settings.js'

/** A session that a sign-in replaces. */
export interface ReplacedSession {
  readonly id: string
  readonly expires: EpochSeconds
}

export type ReplacedCookie = ReturnType<typeof createReplacedCookie>

/**
 * A Lax cookie with the id of the browser's session. When another site links to `/login`, the browser does not send the Strict
 * session cookie. Without this cookie, each such sign-in would leave an old session behind. It authorizes nothing, and the
 * session ends only after a new sign-in. It is sealed. An attacker who can copy it can copy the session cookie as well.
 */
export function createReplacedCookie({ now }: Pick<Settings, 'now'>, jar: CookieJar, cookieKeys: CookieKeys) {
  return {
    async read(request: PlainRequest): Promise<ReplacedSession | undefined> {
      const [value, ...more] = jar.values(request, jar.replaced)
      if (value === undefined || more.length) return undefined
      return openJson<ReplacedSession>(cookieKeys, 'replaced', value)
    },

    async set({ id, expires }: ReplacedSession): Promise<string> {
      const sealed = await cookieKeys.seal('replaced', JSON.stringify({ id, expires } satisfies ReplacedSession))
      return jar.set(jar.replaced, sealed, expires - now() + KEPT_AFTER_END)
    },
  }
}
