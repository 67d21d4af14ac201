import { parseNetwork } from '../protocol/http/networks.js'
import { misuseOf } from '../protocol/option-checks.js'
import type { PageOptions } from '../store/list.js'
import { findKeys } from './format.js'
import type { ApiKeysOptions } from './options.js'
import type { Quota } from './record.js'

/** The settings of a new key. */
export interface NewApiKey<Scope extends string> {
  tenant: string
  /** The user or service that the key acts for. */
  owner: string
  /** A name for people. */
  name: string
  /** The permissions of the key. Empty: none. */
  scopes: readonly Scope[]
  /** Seconds. Default and maximum: `maxAge`. */
  expiresIn?: number
  /** Networks from which it can be used: `10.0.0.0/8`, `2001:db8::/32`, single addresses. Default: no restriction. */
  ips?: readonly string[]
  /** Calls of the key and its successors together: `{ minute: 60, day: 10_000 }`. Default: no limit. Needs `ledger`. */
  quota?: Quota
  metadata?: Readonly<Record<string, string>>
}

export interface RotateOptions {
  tenant: string
  /** Seconds that the old key stays valid. Default and maximum: `grace` and `maxGrace` of `createApiKeys`. */
  grace?: number
  /** A repeated call with the same value returns the same successor. */
  idempotencyKey?: string
}

export interface RevokeOptions {
  tenant: string
  /** For the event and the record. */
  reason?: string
}

export interface VerifyOptions {
  /** The request with the key, for `addressOf`. */
  request?: Request
}

/** Which keys to list. */
export interface KeysQuery extends PageOptions {
  tenant: string
  owner?: string
}

const misuse = misuseOf('keys.create')

/** Checks that the declared shape cannot express. @throws TypeError naming the field */
export function validateNewKey<Scope extends string>(
  newKey: NewApiKey<Scope>,
  { prefix, scopes, addressOf, ledger }: ApiKeysOptions<Scope>,
  maxAge: number,
): void {
  const unknown = newKey.scopes.find((scope) => !scopes.includes(scope))
  if (unknown !== undefined) misuse('scopes', `names ${unknown}, which createApiKeys does not list`)
  const { expiresIn = maxAge, ips = [], quota = {}, metadata = {} } = newKey
  if (expiresIn > maxAge) misuse('expiresIn', `must be more than 0 and at most ${maxAge} seconds`)
  const invalid = ips.find((network) => !parseNetwork(network))
  if (invalid !== undefined) misuse('ips', `names ${invalid}, which is neither an address nor a network`)
  if (ips.length && !addressOf)
    misuse('ips', 'needs createApiKeys({ addressOf }), which returns the address of a caller')
  if (Object.keys(quota).length && !ledger)
    misuse('quota', 'needs createApiKeys({ ledger }): memoryLedger() for one process, redisLedger(…) for all')
  if (Object.values(metadata).some((value) => findKeys(value, prefix).length))
    misuse('metadata', 'must not contain API keys')
}
