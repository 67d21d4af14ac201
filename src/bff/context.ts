import type { Dpop } from '../provider/client/dpop.js'
import type { RecordStore } from '../store/contract.js'
import type { Providers } from './providers.js'
import type { RateLimiting } from './rate-limits/rate-limits.js'
import type { ReplacedCookie } from './sessions/replaced-session.js'
import type { Sessions } from './sessions/sessions.js'
import type { TokenAudiences } from './sessions/token-audience.js'
import type { Settings } from './settings.js'

/** What the endpoints work with. */
export interface BffContext {
  settings: Settings
  providers: Providers
  sessions: Sessions
  audiences: TokenAudiences
  /** Which session a sign-in of the backend's own replaces. */
  replaced: ReplacedCookie
  limits: RateLimiting
  /** Where tokens are bound to a key of ours. */
  dpop: Dpop | undefined
  /** What must be known once: spent transactions, logout tokens. The session store, or this process's memory. */
  store: RecordStore
}

const contexts = new WeakMap<object, BffContext>()

/** Ties to a backend what its endpoints work with, and returns the same backend: for what belongs to it and is no endpoint. */
export function withContext<Owner extends object>(owner: Owner, context: BffContext): Owner {
  contexts.set(owner, context)
  return owner
}

/** The context of what `createBff()` returned; `undefined` for anything else. */
export const contextOf = (owner: object): BffContext | undefined => contexts.get(owner)
