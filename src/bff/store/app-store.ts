import { sha256 } from '../../crypto/hash.js'
import type { Change, RecordStore } from '../../store/contract.js'
import { warningsOf } from '../../store/warnings.js'

/** What tells one app from another, wherever they share keys or a store. A `name` has no spaces. */
export const appOf = ({ name, origin }: { name: string; origin: string }): string => `${name} ${origin}`

/** Characters of a digest that tell apps apart. */
const DIGEST_LENGTH = 12

/**
 * The records of one app in a store that several may use: kinds and indexes bear the app's digest. So no other app finds,
 * replaces or ends them, whatever their ids.
 */
export function appStore(store: RecordStore, app: string): RecordStore {
  let known: string | undefined
  /** A text that is made anew is hashed anew wherever it is looked up: there are few kinds, and each has one. */
  const names = new Map<string, string>()

  async function digest(): Promise<string> {
    known ??= (await sha256(app)).slice(0, DIGEST_LENGTH)
    return known
  }

  function withSuffix(name: string, suffix: string): string {
    let own = names.get(name)
    if (own === undefined) {
      own = `${name}.${suffix}`
      names.set(name, own)
    }
    return own
  }

  function own<Record extends Change>(change: Record, suffix: string): Record {
    const { kind, partition, id } = change.id
    const changed = { ...change, id: { kind: withSuffix(kind, suffix), partition, id } }
    if (changed.type !== 'put' || !changed.index) return changed
    return { ...changed, index: changed.index.map(({ index, value }) => ({ index: withSuffix(index, suffix), value })) }
  }

  return {
    // Every session check comes through here: it waits for nothing but the store.
    get({ kind, partition, id }) {
      const own = (suffix: string) => store.get({ kind: withSuffix(kind, suffix), partition, id })
      return known === undefined ? digest().then(own) : own(known)
    },
    async write(changes) {
      const suffix = await digest()
      return store.write(changes.map((change) => own(change, suffix)))
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
