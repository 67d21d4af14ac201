import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createKeyRing } from 'sallyport/key-ring'
import { fileVault, toNodeListener } from 'sallyport/node'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { DAY, LEASE } from '../key-ring/ring-world.js'
import { chat, createVendor, providerOf } from '../key-ring/vendor.js'
import { randomKey } from '../keys.js'
import { scriptOf } from '../services/script.js'
import { type OpenStore, openRedis } from '../services/stores.js'

const KILLS = process.env['FULL'] === '1' ? 100 : 10

const vendor = createVendor()
/** Hears of every request before it is processed, and before it is answered. */
let onRequest: () => Promise<void> = async () => {}
const server = createServer(
  toNodeListener({
    async fetch(request) {
      await onRequest()
      const response = await vendor.fetch(request)
      await onRequest()
      return response
    },
  }),
)
const directory = join(mkdtempSync(join(tmpdir(), 'sallyport-ring-')), 'secrets')
const key = randomKey()
let opened: OpenStore
let address: string
let child: ChildProcess | undefined

beforeAll(async () => {
  opened = await openRedis(inject('redis'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  child?.kill('SIGKILL')
  server.close()
  server.closeAllConnections()
  rmSync(join(directory, '..'), { recursive: true, force: true })
  await opened?.close()
})

it(`[A-70] rotates in processes that are killed, ${KILLS} times: there is always a key that works, and none is left over`, async () => {
  const worker = await scriptOf('test/store/ring-worker.ts')
  let time = Date.now() / 1000
  const ring = createKeyRing({
    name: 'vendor',
    provider: providerOf(fetch, address),
    vault: fileVault({ directory, keys: [key] }),
    store: opened.store,
    now: () => time,
  })
  const works = async () => (await ring.use({ tenant: 'acme' }, (secret) => chat(fetch, secret, address))).status
  const early: string[] = []
  vendor.onRevoke((key) => {
    if (!vendor.live().some(({ id, uses }) => id !== key.id && uses > 0)) early.push(key.id)
  })
  await ring.step()
  expect(await works()).toBe(200)

  let cut = 0
  for (let kill = 0; kill < KILLS; kill++) {
    // Each process lives in a time in which the last one is taken for dead, and the next rotation is due.
    time += 31 * DAY
    const options = { port: inject('redis'), vendor: address, directory, key }
    child = fork(worker, [JSON.stringify(options)], { execArgv: [] })
    await once(child, 'message')
    const victim = child
    const ended = once(victim, 'exit')
    // A rotation and the end of the last one are five requests: somewhere between two of them, or a little later.
    let left = Math.floor(Math.random() * 10)
    onRequest = async () => {
      if (left-- > 0) return
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5))
      if (victim.kill('SIGKILL')) cut++
      onRequest = async () => {}
    }
    victim.once('message', () => victim.kill('SIGKILL'))
    victim.send(time - Date.now() / 1000)
    await ended
    onRequest = async () => {}
    expect(await works(), `kill ${kill}`).toBe(200)
  }
  for (const seconds of [LEASE, LEASE, DAY, 3600, LEASE]) {
    time += seconds
    await ring.step()
    expect(await works()).toBe(200)
  }
  expect(early).toEqual([])
  const { keys } = await ring.status()
  expect(keys.map(({ state }) => state)).toEqual(['current'])
  expect(vendor.live().map(({ name }) => name)).toEqual([keys[0]?.name])
  expect(readdirSync(directory)).toEqual([keys[0]?.name])
  console.log(`${cut} of ${KILLS} processes cut short, ${vendor.keys.length} keys made`)
  expect(vendor.keys.length).toBeGreaterThan(KILLS / 4)
  expect(cut).toBeGreaterThan(0)
}, 300_000)
