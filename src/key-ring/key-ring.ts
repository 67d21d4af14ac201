import { emitTo } from '../protocol/emit-to.js'
import { isName } from '../protocol/names.js'
import { misuseOf } from '../protocol/option-checks.js'
import { func, name, object, oneOf, optional, seconds, text, withMethods } from '../protocol/shape.js'
import { type Now, systemNow } from '../protocol/time.js'
import { asyncCall, validate, validated } from '../protocol/validate.js'
import type { RecordStore } from '../store/contract.js'
import { storeCheck } from '../store/engine-checks.js'
import { keyRingError } from './errors.js'
import type { KeyRingEvent } from './events.js'
import { createRingRecords, type RingKey } from './record.js'
import { callExternal, createRotation, isBusy, type KeyProvider, type RingTenant } from './rotation.js'
import type { Vault } from './vault.js'

export interface KeyRingOptions {
  /** The name of the ring in store and vault, and of its keys at the provider: `openai`. Letters, digits and hyphens; unique. */
  name: string
  provider: KeyProvider
  /** The only place of the secrets. Read at every use. */
  vault: Vault
  /** Keeps names and states. With `memoryStore()` they are lost with the process, and keys stay at the provider. */
  store: RecordStore
  /** Whether all tenants share one key, or each tenant has its own. Default `shared`. */
  tenants?: 'shared' | 'separate'
  /** Seconds after which a key is replaced. Default 30 days. */
  every?: number
  /** Seconds for which the replaced key still works beside the new one: longer than any call takes. Default one day. */
  overlap?: number
  /** Whether the provider has refused the key, by what `fn` resolved to or threw. Default: its `status` is 401. */
  isRefused?: (outcome: unknown) => boolean
  /** Called with events. They have no secrets in them. Errors of the listener are ignored. */
  onEvent?: (event: KeyRingEvent) => void
  now?: Now
}

export const keyRingOptions = object<KeyRingOptions>({
  name: text,
  provider: withMethods<KeyProvider>(
    'how keys are made and ended: { create, test, revoke }',
    'create',
    'test',
    'revoke',
  ),
  vault: withMethods<Vault>('environmentVault(…), fileVault(…) of sallyport/node, or your secret manager', 'read'),
  store: storeCheck,
  tenants: optional(oneOf('shared', 'separate')),
  every: optional(seconds()),
  overlap: optional(seconds()),
  isRefused: optional(func),
  onEvent: optional(func),
  now: optional(func),
})

interface RingRotation extends RingTenant {
  /** Seconds for which the replaced key still works beside the new one. */
  readonly overlap?: number
}

export const keyRingCalls = {
  use: asyncCall(['options', object<RingTenant>({ tenant: optional(name) })], ['fn', func]),
  rotate: asyncCall([
    'options',
    optional(object<RingRotation>({ tenant: optional(name), overlap: optional(seconds({ least: 0 })) })),
  ]),
  step: asyncCall(),
  status: asyncCall(['about', optional(object<RingTenant>({ tenant: optional(name) }))]),
}

/** The current state of a ring. */
export interface RingStatus extends RingTenant {
  keys: readonly RingKey[]
  /** When the current key is replaced, epoch seconds; absent without a current key. */
  dueAt?: number
}

export type KeyRing = ReturnType<typeof createKeyRing>

const DAY = 86_400
/** Tenants that are rotated at the same time: a provider that hangs for one of them does not stop the others. */
const CONCURRENCY = 8

/**
 * Rotates the keys of a provider without a gap: create, test, switch, overlap, revoke. Each step is stored before and after it, so
 * that rotation goes on after a crash. No key is revoked before its successor has passed `test`.
 *
 * There is no timer: call `step()` from a scheduler, in any number of processes.
 *
 * If a process dies after the provider has made a key and before its id is stored, that key is left over at the provider. With
 * `provider.list` the next calls look for it by name, for an hour, and revoke it; without, the event `provider_key_lost` names it.
 *
 * @throws TypeError naming the option
 */
