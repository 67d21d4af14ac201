import pg from 'pg'
import { createClient } from 'redis'
import type { RecordStore } from 'sallyport/store'
import { expect, inject, it } from 'vitest'
import { dearer, stranger, watched } from '../flood.js'
import { postgresUrl } from '../services/postgres.js'
import { openPostgres, openRedis } from '../services/stores.js'
import { look, signIn, type World, world } from '../world.js'

/** Of 100 requests each. */
const batches = process.env['FULL'] ? 20 : 1
/** What the default admits of one address in a minute. */
const ADMITTED = 1000

/** Floods a backend on a store, and what there is left in the server, with the seconds that each thing lasts. */
async function flooded(store: RecordStore, left: () => Promise<number[]>) {
  const here: World = await world({ store })
  await signIn(here.tab)
  const calls = async () => {
    for (let at = 0; at < 100; at++) expect((await look(here.tab, '/session')).status).toBe(200)
  }
  await calls()
  const before = (await left()).length
  const { flood } = stranger(here.bff, '203.0.113.7', 'token-mediating')
  const ratio = await dearer(calls, () => flood(100), batches)
  if (process.env['FULL']) expect(ratio).toBeLessThan(1.5)
  const lasting = await left()
  expect(lasting.length - before).toBeGreaterThan(0)
  expect(lasting.length - before).toBeLessThanOrEqual(ADMITTED)
  // The session that was there is all that stays longer.
  expect(lasting.filter((seconds) => seconds > 900).length).toBeLessThanOrEqual(before)
}

it('[B-35] leaves no more in Redis than the limits admit, for 15 minutes at most', async () => {
  const prefix = `${crypto.randomUUID()}:`
  const opened = await openRedis(inject('redis'), prefix)
  const client = createClient({ socket: { host: '127.0.0.1', port: inject('redis') } })
  await client.connect()
  try {
    await flooded(opened.store, async () => {
      const keys = await client.keys(`${prefix}*`)
      return Promise.all(keys.map(async (key) => (await client.pTTL(key)) / 1000))
    })
  } finally {
    client.destroy()
    await opened.close()
  }
})

it('[B-35] leaves no more in PostgreSQL than the limits admit, for 15 minutes at most', async () => {
  const url = postgresUrl(inject('postgres'))
  const opened = await openPostgres(url)
  await opened.store.migrate()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    // Other tests write to the same tables: only what was not there before counts.
    const ids = new Set<string>()
    const noting = watched(opened.store)
    await flooded(noting.store, async () => {
      for (const name of noting.written.keys()) ids.add(name.split(' ')[2] ?? '')
      const { rows } = await client.query(
        'select extract(epoch from expires - clock_timestamp())::float8 as seconds from sallyport_records where id = any($1)',
        [[...ids]],
      )
      return rows.map(({ seconds }) => seconds ?? Number.POSITIVE_INFINITY)
    })
  } finally {
    await client.end()
    await opened.close()
  }
})
