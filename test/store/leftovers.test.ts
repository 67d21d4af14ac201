import type { RecordStore } from 'sallyport/store'
import type { RedisStoreOptions } from 'sallyport/store/redis'
import { afterAll, describe, expect, inject, it } from 'vitest'
import { type OpenStore, openRedis, openRedisCluster } from '../services/stores.js'

/** In units of three milliseconds: what is fast here must be fast on a busy machine, too. */
const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, 3 * milliseconds))

/** Minutes and hours of the scripts as 60 and 180 milliseconds; what happens to a script on its way. */
const hurried =
  (change: (text: string) => string = (text) => text, before: (text: string) => Promise<void> = async () => {}) =>
  (options: RedisStoreOptions): RedisStoreOptions => ({
    ...options,
    async send(args, key) {
      const [command, text = '', ...rest] = args
      if (command === 'EVALSHA') throw new Error('NOSCRIPT')
      if (command !== 'EVAL') return options.send(args, key)
      await before(text)
      return options.send([command, change(text.replaceAll('300000', '60').replaceAll('3600000', '180')), ...rest], key)
    },
  })

type Through = ReturnType<typeof hurried>
const engines: Record<string, (through: Through) => Promise<OpenStore>> = {
  Redis: (through) => openRedis(inject('redis'), 'leftovers:', through),
  'Redis Cluster': (through) => openRedisCluster(inject('cluster'), through),
}

const names = () => {
  const partition = crypto.randomUUID()
  const index = [{ index: 'color', value: partition }]
  const id = (name: string) => ({ kind: 'test', partition, id: name })
  return {
    id,
    put: (name: string, more: object = {}) =>
      ({ type: 'put', id: id(name), value: name, ifVersion: 'any', index, ...more }) as const,
    remove: (name: string) => ({ type: 'delete', id: id(name), ifVersion: 'any' }) as const,
    listed: async (store: RecordStore) => (await store.list('color', partition)).ids.map((one) => one.id),
  }
}

describe.each(Object.entries(engines))('entries without end, in %s', (_, open) => {
  const all: OpenStore[] = []
  const opened = async (through: Through = hurried()) => {
    const one = await open(through)
    all.push(one)
    return one.store
  }
  afterAll(() => Promise.all(all.map(({ close }) => close())))

  it('[K-19] go some time after their records, when they are listed; those of records that are there stay', async () => {
    const store = await opened()
    const { put, remove, listed } = names()
    for (const name of ['a', 'b', 'c', 'd', 'e']) await store.write([put(name)])
    for (const name of ['b', 'd']) await store.write([remove(name)])
    expect(await listed(store)).toEqual(['a', 'b', 'c', 'd', 'e'])
    for (let turn = 0; turn < 6; turn++) {
      await pause(100)
      await listed(store)
    }
    await pause(50)
    expect(await listed(store)).toEqual(['a', 'c', 'e'])
  })

  it('[K-19] go when others are written to the same index', async () => {
    const store = await opened()
    const { put, remove, listed } = names()
    for (let at = 0; at < 10; at++) {
      await store.write([put(`old ${at}`)])
      await store.write([remove(`old ${at}`)])
    }
    for (let at = 0; at < 10; at++) {
      await pause(70)
      await store.write([put(`new ${at}`)])
    }
    await pause(50)
    expect((await listed(store)).filter((name) => name.startsWith('old'))).toEqual([])
    expect(await listed(store)).toHaveLength(10)
  })

  it('[K-19] of 0.2.0, which says nowhere since when, go as well, later', async () => {
    // As it was written then: of two sets.
    const store = await opened(hurried((text) => text.replaceAll("redis.call('ZADD', KEYS[3], since, ARGV[1])", '')))
    const { put, remove, listed } = names()
    await store.write([put('gone'), put('there')])
    await store.write([remove('gone')])
    const today = await opened()
    for (let turn = 0; turn < 4; turn++) {
      expect(await listed(store)).toContain('there')
      await listed(today)
      await pause(100)
    }
    expect(await listed(today)).toEqual(['there'])
  })

  it('[K-19] end with their record where it was given an end, and is put again meanwhile', async () => {
    const store = await opened()
    const { put, listed } = names()
    await store.write([put('a')])
    await store.write([put('a', { ttl: 0.6 })])
    await pause(100)
    expect(await listed(store)).toEqual(['a'])
    for (let turn = 0; turn < 4; turn++) {
      await pause(150)
      await listed(store)
    }
    expect(await listed(store)).toEqual([])
  })

  /** Writers that are slow between entry and record, others that list: resolves to the records that are in no list. */
  async function race(change?: (text: string) => string) {
    // In one of five writes the record comes so late that its entry is taken for a leftover.
    const slow = async (text: string) => {
      if (text.includes("'PX', ttl") && Math.random() < 0.2) await pause(150)
    }
    const [writer, reader] = await Promise.all([opened(hurried(change, slow)), opened(hurried(change))])
    const { id, put, remove, listed } = names()
    const until = Date.now() + 2500
    const busy = (work: (name: string) => Promise<unknown>) => async () => {
      while (Date.now() < until) await work(`${Math.floor(Math.random() * 8)}`).catch(() => {})
    }
    await Promise.all([
      ...Array.from(
        { length: 3 },
        busy((name) => writer.write([put(name)])),
      ),
      ...Array.from(
        { length: 2 },
        busy((name) => writer.write([remove(name)]).then(() => pause(20))),
      ),
      busy(async () => {
        await listed(reader)
        await pause(5)
      })(),
    ])
    await pause(50)
    const found = await listed(reader)
    const lost = await Promise.all(
      Array.from({ length: 8 }, async (_, at) => (await reader.get(id(`${at}`))) && !found.includes(`${at}`)),
    )
    return lost.filter(Boolean).length
  }

  it('[K-19] never go before a record that is put again at that moment', async () => {
    expect(await race()).toBe(0)
  })

  /** The record comes long after its entry, which was taken for a leftover meanwhile. Resolves to what is listed then. */
  async function late(change?: (text: string) => string) {
    const writer = await opened(hurried(change, async (text) => (text.includes("'PX', ttl") ? gate : undefined)))
    const reader = await opened()
    let open = () => {}
    let gate: Promise<void> | undefined = new Promise<void>((resolve) => {
      open = resolve
    })
    const { put, listed } = names()
    const writing = writer.write([put('late')])
    for (let turn = 0; turn < 3; turn++) {
      await pause(100)
      await listed(reader)
    }
    gate = undefined
    open()
    expect(await writing).toBe(true)
    return listed(reader)
  }

  it('[K-19] come again with a record that comes too late', async () => {
    expect(await late()).toEqual(['late'])
  })

  it('[K-19] would be missing, if a record were written however late it comes', async () => {
    expect(await late((text) => text.replace('if now - ARGV[1] > 60 then return -1 end', ''))).toEqual([])
  })
})
