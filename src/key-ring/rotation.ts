import { SallyportError } from '../protocol/error.js'
import { callWithTimeout } from '../protocol/timeout.js'
import { StoreError } from '../store/contract.js'
import { keyRingError } from './errors.js'
import type { KeyRingEvent } from './events.js'
import type { LeasedRing, RingKey, RingRecords } from './record.js'
import type { Vault } from './vault.js'

/** The tenant of a ring; absent where all tenants share one. */
export interface RingTenant {
  readonly tenant?: string
}

/** Makes and revokes keys at a provider. Of the errors of these functions only the name is passed on: a message may have a secret in it. */
export interface KeyProvider {
  /** Makes a key. `name` is unique: give it to the provider, as the key's name and as idempotency key. `id` is public. */
  create(key: RingTenant & { name: string }): Promise<{ id: string; secret: string }>
  /** Calls the provider with the key. `false` only if it refuses the key; rejects if it is not known. */
  test(secret: string, about: RingTenant): Promise<boolean>
  /** Resolves also if the key does not exist. */
  revoke(key: RingTenant & { id: string; name: string }): Promise<void>
  /** The provider's keys. Without it, a key whose creation was interrupted cannot be found: an event reports its name. */
  list?(about: RingTenant): Promise<readonly { id: string; name: string }[]>
}

/** Seconds until a new key must work, and until a key that was requested must be listed. */
const ACTIVATION_TIMEOUT = 3600
/** Seconds until a secret that was written must be readable: not every vault shows it at once. */
const VAULT_DELAY = 60
/** Seconds for each call of provider and vault. */
const CALL_TIMEOUT = 10

interface RotationContext {
  ring: string
  provider: KeyProvider
  vault: Vault
  records: RingRecords
  every: number
  overlap: number
  emit: (event: KeyRingEvent) => void
  now: () => number
}

/** The result of a step; `undefined`: nothing has changed. */
type StepResult = { keys: readonly RingKey[]; type?: KeyRingEvent['type'] } | undefined

/**
 * Does all steps of one ring that are possible now. Each step is stored before the next one begins, and can be repeated: after a
 * crash the next call goes on from there.
 *
 * @throws SallyportError `vault_read_only`, `key_ring_busy`, `key_ring_failed` (after everything else that could be done was)
 * @throws StoreError
 */
type Rotate = (tenant: string | undefined, request?: { overlap: number }) => Promise<void>

