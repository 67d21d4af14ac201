import type { Dpop } from '../provider/dpop.js'
import type { RecordStore } from '../store/contract.js'
import type { RateLimiting } from './http/rate-limits.js'
import type { Providers } from './providers.js'
import type { Streams } from './proxy/streams.js'
import type { ReplacedCookie } from './sessions/replaced-session.js'
import type { Sessions } from './sessions/sessions.js'
import type { Audiences } from './sessions/token-audience.js'
import type { Settings } from './settings.js'
import type { Transactions } from './sign-in/transaction.js'

/** What the endpoints work with. */
export interface Parts {
  settings: Settings
  providers: Providers
  transactions: Transactions
  sessions: Sessions
  audiences: Audiences
  /** Which session a sign-in of the backend's own replaces. */
  replaced: ReplacedCookie
  streams: Streams
  limits: RateLimiting
  /** Where tokens are bound to a key of ours. */
  dpop: Dpop | undefined
  /** What must be known once: spent transactions, logout tokens. The session store, or this process's memory. */
  store: RecordStore
}

const parts = new WeakMap<object, Parts>()

/** Ties to a backend what its endpoints work with, and returns the same backend: for what belongs to it and is no endpoint. */
export function withParts<Owner extends object>(owner: Owner, its: Parts): Owner {
  parts.set(owner, its)
  return owner
}

/** The parts of what `createBff()` returned; `undefined` for anything else. */
export const partsOf = (owner: object): Parts | undefined => parts.get(owner)
