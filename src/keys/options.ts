import { misuseOf } from '../protocol/option-checks.js'
import { isScope } from '../protocol/scope.js'
import type { Now } from '../protocol/time.js'
import type { RecordStore } from '../store/contract.js'
import type { Ledger } from '../store/ledger.js'
import type { KeyEvent } from './events.js'

export interface ApiKeysOptions<Scope extends string> {
  /** Where keys are stored. `memoryStore()` loses them when the process ends. */
  store: RecordStore
  /** Where calls are counted. Required for keys with a `quota`. */
  ledger?: Ledger
  /** The prefix of every key, for people and secret scanners: `sp_live`, `acme_test`. Letters, digits, underscores. */
  prefix: string
  /** All scopes that a key can have. There are no wildcards. A key without scopes has no permissions. */
  scopes: readonly Scope[]
  /** Maximum and default lifetime of a key, in seconds. Default and maximum: 90 days. */
  maxAge?: number
  /** Default for `grace` of a rotation: seconds that the old key stays valid. Default one day. */
  grace?: number
  /** Maximum of `grace`, in seconds. Default seven days. */
  maxGrace?: number
  /** The address of a caller, from a proxy that you trust, never from a header that clients can set. Needed for `ips` and `newNetworks`. */
  addressOf?: (request: Request) => string | undefined
  /** Whether the owner is still active. Called at every verification: keys of a disabled owner fail. Default: all are active. */
  isOwnerActive?: (owner: { tenant: string; owner: string }) => boolean | Promise<boolean>
  /** Detects unusual use of keys. */
  watch?: WatchOptions
  /** Receives events, which never contain a key. Errors of the listener are ignored. */
  onEvent?: (event: KeyEvent) => void
  now?: Now
}

export interface WatchOptions {
  /** More than `count` verifications within `seconds` in this process is a burst. */
  burst?: { count: number; seconds: number }
  /** Reports a key that is used from a new network (/24 or /64). Default `false`. */
  newNetworks?: boolean
  /** Decides about an anomaly: `revoke` revokes the key. Default: only the event is emitted. */
  onAnomaly?: (anomaly: Anomaly) => 'revoke' | undefined
}

export interface Anomaly {
  id: string
  tenant: string
  kind: 'burst' | 'new_network'
}

const DAY = 86_400
const MAX_AGE = 90 * DAY
const misuse = misuseOf('createApiKeys')

/** Checks that the declared shape cannot express, and the defaults. @throws TypeError naming the option */
export function validateOptions<Scope extends string>(options: ApiKeysOptions<Scope>) {
  const { prefix, scopes, maxAge = MAX_AGE, grace = DAY, maxGrace = 7 * DAY } = options
  if (!/^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$/.test(prefix) || prefix.length > 32)
    misuse('prefix', 'must be up to 32 letters, digits and single underscores, beginning with a letter, like sp_live')
  if (scopes.some((scope) => !isScope(scope) || scope.includes('*')))
    misuse('scopes', 'must list scopes like data:read; there are no wildcards')
  if (grace > maxGrace) misuse('grace', 'must be between 0 and "maxGrace", in seconds')
  return { maxAge, grace, maxGrace }
}