export function createRotation({ ring, provider, vault, records, every, overlap, emit, now }: RotationContext): Rotate {
  const isDue = (keys: readonly RingKey[]) => {
    const newest = keys.find(({ state }) => state === 'testing') ?? keys.find(({ state }) => state === 'current')
    return !newest || (newest.state === 'current' && now() >= newest.createdAt + every)
  }
  const isIdle = (key: RingKey) => key.state === 'current' || (key.state === 'overlap' && now() < key.until)
  const read = (name: string) => callExternal('read', () => vault.read(name))

  async function create(lease: LeasedRing, about: RingTenant, overlapOfKey: number): Promise<void> {
    const name = `${ring}-${crypto.randomUUID()}`
    const newKey = { name, createdAt: now(), since: now(), overlap: overlapOfKey, state: 'creating' } as const
    const before = lease.keys
    await lease.save([...before, newKey])
    const { id, secret } = await callExternal('create', () => provider.create({ ...about, name }))
    if (typeof id !== 'string' || typeof secret !== 'string' || !id || !secret || id.includes(secret))
      throw new TypeError(
        'createKeyRing: "provider.create" must resolve to { id, secret }, two texts, of which id is public',
      )
    try {
      await lease.save([...before, { ...newKey, id, state: 'testing', since: now() }])
    } catch (error) {
      // The id may not be stored, and nobody has the secret: the key can only be revoked here.
      await Promise.allSettled([provider.revoke({ ...about, id, name })])
      throw error
    }
    emit({ type: 'provider_key_created', ring, name, ...about })
    await callExternal('write', () => vault.write(name, secret))
  }

  /** The next step of one key. */
  async function advance(key: RingKey, keys: readonly RingKey[], about: RingTenant): Promise<StepResult> {
    const others = keys.filter((other) => other !== key)
    const { name, createdAt, overlap } = key
    const base = { name, createdAt, overlap, since: now() }
    const report = (type: KeyRingEvent['type'], which = name) => emit({ type, ring, name: which, ...about })
    const test = (secret: string) => callExternal('test', () => provider.test(secret, about))

    switch (key.state) {
      case 'current':
        return undefined

      case 'creating':
        return { keys: [...others, { ...base, state: 'lost' }], type: 'provider_key_lost' }

      case 'lost': {
        const listed = (await callExternal('list', async () => provider.list?.(about))) ?? []
        const leftOver = listed.filter((other) => other.name === name)
        // The key may have been requested just before the interruption: it can still appear in the list.
        if (!leftOver.length && provider.list && now() < key.since + ACTIVATION_TIMEOUT) return undefined
        return { keys: [...others, ...leftOver.map(({ id }) => ({ ...base, id, state: 'retiring' as const }))] }
      }

      case 'testing': {
        // The secret is read from the vault, as it will be in use().
        const secret = await read(name)
        if (secret !== undefined && (await test(secret))) {
          const until = now() + overlap
          const replaced = others.map((other): RingKey => {
            if (other.state === 'current') return { ...other, state: 'overlap', since: now(), until }
            return other.state === 'overlap' ? { ...other, until: Math.min(other.until, until) } : other
          })
          return { keys: [...replaced, { ...base, id: key.id, state: 'current' }], type: 'provider_key_current' }
        }
        report('provider_key_not_working')
        if (now() < key.since + (secret === undefined ? VAULT_DELAY : ACTIVATION_TIMEOUT)) return undefined
        return { keys: [...others, { ...base, id: key.id, state: 'retiring' }] }
      }

      case 'overlap': {
        if (now() < key.until) return undefined
        const current = keys.find(({ state }) => state === 'current')
        const secret = current && (await read(current.name))
        // The current key may have been revoked by hand: then keep the old one.
        if (secret === undefined || !(await test(secret))) {
          report('provider_key_not_working', current?.name)
          return undefined
        }
        return { keys: [...others, { ...base, id: key.id, state: 'retiring' }] }
      }

      case 'retiring': {
        await callExternal('revoke', () => provider.revoke({ ...about, id: key.id, name }))
        const secret = await read(name)
        if (secret !== undefined && (await test(secret))) {
          report('provider_key_lingers')
          return undefined
        }
        await callExternal('delete', () => vault.delete(name))
        return { keys: others, type: 'provider_key_ended' }
      }
    }
  }

  return async function rotate(tenant, request) {
    if (vault.readOnly) throw keyRingError('vault_read_only')
    if (!request) {
      const keys = await records.read(tenant)
      if (!isDue(keys) && keys.every(isIdle)) return
    }
    const about: RingTenant = tenant === undefined ? {} : { tenant }
    const failures: unknown[] = []
    /** A failure of one key does not stop the others. A failure of the store stops all. */
    const attempt = async <Result>(name: string, work: () => Promise<Result>): Promise<Result | undefined> => {
      try {
        return await work()
      } catch (error) {
        if (error instanceof StoreError || isBusy(error)) throw error
        failures.push(error)
        const { step } = ((error as Error).cause ?? {}) as { step?: string }
        emit({ type: 'provider_key_stuck', ring, name, ...about, ...(step !== undefined && { step }) })
        return undefined
      }
    }
    const lease = await records.acquire(tenant)

    async function advanceAll(): Promise<void> {
      const finished = new Set<RingKey>()
      for (;;) {
        const key = lease.keys.find((other) => !finished.has(other))
        if (!key) return
        const outcome = await attempt(key.name, () => advance(key, lease.keys, about))
        if (!outcome) finished.add(key)
        else {
          await lease.save(outcome.keys)
          if (outcome.type) emit({ type: outcome.type, ring, name: key.name, ...about })
        }
      }
    }

    try {
      const isTesting = lease.keys.some(({ state }) => state === 'testing')
      if (isTesting && request)
        await lease.save(lease.keys.map((key) => ({ ...key, overlap: Math.min(key.overlap, request.overlap) })))
      await advanceAll()
      if (isDue(lease.keys) || (request && !isTesting)) {
        await attempt(ring, () => create(lease, about, request?.overlap ?? overlap))
        await advanceAll()
      }
    } finally {
      await lease.release().catch(() => undefined)
    }
    if (failures.length) throw failures[0]
  }
}

export const isBusy = (error: unknown): boolean => error instanceof SallyportError && error.code === 'key_ring_busy'

/** Calls provider or vault. Of their errors only the name is passed on: messages of HTTP clients quote whole requests. */
export async function callExternal<Result>(step: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await callWithTimeout(work, CALL_TIMEOUT)
  } catch (error) {
    if (error instanceof SallyportError) throw error
    throw keyRingError('key_ring_failed', { step, error: error instanceof Error ? error.name : typeof error })
  }
}
