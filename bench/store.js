// What an operation of a store costs at 1,000, 100,000 and 1,000,000 records, on the three engines. All records are under one
// value of an index.
//   npm run build && node bench/store.js [--engine memory] [--records 1000 --records 100000] [--rounds 21] [--only list]
import { createPresent, createRandom, forEachUpTo, measureGrowth, upTo } from './growth/measure.js'
import { fillStore } from './growth/redis-fill.js'

const index = [{ index: 'owner', value: 'everybody' }]
const value = 'x'.repeat(200)
const PAGE = { limit: 50 }
/** Seconds that records live in memory, by its clock; elsewhere they stay. */
const LIFE = 1e6

/** Neither in the order in which they are written nor in any other. */
const recordOf = (name) => {
  const id = `${(Math.imul(name, 0x9e3779b1) >>> 0).toString(36)}-${name}`
  return { kind: 'bench', partition: id, id }
}

const fills = {
  async memory({ store }, records) {
    await forEachUpTo(records, (at) => store.write([put(recordOf(at), { ttl: LIFE })]))
  },
  redis: (opened, records) => fillStore(opened, records, recordOf, value),
  async postgres({ query, prefix }, records) {
    const batch = 50_000
    for (let from = 0; from < records; from += batch) {
      const ids = upTo(Math.min(batch, records - from), (at) => recordOf(from + at).id)
      await query(
        `insert into "${prefix}_records" select id, 'bench', id, $2, nextval('"${prefix}_versions"'), null
         from unnest($1::text[]) as id`,
        [ids, value],
      )
      await query(
        `insert into "${prefix}_index" select 'owner', 'everybody', id, 'bench', id, null from unnest($1::text[]) as id`,
        [ids],
      )
    }
    await query(`vacuum analyze "${prefix}_records", "${prefix}_index"`, [])
  },
}

const put = (id, more = {}) => ({ type: 'put', id, value, ifVersion: 'any', index, ...more })

/** Some records expire and are removed: by the engine's own means, for each of them. */
const sweeps = {
  // All that there is has expired: each write removes two.
  memory: ({ store, clock }, records) => {
    const calls = Math.min(500, records / 2)
    let [left, made] = [records, 0]
    const expire = () => {
      clock.now += LIFE
    }
    let begun = false
    return {
      calls,
      async before() {
        if (!begun) expire()
        begun = true
        if (left >= 2 * calls) return
        for (; left < records; left++) await store.write([put(recordOf(--made), { ttl: LIFE })])
        expire()
      },
      async run() {
        left -= 2
        await store.write([put(recordOf(--made), { ttl: LIFE })])
      },
    }
  },
  redis: ({ store }) => {
    let calls = 0
    return {
      calls: 16,
      // A page removes a thousand entries at most.
      async before() {
        await forEachUpTo(1000, () => store.write([put(recordOf(--calls), { ttl: 0.001 })]))
        await new Promise((resolve) => setTimeout(resolve, 5))
      },
      run: () => store.list('owner', 'everybody', PAGE),
    }
  },
  postgres: ({ store, query, prefix }) => {
    let made = 0
    return {
      calls: 1,
      async before() {
        const ids = upTo(1000, () => recordOf(--made).id)
        await query(
          `insert into "${prefix}_records" select id, 'bench', id, $2, nextval('"${prefix}_versions"'), now()
           from unnest($1::text[]) as id`,
          [ids, value],
        )
        await query(
          `insert into "${prefix}_index" select 'owner', 'everybody', id, 'bench', id, now() from unnest($1::text[]) as id`,
          [ids],
        )
      },
      async run() {
        if ((await store.sweep(1000)) !== 1000) throw new Error('it removed too few')
      },
    }
  },
}

await measureGrowth('store', async (opened, records, engine) => {
  const { store } = opened
  await fills[engine](opened, records)
  const present = createPresent(records)
  const random = createRandom(records)
  const life = engine === 'memory' ? { ttl: LIFE } : {}
  let made = records
  let versions = []
  const fresh = (at) => recordOf(made + at)
  const remove = (id) => store.write([{ type: 'delete', id, ifVersion: 'any' }])
  /** What a block has added goes again, so that there are as many as before. */
  const forget = async (calls) => {
    await forEachUpTo(calls, (at) => remove(fresh(at)))
    made += calls
  }
  const sure = async (wanted, outcome) => {
    if ((await outcome) !== wanted) throw new Error(`it should have been ${wanted}`)
  }
  const cursors = []
  const page = await store.list('owner', 'everybody', PAGE)
  for (let one = page; one.cursor && cursors.length < 10; ) {
    cursors.push(one.cursor)
    one = await store.list('owner', 'everybody', { ...PAGE, cursor: one.cursor })
  }
  return {
    get: { run: async () => sure(value, (await store.get(recordOf(present.one())))?.value) },
    'get, of all': {
      control: true,
      run: async () => sure(value, (await store.get(recordOf(random())))?.value),
    },
    'get, absent': { run: async (at) => sure(undefined, await store.get(fresh(at))) },
    'write, a new record': {
      run: (at) => sure(true, store.write([put(fresh(at), { ifVersion: 'absent', ...life })])),
      after: forget,
    },
    'write, of a version': {
      // Each one once.
      calls: 64,
      async before(calls) {
        versions = []
        for (const at of present.some(calls)) versions.push([recordOf(at), (await store.get(recordOf(at))).version])
      },
      async run(at) {
        const [id, ifVersion] = versions[at]
        await sure(true, store.write([put(id, { ifVersion, ...life })]))
      },
    },
    'write, refused': { run: () => sure(false, store.write([put(recordOf(present.one()), { ifVersion: 'absent' })])) },
    'write, a deletion': {
      before: (calls) => forEachUpTo(calls, (at) => store.write([put(fresh(at), life)])),
      run: (at) => remove(fresh(at)),
      after(calls) {
        made += calls
      },
    },
    consume: { run: (at) => sure(true, store.consume(fresh(at), 1000)), after: forget },
    'consume, again': { run: () => sure(false, store.consume(recordOf(present.one()), 1000)) },
    'list, the first page': { run: async () => sure(50, (await store.list('owner', 'everybody', PAGE)).ids.length) },
    'list, a later page': {
      run: (at) => store.list('owner', 'everybody', { ...PAGE, cursor: cursors[at % cursors.length] }),
    },
    'list, after a new record': {
      async run(at) {
        await store.write([put(fresh(at), life)])
        await store.list('owner', 'everybody', PAGE)
      },
      after: forget,
    },
    sweep: sweeps[engine](opened, records),
  }
})
