import { equalInConstantTime, sha256 } from '../crypto/hash.js'
import { emitTo } from '../protocol/emit-to.js'
import { inNetwork } from '../protocol/http/networks.js'
import { systemNow } from '../protocol/time.js'
import { callWithTimeout } from '../protocol/timeout.js'
import { validate, validated } from '../protocol/validate.js'
import type { Stored } from '../store/contract.js'
import { type List, readPage } from '../store/list.js'
import { listAllIds } from '../store/list-all-ids.js'
import { warnOnce } from '../store/warnings.js'
import { writeAndConfirm } from '../store/write-and-confirm.js'
import { keyError } from './errors.js'
import { findKeys, generateApiKey, parseApiKey } from './format.js'
import { createUseTracker } from './last-use.js'
import { type ApiKeysOptions, validateOptions } from './options.js'
import { createQuotas, type QuotaResult } from './quota.js'
import {
  dayOf,
  expiryIndex,
  idOf,
  type KeyRecord,
  type KeyRow,
  ownerIndex,
  ownerValue,
  putRow,
  readRow,
  recordOf,
  tenantIndex,
} from './record.js'
import {
  type KeysQuery,
  type NewApiKey,
  type RevokeOptions,
  type RotateOptions,
  type VerifyOptions,
  validateNewKey,
} from './requests.js'
import { createRotation, type NewKeyRow, type RotatedApiKey } from './rotation.js'
import { apiKeysCalls, apiKeysOptions } from './validation.js'

/** A new key and its record. */
export interface CreatedApiKey {
  /** Show it now: it is not stored and cannot be shown again. */
  key: string
  record: KeyRecord
}

/** The result of a verification. `detail` is only for the operator. */
export type ApiKeyResult =
  | { ok: true; record: KeyRecord }
  | { ok: false; error: 'invalid_api_key' | 'api_key_expired'; detail: string }

export type ApiKeys<Scope extends string = string> = ReturnType<typeof createApiKeys<Scope>>

/** Compared with if the id is unknown, so that the time of a refusal hardly shows whether the id exists. */
const placeholder: Stored = {
  value: JSON.stringify({
    lineage: '00000000-0000-0000-0000-000000000000',
    tenant: 'nobody',
    owner: 'nobody',
    name: 'nobody',
    scopes: ['nothing'],
    lifetime: 7_776_000,
    id: '0'.repeat(16),
    digest: '0'.repeat(43),
    createdAt: 1_790_000_000.123,
    expiresAt: 1_797_776_000.123,
  }),
  version: 0,
}

/**
 * API keys: 256 random bits each. Only a SHA-256 is stored.
 *
 * A revoked key fails on the next verification in every process: nothing is cached. Rotation writes the old and the new key
 * in one write. Conditional writes of the store prevent conflicts between processes.
 *
 * @throws TypeError naming the option
 */
