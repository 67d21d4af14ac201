import type { Page } from 'playwright-core'

/** Runs before any script of the page: what is sent between tabs and frames is written down. */
export function overhear(): void {
  const heard: unknown[] = []
  Object.assign(window, { __heard: heard })
  const owners = [BroadcastChannel.prototype, MessagePort.prototype, Worker.prototype, window] as Array<{
    postMessage(...parts: unknown[]): void
  }>
  for (const owner of owners) {
    const send = owner.postMessage
    owner.postMessage = function (this: unknown, ...parts: unknown[]) {
      heard.push(parts[0])
      return send.apply(this, parts)
    }
  }
  addEventListener('message', ({ data }) => heard.push(data))
}

/** Where in the page one of the exact strings can be found: the names of the places, and how they were reached. */
export async function hunt(page: Page, secrets: readonly string[]): Promise<string[]> {
  return page.evaluate(async (wanted) => {
    const found = new Set<string>()
    const look = (place: string, text: unknown) => {
      if (typeof text === 'string' && wanted.some((secret) => text.includes(secret))) found.add(place)
    }
    const seen = new Set<unknown>()
    const walk = (value: unknown, place: string, path: string, depth: number) => {
      look(place, value)
      if (!(value instanceof Object) || seen.has(value) || depth > 8 || seen.size > 200_000) return
      seen.add(value)
      for (const key of Reflect.ownKeys(value)) {
        if (typeof key === 'string') look(place, key)
        try {
          walk(Reflect.get(value, key), place, `${path}.${String(key)}`, depth + 1)
        } catch {}
      }
      if (value instanceof Map || value instanceof Set) for (const item of value) walk(item, place, path, depth + 1)
    }
    for (const [name, storage] of [
      ['localStorage', localStorage],
      ['sessionStorage', sessionStorage],
    ] as const)
      for (let at = 0; at < storage.length; at++) {
        const key = storage.key(at) ?? ''
        look(name, key)
        look(name, storage.getItem(key))
      }
    look('document.cookie', document.cookie)
    look('history', location.href)
    look('history', document.referrer)
    look('history', JSON.stringify(history.state))
    for (const { name = '', version } of await indexedDB.databases()) {
      const db = await new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open(name, version)
        opening.onsuccess = () => resolve(opening.result)
        opening.onerror = () => reject(opening.error)
      })
      for (const store of db.objectStoreNames) {
        const rows = await new Promise<unknown[]>((resolve) => {
          const asking = db.transaction(store).objectStore(store).getAll()
          asking.onsuccess = () => resolve(asking.result)
        })
        look('indexedDB', JSON.stringify(rows))
      }
      db.close()
    }
    const { __heard } = window as unknown as { __heard: unknown[] }
    for (const message of __heard) look('messages', JSON.stringify(message))
    seen.add(__heard)
    walk(window, 'window', 'window', 0)
    look('document', document.documentElement.outerHTML)
    return [...found]
  }, secrets)
}

/** Puts a secret where a careless app would, one place each. */
export async function plant(page: Page, secret: string): Promise<void> {
  await page.evaluate(async (value) => {
    localStorage.setItem('planted', value)
    sessionStorage.setItem('planted', value)
    // biome-ignore lint/suspicious/noDocumentCookie: that is the place to plant it
    document.cookie = `planted=${value.slice(0, 2000)}`
    history.replaceState({ planted: value }, '')
    Object.assign(window, { planted: { deep: [value] } })
    const channel = new BroadcastChannel('planted')
    channel.postMessage({ token: value })
    channel.close()
    await new Promise<void>((resolve) => {
      const opening = indexedDB.open('planted', 1)
      opening.onupgradeneeded = () => opening.result.createObjectStore('rows')
      opening.onsuccess = () => {
        const writing = opening.result.transaction('rows', 'readwrite')
        writing.objectStore('rows').put({ value }, 1)
        writing.oncomplete = () => {
          opening.result.close()
          resolve()
        }
      }
    })
  }, secret)
}
