import type { Dpop } from '../provider/client/dpop.js'
import type { RecordStore } from '../store/contract.js'
import type { Providers } from './providers.js'
import type { RateLimiting } from './rate-limits/rate-limits.js'
import type { RefreshTokenNotice } from './refresh-token-notice.js'
import type { ReplacedCookie } from './sessions/replaced-session.js'
import type { Sessions } from './sessions/sessions.js'
import type { TokenAudiences } from './sessions/token-audience.js'
import type { Settings } from './settings.js'

/** What the endpoints share. */
export interface BffContext {
  settings: Settings
  providers: Providers
  sessions: Sessions
  audiences: TokenAudiences
  /** Which session a sign-in in proxy mode replaces. */
  replaced: ReplacedCookie
  limits: RateLimiting
  /** Which providers issue no refresh token. */
  refreshTokens: RefreshTokenNotice
  /** `undefined`: bearer tokens. */
  dpop: Dpop | undefined
  /** For what may be used once only: transactions, logout tokens. The session store, or the memory of this process. */
  store: RecordStore
}

const contexts = new WeakMap<object, BffContext>()

/** Attaches the context to a backend, for functions such as `sessionCookie(bff)`. Returns the same backend. */
export function withContext<Owner extends object>(owner: Owner, context: BffContext): Owner {
  contexts.set(owner, context)
  return owner
}

/** The context of what `createBff()` returned; `undefined` for anything else. */
export const contextOf = (owner: object): BffContext | undefined => contexts.get(owner)
