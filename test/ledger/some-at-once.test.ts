import { createApiKeys } from 'sallyport/keys'
import { memoryStore, type RecordStore } from 'sallyport/store'
import { expect, it } from 'vitest'
import { mapConcurrently } from '../../src/store/map-concurrently.js'

/** A store that notes how many of its reads are under way at once. */
function busy(store: RecordStore) {
  let running = 0
  const seen = { most: 0, reads: 0 }
  const get: RecordStore['get'] = async (id) => {
    seen.reads++
    seen.most = Math.max(seen.most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    return store.get(id)
  }
  return { seen, store: { ...store, get } satisfies RecordStore }
}

it('a page of many keys takes a few connections, and is in order', async () => {
  const { seen, store } = busy(memoryStore())
  const keys = createApiKeys({ store, prefix: 'test', scopes: ['a'] })
  for (let at = 0; at < 200; at++) await keys.create({ tenant: 'acme', owner: 'alice', name: `${at}`, scopes: ['a'] })
  seen.most = 0
  expect((await keys.list({ tenant: 'acme', limit: 1000 })).items).toHaveLength(200)
  expect(seen.most).toBeLessThanOrEqual(16)
  expect(seen.most).toBeGreaterThan(1)
})

it('calls a few at a time, answers in order, and calls no further after one has failed', async () => {
  const items = Array.from({ length: 100 }, (_, at) => at)
  expect(await mapConcurrently(items, async (at) => at * 2)).toEqual(items.map((at) => at * 2))
  expect(await mapConcurrently([], async () => 1)).toEqual([])
  let calls = 0
  const failing = mapConcurrently(items, async (at) => {
    calls++
    await new Promise((resolve) => setImmediate(resolve))
    if (at === 3) throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(calls).toBeLessThan(30)
})