export function createKeyRing(options: KeyRingOptions) {
  validate('createKeyRing', keyRingOptions, options)
  const {
    name,
    provider,
    vault,
    store,
    tenants = 'shared',
    isRefused = isUnauthorized,
    onEvent,
    now = systemNow,
  } = options
  const { every, overlap } = validateOptions(options)
  const records = createRingRecords(store, name, now)
  const emit = emitTo(onEvent)
  const rotateRing = createRotation({ ring: name, provider, vault, records, every, overlap, emit, now })

  /** The tenant of the record; `undefined` where all tenants share one ring. */
  function ownerOf(call: string, tenant: string | undefined): string | undefined {
    if (tenants === 'shared') return undefined
    if (!isName(tenant)) throw new TypeError(`ring.${call}: "tenant" is missing, and each tenant has a ring of its own`)
    return tenant
  }

  async function status(tenant: string | undefined): Promise<RingStatus> {
    const keys = await records.read(tenant)
    const current = keys.find(({ state }) => state === 'current')
    return { ...(tenant !== undefined && { tenant }), keys, ...(current && { dueAt: current.createdAt + every }) }
  }

  /** The key to use: the current one, else the newest that still works; before the first rotation the one that was put there by hand. */
  async function findKey(tenant: string | undefined, refused?: string) {
    const keys = await records.read(tenant)
    const current = keys.filter(({ state }) => state === 'current').map((key) => key.name)
    const replaced = keys.filter(({ state }) => state === 'overlap').map((key) => key.name)
    const byHand = tenant === undefined ? name : `${name}.${tenant}`
    for (const candidate of current.length ? [...current, ...replaced.reverse()] : [byHand]) {
      const secret = candidate === refused ? undefined : await callExternal('read', () => vault.read(candidate))
      if (secret !== undefined) return { name: candidate, secret }
    }
    return undefined
  }

  const methods = {
    /**
     * Calls `fn` with the secret to use now, for this one call: it must not be kept. `tenant` may be left out
     * where all tenants share one ring. A call that has the old key when the ring switches must end within `overlap`.
     *
     * If the provider refuses the key, `fn` is called once more with another one, if there is one: the new key just after the switch,
     * or the old one during the overlap. So `fn` must build its request anew each time. Its result or error is passed on.
     *
     * @throws SallyportError `provider_key_missing`, `key_ring_failed` (the vault) @throws StoreError
     */
    async use<Result>({ tenant }: RingTenant, fn: (secret: string) => Result | Promise<Result>): Promise<Result> {
      const owner = ownerOf('use', tenant)
      const key = await findKey(owner)
      if (!key) throw keyRingError('provider_key_missing')
      const call = async ({ secret }: { secret: string }) => fn(secret)
      const [outcome] = await Promise.allSettled([call(key)])
      if (isRefused(outcome.status === 'fulfilled' ? outcome.value : outcome.reason)) {
        emit({ type: 'provider_key_refused', ring: name, name: key.name, ...(tenant !== undefined && { tenant }) })
        const otherKey = await findKey(owner, key.name)
        if (otherKey) return call(otherKey)
      }
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    },

    /**
     * Replaces the key now, due or not, and finishes a rotation that was started. Use `overlap: 0` for a key that has leaked. A new key
     * that does not work yet stays in state `testing` until the next `step()`.
     *
     * @throws SallyportError `vault_read_only`, `key_ring_busy`, `key_ring_failed` @throws StoreError
     */
    async rotate({ tenant, overlap: wanted = overlap }: RingRotation = {}): Promise<RingStatus> {
      const owner = ownerOf('rotate', tenant)
      await rotateRing(owner, { overlap: wanted })
      return status(owner)
    },

    /**
     * Does the steps that are due: for a scheduler, every few minutes. Where each tenant has a ring, for all rings that were rotated
     * once. Rings that another process is rotating are skipped.
     *
     * @throws SallyportError `vault_read_only`, `key_ring_failed` for the first that failed, after all had their turn
     * @throws StoreError
     */
    async step(): Promise<void> {
      const failures: unknown[] = []
      const tryTurn = (tenant: string | undefined) =>
        rotateRing(tenant).catch((error: unknown) => {
          if (!isBusy(error)) failures.push(error)
        })
      if (tenants === 'shared') await tryTurn(undefined)
      else {
        const running = new Set<Promise<void>>()
        for await (const tenant of records.tenants()) {
          const turn = tryTurn(tenant).then(() => void running.delete(turn))
          running.add(turn)
          if (running.size === CONCURRENCY) await Promise.race(running)
        }
        await Promise.all(running)
      }
      if (failures.length) throw failures[0]
    },

    /** The keys and their states. @throws StoreError */
    status: async ({ tenant }: RingTenant = {}): Promise<RingStatus> => status(ownerOf('status', tenant)),
  }
  return validated('ring', methods, keyRingCalls)
}

const isUnauthorized = (outcome: unknown): boolean =>
  typeof outcome === 'object' && outcome !== null && 'status' in outcome && outcome.status === 401

const misuse = misuseOf('createKeyRing')

/** @throws TypeError naming the option */
function validateOptions({ name, every = 30 * DAY, overlap = DAY }: KeyRingOptions) {
  if (!/^[A-Za-z0-9-]{1,40}$/.test(name)) misuse('name', 'must be 1 to 40 letters, digits and hyphens, like openai')
  if (overlap >= every) misuse('overlap', 'must be more than 0 and less than "every", in seconds')
  return { every, overlap }
}
