import type { PlainRequest } from '../../protocol/http/plain-response.js'
import type { EpochSeconds } from '../../protocol/time.js'
import type { CookieJar } from '../http/cookies.js'
import { REMEMBRANCE } from '../lifetimes.js'
import { type CookieKeys, openJson } from '../sealing/cookie-keys.js'
import type { Settings } from '../settings.js'

/** A session that a sign-in takes the place of. */
export interface ReplacedSession {
  readonly id: string
  readonly expires: EpochSeconds
}

export type ReplacedCookie = ReturnType<typeof createReplacedCookie>

/**
 * Says which session this browser has, also where another site has sent it here and Strict cookies are withheld: or each of its
 * sign-ins would leave a session behind that nobody can reach. It authorizes nothing, and ends a session only when somebody
 * has signed in. Sealed for this app; whoever could copy it could copy the session's own cookie.
 */
export function createReplacedCookie({ now }: Pick<Settings, 'now'>, jar: CookieJar, keyring: CookieKeys) {
  return {
    async read(request: PlainRequest): Promise<ReplacedSession | undefined> {
      const [value, ...more] = jar.values(request, jar.replaced)
      if (value === undefined || more.length) return undefined
      return openJson<ReplacedSession>(keyring, 'replaced', value)
    },

    async set({ id, expires }: ReplacedSession): Promise<string> {
      const sealed = await keyring.seal('replaced', JSON.stringify({ id, expires } satisfies ReplacedSession))
      return jar.set(jar.replaced, sealed, expires - now() + REMEMBRANCE)
    },
  }
}
