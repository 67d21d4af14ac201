import { isScope } from '../protocol/scope.js'
import type { Now } from '../protocol/time.js'
import type { RecordStore } from '../store/contract.js'
import type { Ledger } from '../store/ledger.js'
import type { KeyEvent } from './events.js'

export interface ApiKeysOptions<Scope extends string> {
  /** Where keys live. `memoryStore()` forgets them with the process. */
  store: RecordStore
  /** Where calls are counted, for keys with a `quota`. Default: no key has one. */
  ledger?: Ledger
  /** What every key begins with, for people and for secret scanners: `sp_live`, `acme_test`. Letters, digits, underscores. */
  prefix: string
  /** All scopes that a key can have. There is no wildcard: a key without scopes may nothing. */
  scopes: readonly Scope[]
  /** Seconds that a key lives at most, and by default. Default and most: 90 days. */
  maxAge?: number
  /** Seconds that the old key serves beside the new one by default. Default one day. */
  grace?: number
  /** Seconds of `grace` at most. Default seven days. */
  maxGrace?: number
  /** The address of a caller, from a hop that you trust: never a header that anybody can set. Needed for `ips` and `newNetworks`. */
  addressOf?: (request: Request) => string | undefined
  /** Whether the owner may still act. Asked at every verification; who is disabled has no working keys. Default: everybody may. */
  isOwnerActive?: (owner: { tenant: string; owner: string }) => boolean | Promise<boolean>
  /** Watches how keys are used. */
  watch?: WatchOptions
  /** What happened. Never has a key in it. A listener that throws changes nothing. */
  onEvent?: (event: KeyEvent) => void
  now?: Now
}

export interface WatchOptions {
  /** More than `count` verifications within `seconds` in this process is a burst. */
  burst?: { count: number; seconds: number }
  /** Tells of a key that comes from a /24 or /64 network for the first time. Default `false`. */
  newNetworks?: boolean
  /** Decides what an anomaly leads to: `revoke` ends the key. Default: the event alone. */
  onAnomaly?: (anomaly: Anomaly) => 'revoke' | undefined
}

export interface Anomaly {
  id: string
  tenant: string
  kind: 'burst' | 'new_network'
}

const DAY = 86_400
const MAX_AGE = 90 * DAY

/** What no declaration can say, and seconds. @throws TypeError naming the option */
export function validateOptions<Scope extends string>(options: ApiKeysOptions<Scope>) {
  const { prefix, scopes, maxAge = MAX_AGE, grace = DAY, maxGrace = 7 * DAY } = options
  const misuse = (option: string, remedy: string): never => {
    throw new TypeError(`createApiKeys: "${option}" ${remedy}`)
  }
  if (!/^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$/.test(prefix) || prefix.length > 32)
    misuse('prefix', 'must be up to 32 letters, digits and single underscores, beginning with a letter, like sp_live')
  if (scopes.some((scope) => !isScope(scope) || scope.includes('*')))
    misuse('scopes', 'must list what a key can be allowed, like data:read; there are no wildcards')
  if (grace > maxGrace) misuse('grace', 'must be between 0 and "maxGrace", in seconds')
  return { maxAge, grace, maxGrace }
}