export function createApiKeys<const Scope extends string>(options: ApiKeysOptions<Scope>) {
  validate('createApiKeys', apiKeysOptions, options)
  const { store, prefix, ledger, addressOf, isOwnerActive, onEvent, now = systemNow } = options
  const { maxAge, grace: usualGrace, maxGrace } = validateOptions(options)
  const emit = emitTo(onEvent)
  const quotas = createQuotas(ledger, now)
  const use = createUseTracker(options, emit, (id, reason) => end(id, undefined, reason))

  const warnAboutStore = warnOnce(store, (detail) => emit({ type: 'store_warning', detail }))

  async function find(id: string, tenant?: string): Promise<{ row: KeyRow; stored: Stored } | undefined> {
    const stored = await store.get(idOf(id))
    const row = stored && readRow(stored)
    // A key of another tenant is not found, so that its existence stays secret.
    return row && (tenant === undefined || row.tenant === tenant) ? { row, stored } : undefined
  }

  async function make(newRow: NewKeyRow, partition?: string) {
    const { key, id } = generateApiKey(prefix, partition)
    const row: KeyRow = {
      ...newRow,
      id,
      digest: await sha256(key),
      createdAt: now(),
      expiresAt: now() + newRow.lifetime,
    }
    return { key, row }
  }

  /** Revokes a key, unless it is revoked already. `false`: not found. */
  async function end(id: string, tenant: string | undefined, reason: string): Promise<boolean> {
    for (let turn = 0; turn < 5; turn++) {
      const found = await find(id, tenant)
      if (!found) return false
      if (found.row.revokedAt !== undefined) return true
      const row = { ...found.row, revokedAt: now(), reason }
      if (await store.write([await putRow(row, found.stored.version, now())])) {
        emit({ type: 'key_revoked', id, tenant: row.tenant, reason })
        return true
      }
    }
    throw keyError('key_conflict')
  }

  const replace = createRotation({ store, emit, now, find, make })

  /** Never throws for an invalid key. @throws StoreError when the store is down */
  async function verify(key: string, { request }: VerifyOptions = {}): Promise<ApiKeyResult> {
    const refuse = (detail: string, row?: KeyRow, error: 'invalid_api_key' | 'api_key_expired' = 'invalid_api_key') => {
      emit({ type: 'key_refused', detail, ...(row && { id: row.id, tenant: row.tenant }) })
      return { ok: false, error, detail } as const
    }
    const parsed = parseApiKey(key)
    if (parsed?.prefix !== prefix) return refuse('shape')
    warnAboutStore()
    const [stored, digest] = await Promise.all([store.get(idOf(parsed.id)), sha256(key)])
    // Found or not, one row is parsed and one digest compared: the same time for both.
    const row = readRow(stored ?? placeholder)
    const same = equalInConstantTime(digest, row.digest)
    if (!stored || !same) return refuse('unknown')
    if (row.revokedAt !== undefined) return refuse('revoked', row)
    if (now() >= row.expiresAt) return refuse('expired', row, 'api_key_expired')
    if (isOwnerActive && !(await callWithTimeout(() => isOwnerActive({ tenant: row.tenant, owner: row.owner }))))
      return refuse('owner', row)
    const address = request && addressOf?.(request)
    if (row.ips && !(address !== undefined && row.ips.some((network) => inNetwork(address, network))))
      return refuse('network', row)
    if ((await use.note(row, address)) === 'revoked') return refuse('anomaly', row)
    return { ok: true, record: recordOf(row) }
  }

  const methods = {
    prefix,
    verify,

    /**
     * Counts a call against the quota of a verified key (`record`). Call it after all other checks (scopes, tenant), so that a
     * refused call is not counted. A guard with `apiKey(keys)` calls it for you. `cost` in calls. Keys without a quota are not
     * counted.
     *
     * @throws StoreError when the call cannot be counted: then refuse it
     */
    async spend(record: KeyRecord, { cost = 1 }: { cost?: number } = {}): Promise<QuotaResult> {
      const result = await quotas.spend(record, cost)
      if (!result.ok) emit({ type: 'key_over_quota', id: record.id, tenant: record.tenant, window: result.window })
      return result
    },

    /** Creates a key. @throws TypeError naming the field @throws StoreError */
    async create(newKey: NewApiKey<Scope>): Promise<CreatedApiKey> {
      warnAboutStore()
      validateNewKey(newKey, options, maxAge)
      const { tenant, owner, name, scopes: granted, expiresIn = maxAge, ips, quota, metadata } = newKey
      const { key, row } = await make({
        lineage: crypto.randomUUID(),
        tenant,
        owner,
        name,
        scopes: [...new Set(granted)],
        lifetime: expiresIn,
        ...(ips && { ips }),
        ...(quota && { quota: { ...quota } }),
        ...(metadata && { metadata: { ...metadata } }),
      })
      if (!(await writeAndConfirm(store, await putRow(row, 'absent', now())))) throw keyError('key_conflict')
      emit({ type: 'key_created', id: row.id, tenant, owner })
      return { key, record: recordOf(row) }
    },

    /**
     * Replaces a key by a new one with the same settings, in one write. The old key stays valid for `grace` seconds, but not beyond
     * its own expiry; use 0 for a leaked key. Two concurrent rotations create one successor. A repeated or concurrent call with the
     * same `idempotencyKey` returns the same successor without its key, which was returned once: `shown: 'before'`. If that
     * response was lost, rotate the successor.
     *
     * @throws SallyportError `key_not_found`, `key_ended`, `key_conflict`
     * @throws StoreError when the outcome is unknown: call again with the same `idempotencyKey`
     */
    async rotate(id: string, rotation: RotateOptions): Promise<RotatedApiKey> {
      const { grace = usualGrace } = rotation
      if (grace > maxGrace) throw new TypeError(`keys.rotate: "grace" must be between 0 and ${maxGrace}`)
      return replace(id, { ...rotation, grace })
    },

    /** Revokes one key permanently. It takes effect on the next verification in every process. @throws SallyportError `key_not_found` */
    async revoke(id: string, { tenant, reason = 'revoked' }: RevokeOptions): Promise<void> {
      if (!(await end(id, tenant, reason))) throw keyError('key_not_found')
    },

    /**
     * Revokes all keys of an owner, including successors from concurrent rotations. Resolves to their number. It does not prevent
     * new keys: use `isOwnerActive` for that.
     */
    async revokeOwner(owner: string, { tenant, reason = 'owner' }: RevokeOptions): Promise<number> {
      const done = new Set<string>()
      let ended = 0
      for (let before = -1; before < done.size; ) {
        before = done.size
        // A concurrent rotation may have created a successor at a position in the list that was read already.
        for await (const { id: listed } of listAllIds(store, ownerIndex, await ownerValue(tenant, owner)))
          for (let id: string | undefined = listed; id !== undefined && !done.has(id); ) {
            const alive = (await find(id, tenant))?.row.revokedAt === undefined
            if ((await end(id, tenant, reason)) && alive) ended++
            done.add(id)
            id = (await find(id, tenant))?.row.replacedBy
          }
      }
      return ended
    },

    /**
     * Revokes every key that a text contains: a leak report, a commit, a log. Keys are found by their public ids, so the caller
     * needs no valid key: do not expose this to untrusted callers. Resolves to the revoked keys.
     */
    async revokeLeaked(text: string): Promise<KeyRecord[]> {
      const ended: KeyRecord[] = []
      for (const { id } of findKeys(text, prefix)) {
        const found = await find(id)
        if (found && (await end(id, undefined, 'leaked'))) ended.push(recordOf(found.row))
      }
      return ended
    },

    /** One key of a tenant, with its last use; `undefined` if the tenant has no key with this id. */
    async get(id: string, { tenant }: { tenant: string }) {
      const found = await find(id, tenant)
      return found && { ...recordOf(found.row), ...(await use.last(id)) }
    },

    /**
     * The used quota of a key and its successors, now or at another time (`at`, epoch seconds):
     * `{ day: { used: 12, limit: 100, resetsAt: … } }`. `undefined` if the tenant has no key with this id.
     */
    async quotaUse(id: string, { tenant, at }: { tenant: string; at?: number }) {
      const found = await find(id, tenant)
      return found && quotas.use(found.row, at)
    },

    /** One page of the keys of a tenant, or of one of its owners; revoked and expired keys included. */
    async list({ tenant, owner, ...page }: KeysQuery): Promise<List<KeyRecord>> {
      const under = owner === undefined ? [tenantIndex, tenant] : [ownerIndex, await ownerValue(tenant, owner)]
      return readPage(store, under as [string, string], page, async (id) => {
        const found = await find(id, tenant)
        return found && recordOf(found.row)
      })
    },

    /** Keys of all tenants that expire within `within` seconds and have no successor, for reminders. */
    async *due({ within }: { within: number }): AsyncGenerator<KeyRecord> {
      for (let day = now(); dayOf(day) <= dayOf(now() + within); day += 86_400)
        for await (const { id } of listAllIds(store, expiryIndex, dayOf(day))) {
          const row = (await find(id))?.row
          if (!row || row.revokedAt !== undefined || row.replacedBy !== undefined) continue
          if (row.expiresAt > now() && row.expiresAt <= now() + within && dayOf(row.expiresAt) === dayOf(day))
            yield recordOf(row)
        }
    },
  }
  return validated('keys', methods, apiKeysCalls)
}
