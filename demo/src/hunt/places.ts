/** Adds a text to the texts that are searched. */
export type Collect = (text: unknown) => void

/** One kind of place that a script can read. */
export interface Place {
  name: string
  look(collect: Collect): void | Promise<void>
}

/** Everything that a script of this origin can read without a request. */
export const places: readonly Place[] = [
  { name: 'window and its objects', look: walkWindow },
  {
    name: 'text, attributes, fields',
    look(collect) {
      collect(document.documentElement.outerHTML)
      for (const field of document.querySelectorAll<HTMLInputElement>('input, textarea, select, output'))
        collect(field.value)
    },
  },
  { name: 'localStorage', look: (collect) => readStorage(() => localStorage, collect) },
  { name: 'sessionStorage', look: (collect) => readStorage(() => sessionStorage, collect) },
  { name: 'IndexedDB', look: readDatabases },
  { name: 'Cache Storage', look: readCaches },
  {
    name: 'document.cookie',
    look(collect) {
      collect(document.cookie)
    },
  },
  {
    name: 'URL and history',
    look(collect) {
      for (const text of [location.href, document.referrer, window.name]) collect(text)
      collect(safely(() => JSON.stringify(history.state)))
      const { navigation } = window as { navigation?: { entries(): Array<{ url: string; getState(): unknown }> } }
      for (const entry of navigation?.entries() ?? []) {
        collect(entry.url)
        collect(safely(() => JSON.stringify(entry.getState())))
      }
    },
  },
  {
    name: 'URLs of requests',
    look(collect) {
      for (const { name } of performance.getEntries()) collect(name)
    },
  },
]

function safely<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** A limit, so that a search ends within seconds. */
const most = 200_000

/** Own properties of everything reachable from `window`, breadth first: objects, functions, maps, sets and buffers. */
function walkWindow(collect: Collect): void {
  const seen = new Set<unknown>([window])
  for (const thing of seen) {
    if (seen.size > most) break
    if (ArrayBuffer.isView(thing) || thing instanceof ArrayBuffer) {
      collect(safely(() => new TextDecoder().decode(thing as ArrayBuffer)))
      continue
    }
    const add = (value: unknown) => {
      if (typeof value === 'string') collect(value)
      else if ((typeof value === 'object' && value !== null) || typeof value === 'function') seen.add(value)
    }
    if (thing instanceof Map || thing instanceof Set) for (const pair of thing.entries()) pair.forEach(add)
    for (const key of safely(() => Reflect.ownKeys(thing as object)) ?? []) {
      if (typeof key === 'string') collect(key)
      else collect(key.description)
      const value = safely(() => (thing as Record<PropertyKey, unknown>)[key])
      // A promise from a prototype's getter rejects: ignore that.
      if (value instanceof Promise) value.catch(() => {})
      add(value)
    }
  }
}

function readStorage(get: () => Storage, collect: Collect): void {
  const storage = safely(get)
  if (!storage) return
  for (let at = 0; at < storage.length; at++) {
    const key = storage.key(at) ?? ''
    collect(key)
    collect(storage.getItem(key))
  }
}

const done = <Value>(request: IDBRequest<Value>): Promise<Value | undefined> =>
  new Promise((resolve) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => resolve(undefined)
  })

async function readDatabases(collect: Collect): Promise<void> {
  for (const { name } of (await indexedDB.databases?.()) ?? []) {
    if (name === undefined) continue
    collect(name)
    const database = await done(indexedDB.open(name))
    if (!database) continue
    for (const store of database.objectStoreNames) {
      const records = database.transaction(store).objectStore(store)
      const [keys, values] = await Promise.all([done(records.getAllKeys()), done(records.getAll())])
      for (const value of [...(keys ?? []), ...(values ?? [])]) collectDeep(value, collect)
    }
    database.close()
  }
}

async function readCaches(collect: Collect): Promise<void> {
  for (const name of (await safely(() => caches.keys())) ?? []) {
    const cache = await caches.open(name)
    for (const request of await cache.keys()) {
      collect(request.url)
      for (const value of request.headers.values()) collect(value)
      collect(await (await cache.match(request))?.text())
    }
  }
}

/** The strings of a cloned value, which has only data and no getters. */
export function collectDeep(value: unknown, collect: Collect): void {
  const seen = new Set<unknown>([value])
  for (const thing of seen) {
    if (typeof thing !== 'object' || thing === null) collect(thing)
    else if (thing instanceof Map || thing instanceof Set)
      for (const pair of thing.entries()) for (const one of pair) seen.add(one)
    else if (ArrayBuffer.isView(thing) || thing instanceof ArrayBuffer) collect(new TextDecoder().decode(thing))
    else for (const [key, one] of Object.entries(thing)) seen.add(key).add(one)
  }
}
