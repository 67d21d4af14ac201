import { sha256 } from '../crypto/hash.js'
import type { RecordId, RecordStore } from '../store/contract.js'

/** What tells one app from another, wherever they share keys or a store. A `name` has no spaces. */
export const appOf = ({ name, origin }: { name: string; origin: string }): string => `${name} ${origin}`

/** Characters of a digest that tell apps apart. */
const DIGEST = 16

/**
 * The records of one app in a store that several may use: kinds and indexes bear the app's digest. So no other app finds,
 * replaces or ends them, whatever their ids.
 */
export function ownStore(store: RecordStore, app: string): RecordStore {
  const named = sha256(app).then((digest) => digest.slice(0, DIGEST))
  const own = (id: RecordId, digest: string): RecordId => ({ ...id, kind: `${id.kind}.${digest}` })
  return {
    get: async (id) => store.get(own(id, await named)),
    async write(changes) {
      const digest = await named
      return store.write(
        changes.map((change) => {
          const id = own(change.id, digest)
          if (change.type !== 'put' || !change.index) return { ...change, id }
          return {
            ...change,
            id,
            index: change.index.map(({ index, value }) => ({ index: `${index}.${digest}`, value })),
          }
        }),
      )
    },
    async list(index, value, page) {
      const digest = await named
      const { ids, ...rest } = await store.list(`${index}.${digest}`, value, page)
      return { ...rest, ids: ids.map((id) => ({ ...id, kind: id.kind.slice(0, -digest.length - 1) })) }
    },
    consume: async (id, ttl) => store.consume(own(id, await named), ttl),
    ...(store.sweep && { sweep: (limit: number) => store.sweep?.(limit) ?? Promise.resolve(0) }),
  }
}
