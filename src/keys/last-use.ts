import { createBoundedCache } from '../protocol/bounded-cache.js'
import { networkPrefix } from '../protocol/http/networks.js'
import { monotonicClock, systemNow } from '../protocol/time.js'
import type { RecordId } from '../store/contract.js'
import { storedJson } from '../store/stored-json.js'
import type { KeyEvent } from './events.js'
import { partitionOf } from './format.js'
import type { Anomaly, ApiKeysOptions } from './options.js'
import type { KeyRow } from './record.js'

/** Seconds between two writes of a key's last use. */
const WRITE_INTERVAL = 60
/** Keys whose use is cached in this process, at most. The least recently used are removed first. */
const MAX_CACHED = 10_000
/** Seconds that a network is stored. */
const NETWORK_AGE = 90 * 86_400

interface KeyUse {
  written: number
  /** Start of the current window of the burst detection, and the number of uses in it. */
  since: number
  count: number
}

const uses = storedJson<{ lastUsedAt: number }>()
const lastUseId = (id: string): RecordId => ({ kind: 'api-key-use', partition: partitionOf(id), id })

/**
 * Records the last use of keys, in separate records, so that recording a use never overwrites a change of the key. Writes are
 * best effort, once a minute, and verification does not wait for them.
 */
export function createUseTracker(
  { store, watch = {}, now = systemNow }: ApiKeysOptions<string>,
  emit: (event: KeyEvent) => void,
  revoke: (id: string, reason: string) => Promise<boolean>,
) {
  const seen = createBoundedCache<KeyUse>(MAX_CACHED)
  const clock = monotonicClock(now)

  function touch(id: string, at: number): KeyUse {
    const known = seen.get(id)
    const entry = known ?? { written: 0, since: at, count: 0 }
    if (!known) seen.set(id, entry)
    if (at - entry.written >= WRITE_INTERVAL) {
      entry.written = at
      const value = uses.write({ lastUsedAt: now() })
      store.write([{ type: 'put', id: lastUseId(id), value, ifVersion: 'any', ttl: 400 * 86_400 }]).catch(() => {
        entry.written = 0
        emit({ type: 'key_use_unrecorded', id })
      })
    }
    return entry
  }

  function isBurst(entry: KeyUse, at: number): boolean {
    const { count, seconds } = watch.burst ?? { count: Number.POSITIVE_INFINITY, seconds: 1 }
    if (at - entry.since >= seconds) {
      entry.since = at
      entry.count = 0
    }
    // Reported once in each window.
    return ++entry.count === count + 1
  }

  /** The first network of a key is not reported. */
  async function isNewNetwork(id: string, address: string | undefined): Promise<boolean> {
    const network = address === undefined ? undefined : networkPrefix(address)
    if (!watch.newNetworks || network === undefined) return false
    const record = (name: string) => ({ kind: 'api-key-network', partition: partitionOf(id), id: `${id}.${name}` })
    const known = !(await store.consume(record(network), NETWORK_AGE))
    return !known && !(await store.consume(record('first'), NETWORK_AGE))
  }

  return {
    /** Records a use of a key. `revoked`: `onAnomaly` has revoked it. */
    async note({ id, tenant }: KeyRow, address: string | undefined): Promise<'revoked' | undefined> {
      const entry = touch(id, clock())
      const kinds: Anomaly['kind'][] = []
      if (isBurst(entry, clock())) kinds.push('burst')
      if (await isNewNetwork(id, address).catch(() => false)) kinds.push('new_network')
      for (const kind of kinds) {
        emit({ type: 'key_anomaly', id, tenant, kind })
        if (watch.onAnomaly?.({ id, tenant, kind }) !== 'revoke') continue
        await revoke(id, kind)
        return 'revoked'
      }
      return undefined
    },
    async last(id: string): Promise<{ lastUsedAt?: number }> {
      try {
        const stored = await store.get(lastUseId(id))
        return stored ? uses.read(stored.value) : {}
      } catch {
        return {}
      }
    },
  }
}
