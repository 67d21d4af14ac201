import { type Change, memoryStore, type RecordId, type RecordStore } from 'sallyport/store'

/** Lets everybody else go first. */
export const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 1))
export type Make = (now: () => number) => RecordStore

export const each = (changes: readonly Change[], change: (one: Change) => Change): Change[] => changes.map(change)
export const keyOf = ({ kind, partition, id }: RecordId) => `${partition} ${kind} ${id}`

/** Another text in the place of names. */
export const renaming =
  (text: (name: string) => string): Make =>
  (now) => {
    const store = memoryStore({ now })
    const idOf = ({ kind, partition, id }: RecordId) => ({ kind: text(kind), partition: text(partition), id: text(id) })
    return {
      ...store,
      get: (id) => store.get(idOf(id)),
      consume: (id, ttl) => store.consume(idOf(id), ttl),
      write: (changes) =>
        store.write(
          each(
            changes,
            (one) =>
              ({
                ...one,
                id: idOf(one.id),
                ...('index' in one && {
                  index: one.index?.map(({ index, value }) => ({ index: text(index), value: text(value) })),
                }),
              }) as Change,
          ),
        ),
      list: (index, value, page) => store.list(text(index), text(value), page),
    }
  }

export const changed =
  (change: (store: RecordStore, now: () => number) => Partial<RecordStore>): Make =>
  (now) => {
    const store = memoryStore({ now })
    return { ...store, ...change(store, now) }
  }

export const puts = (store: RecordStore, change: (one: Change & { type: 'put' }) => Change): Partial<RecordStore> => ({
  write: (changes) => store.write(each(changes, (one) => (one.type === 'put' ? change(one) : one))),
})
