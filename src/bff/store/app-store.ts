import { sha256 } from '../../crypto/hash.js'
import type { Change, RecordStore } from '../../store/contract.js'
import { warningsOf } from '../../store/warnings.js'

/** Identifies an app among those that share keys or a store. A `name` has no spaces. */
export const appOf = ({ name, origin }: { name: string; origin: string }): string => `${name} ${origin}`

/** Characters of the digest. */
const DIGEST_LENGTH = 12

/**
 * The records of one app in a store that several apps may share. The app’s digest is part of all kinds and indexes, so no other app
 * can find, replace or delete its records.
 */
export function appStore(store: RecordStore, app: string): RecordStore {
  let known: string | undefined
  /** A cache: engines look records up by these strings, and V8 hashes a string object only once. */
  const names = new Map<string, string>()

  async function digest(): Promise<string> {
    known ??= (await sha256(app)).slice(0, DIGEST_LENGTH)
    return known
  }

  function withSuffix(name: string, suffix: string): string {
    let suffixed = names.get(name)
    if (suffixed === undefined) {
      suffixed = `${name}.${suffix}`
      names.set(name, suffixed)
    }
    return suffixed
  }

  function ofThisApp<Record extends Change>(change: Record, suffix: string): Record {
    const { kind, partition, id } = change.id
    const changed = { ...change, id: { kind: withSuffix(kind, suffix), partition, id } }
    if (changed.type !== 'put' || !changed.index) return changed
    return { ...changed, index: changed.index.map(({ index, value }) => ({ index: withSuffix(index, suffix), value })) }
  }

  return {
    // Every session check comes through here, so the only wait is for the store.
    get({ kind, partition, id }) {
      const get = (suffix: string) => store.get({ kind: withSuffix(kind, suffix), partition, id })
      return known === undefined ? digest().then(get) : get(known)
    },
    async write(changes) {
      const suffix = await digest()
      return store.write(changes.map((change) => ofThisApp(change, suffix)))
    },
    async list(index, value, page) {
      const suffix = await digest()
      const { ids, ...rest } = await store.list(withSuffix(index, suffix), value, page)
      return { ...rest, ids: ids.map((id) => ({ ...id, kind: id.kind.slice(0, -suffix.length - 1) })) }
    },
    async consume({ kind, partition, id }, ttl) {
      return store.consume({ kind: withSuffix(kind, await digest()), partition, id }, ttl)
    },
    ...(store.warnings && { warnings: () => warningsOf(store) }),
    ...(store.sweep && { sweep: (limit: number) => store.sweep?.(limit) ?? Promise.resolve(0) }),
  }
}
