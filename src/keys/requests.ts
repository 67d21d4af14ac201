import { parseNetwork } from '../protocol/http/networks.js'
import { findKeys } from './format.js'
import type { ApiKeysOptions } from './options.js'
import type { Quota } from './quota.js'

/** What a new key is to be. */
export interface NewApiKey<Scope extends string> {
  tenant: string
  /** The person or service that it acts for. */
  owner: string
  /** For people, in lists. */
  name: string
  /** What it may, and no more. Empty is nothing. */
  scopes: readonly Scope[]
  /** Seconds. Default and most: `maxAge`. */
  expiresIn?: number
  /** Networks from which it may be used: `10.0.0.0/8`, `2001:db8::/32`, single addresses. Default: from anywhere. */
  ips?: readonly string[]
  /** Calls: `{ minute: 60, day: 10_000 }`. Of the key and its successors together. Default: no limit. Needs `ledger`. */
  quota?: Quota
  metadata?: Readonly<Record<string, string>>
}

export interface RotateOptions {
  tenant: string
  /** Seconds that the old key serves beside the new one. Default and most: as `createApiKeys` says. */
  grace?: number
  /** Asked for again with the same, the same successor is named. */
  idempotencyKey?: string
}

export interface RevokeOptions {
  tenant: string
  /** For the event and the record. */
  reason?: string
}

export interface VerifyOptions {
  /** The request that the key came with: what `addressOf` looks at. */
  request?: Request
}

/** Which keys to list. */
export interface KeysQuery {
  tenant: string
  owner?: string
  cursor?: string
  /** Default 100. */
  limit?: number
}

/** What no declaration can say. @throws TypeError naming the field */
export function validateNewKey<Scope extends string>(
  newKey: NewApiKey<Scope>,
  { prefix, scopes, addressOf, ledger }: ApiKeysOptions<Scope>,
  maxAge: number,
): void {
  const misuse = (field: string, remedy: string) => {
    throw new TypeError(`keys.create: "${field}" ${remedy}`)
  }
  const unknown = newKey.scopes.find((scope) => !scopes.includes(scope))
  if (unknown !== undefined) misuse('scopes', `names ${unknown}, which createApiKeys does not list`)
  const { expiresIn = maxAge, ips = [], quota = {}, metadata = {} } = newKey
  if (expiresIn > maxAge) misuse('expiresIn', `must be more than 0 and at most ${maxAge} seconds`)
  const odd = ips.find((network) => !parseNetwork(network))
  if (odd !== undefined) misuse('ips', `names ${odd}, which is no address and no network`)
  if (ips.length && !addressOf)
    misuse('ips', 'needs createApiKeys({ addressOf }), which says where a caller comes from')
  if (Object.keys(quota).length && !ledger)
    misuse('quota', 'needs createApiKeys({ ledger }): memoryLedger() for one process, redisLedger(…) for all')
  if (Object.values(metadata).some((value) => findKeys(value, prefix).length))
    misuse('metadata', 'must hold texts, and no keys')
}
