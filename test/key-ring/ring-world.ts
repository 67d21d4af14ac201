import { createKeyRing, type KeyRingEvent, type KeyRingOptions, type Vault } from 'sallyport/key-ring'
import { memoryStore, type RecordStore, StoreError } from 'sallyport/store'
import { chat, createVendor, providerOf } from './vendor.js'

export const DAY = 86_400
/** Longer than a dead process is waited for. */
export const LEASE = 121

/** A vault in memory. */
export function memoryVault() {
  const secrets = new Map<string, string>()
  const vault: Vault = {
    read: async (name) => secrets.get(name),
    async write(name, secret) {
      secrets.set(name, secret)
    },
    async delete(name) {
      secrets.delete(name)
    },
  }
  return { secrets, vault }
}

/** A vendor, a vault, a store and a clock that stands still; rings over them as processes would have them. */
export function ringWorld() {
  let time = 1_790_000_000
  const now = () => time
  const vendor = createVendor()
  const { secrets, vault } = memoryVault()
  const events: KeyRingEvent[] = []
  /** Every word that was stored, or told by an error. */
  const words: string[] = []
  const memory = memoryStore({ now })
  const store: RecordStore = {
    ...memory,
    async write(changes) {
      words.push(JSON.stringify(changes))
      return memory.write(changes)
    },
  }
  /** Secrets that have passed the ring's test. */
  const passed = new Set<string>()
  const plain = providerOf(vendor.fetch)
  const provider = {
    ...plain,
    async test(...args: Parameters<typeof plain.test>) {
      const works = await plain.test(...args)
      if (works) passed.add(args[0])
      return works
    },
  }
  const open = (options: Partial<KeyRingOptions> = {}) =>
    createKeyRing({
      name: 'vendor',
      provider,
      vault,
      store,
      now,
      onEvent: (event) => {
        events.push(event)
      },
      ...options,
    })
  return {
    vendor,
    secrets,
    vault,
    events,
    words,
    store,
    provider,
    passed,
    open,
    ring: open(),
    advance: (seconds: number) => {
      time += seconds
    },
    /** The id of the key that the vendor saw, or its status. */
    async call(ring = open(), tenant = 'acme') {
      const response = await ring.use({ tenant }, (secret) => chat(vendor.fetch, secret))
      return response.ok ? ((await response.json()) as { key: string }).key : response.status
    },
    states: async (ring = open()) => (await ring.status()).keys.map(({ state }) => state).sort(),
    types: () => events.map(({ type }) => type),
  }
}

/** How a call goes wrong: its process ends after it, it fails, or it is done and its answer is lost. */
export type Trouble = 'dies' | 'fails' | 'is not heard'

/** Everything that a ring calls, with trouble at the n-th call. */
export function fused({ store, vault, provider }: ReturnType<typeof ringWorld>, trouble: Trouble, at: number) {
  let calls = 0
  const through =
    <Args extends unknown[], Result>(work: (...args: Args) => Promise<Result>, error: () => Error) =>
    async (...args: Args): Promise<Result> => {
      const turn = calls++
      if (turn === at ? trouble === 'fails' : turn > at && trouble === 'dies') throw error()
      const result = await work(...args)
      if (turn === at) throw error()
      return result
    }
  const down = () => new StoreError()
  const broken = () => new Error('no answer')
  return {
    struck: () => calls > at,
    store: { ...store, get: through(store.get, down), write: through(store.write, down) },
    vault: {
      read: through(vault.read, broken),
      write: through(vault.write, broken),
      delete: through(vault.delete, broken),
    },
    provider: {
      create: through(provider.create, broken),
      test: through(provider.test, broken),
      revoke: through(provider.revoke, broken),
      list: through(provider.list, broken),
    },
  }
}
