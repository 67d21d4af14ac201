import { agentAnswer } from 'sallyport/agents'
import { createKeyRing, environmentVault } from 'sallyport/key-ring'
import { memoryStore } from 'sallyport/store'
import { describe, expect, it } from 'vitest'
import { randomKey } from '../keys.js'
import { DAY, fused, LEASE, ringWorld, type Trouble } from './ring-world.js'
import { chat } from './vendor.js'

/** What a rejection says, and all that hangs on it. */
const said = async (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error) => ({
      code: error.code,
      cause: error.cause,
      retryable: error.retryable,
      all: `${error.stack} ${JSON.stringify(error.cause)}`,
    }),
  )

describe('a key ring', () => {
  it('does nothing before it is asked, and hands out what was put into the vault by hand', async () => {
    const { vendor, secrets, call, words, ring } = ringWorld()
    const missing = await ring.use({ tenant: 'acme' }, () => 'never').catch((error: unknown) => error)
    expect(missing).toMatchObject({ code: 'provider_key_missing' })
    expect(agentAnswer(missing).status).toBe(503)
    const byHand = await (await vendor.fetch(post('by hand'))).json()
    secrets.set('vendor', byHand.secret)
    expect(await call(ring)).toBe('key_0')
    expect(await ring.status()).toEqual({ keys: [] })
    expect([words, vendor.keys.length]).toEqual([[], 1])
  })

  it('makes, tests, switches, waits and revokes, and there is a key that works at every moment', async () => {
    const { ring, vendor, call, advance, states, secrets, types } = ringWorld()
    await ring.step()
    expect(await call()).toBe('key_0')
    const { dueAt, keys } = await ring.status()
    expect(keys).toMatchObject([{ state: 'current', id: 'key_0', createdAt: 1_790_000_000 }])
    expect(dueAt).toBe(1_790_000_000 + 30 * DAY)
    expect(vendor.keys[0]?.name).toMatch(/^vendor-[0-9a-f-]{36}$/)
    expect(keys[0]?.name).toBe(vendor.keys[0]?.name)

    advance(30 * DAY - 1)
    await ring.step()
    expect(vendor.keys).toHaveLength(1)
    advance(1)
    await ring.step()
    expect(await states()).toEqual(['current', 'overlap'])
    expect(await call()).toBe('key_1')
    // Whoever still has the old key finishes.
    expect((await chat(vendor.fetch, vendor.keys[0]?.secret ?? '')).status).toBe(200)

    advance(DAY - 1)
    await ring.step()
    expect(vendor.live()).toHaveLength(2)
    advance(1)
    await ring.step()
    expect(await states()).toEqual(['current'])
    expect(vendor.live().map(({ id }) => id)).toEqual(['key_1'])
    expect([...secrets.values()]).toEqual([vendor.keys[1]?.secret])
    expect(types()).toEqual([
      'provider_key_created',
      'provider_key_current',
      'provider_key_created',
      'provider_key_current',
      'provider_key_ended',
    ])
  })

  it('asks nothing of anybody while nothing is due', async () => {
    const world = ringWorld()
    await world.ring.step()
    const { provider, vault, store } = fused(world, 'dies', 1)
    world.advance(DAY)
    await world.open({ provider, vault, store }).step()
  })

  describe.each<Trouble>(['dies', 'fails', 'is not heard'])('when a call %s', (trouble) => {
    it('[A-70] goes on from there: no key is lost, none ended before another works, none left over', async () => {
      let struck = 0
      for (let at = 0; ; at++) {
        const world = ringWorld()
        const { vendor, secrets, advance, open, events, words, passed } = world
        const byHand = await (await vendor.fetch(post('by hand'))).json()
        secrets.set('vendor', byHand.secret)
        const inUse = new Set<string>()
        const early: string[] = []
        vendor.onRevoke(({ id }) => {
          const others = vendor.live().filter((key) => key.id !== id && passed.has(key.secret))
          if (inUse.has(id) && !others.length) early.push(id)
        })
        const fuse = fused(world, trouble, at)
        const broken = open({ store: fuse.store, vault: fuse.vault, provider: fuse.provider })
        // Two rotations and what is left of them, with time for the dead to be taken for dead and the lost for lost.
        for (const seconds of [0, LEASE, 30 * DAY, LEASE, DAY, LEASE, 3600, DAY, LEASE]) {
          advance(seconds)
          const failure = await said((trouble === 'dies' && fuse.struck() ? open() : broken).step())
          if (failure) words.push(failure.all)
          const used = await world.call(open())
          expect(used, `call ${at} ${trouble}`).toMatch(/^key_/)
          inUse.add(`${used}`)
          const { secret } = vendor.keys.find(({ id }) => id === used) ?? byHand
          expect(secret === byHand.secret || passed.has(secret), `call ${at} ${trouble}`).toBe(true)
        }
        const { keys } = await open().status()
        expect(
          keys.map(({ state }) => state),
          `call ${at} ${trouble}`,
        ).toEqual(['current'])
        const [{ name } = { name: '' }] = keys
        expect(vendor.live().map((key) => key.name)).toEqual(['by hand', name])
        expect([...secrets.keys()]).toEqual(['vendor', name])
        const told = JSON.stringify(events) + words.join()
        for (const { secret } of vendor.keys) expect(told).not.toContain(secret)
        if (!fuse.struck()) break
        struck++
      }
      expect(struck).toBeGreaterThan(40)
    })
  })

  it('is rotated once by many processes', async () => {
    const { open, vendor, advance, states } = ringWorld()
    const rings = Array.from({ length: 5 }, () => open())
    for (const [days, made] of [
      [0, 1],
      [30, 2],
    ] as const) {
      advance(days * DAY)
      await Promise.all(rings.map((ring) => ring.step()))
      expect(vendor.keys).toHaveLength(made)
    }
    expect(await states()).toEqual(['current', 'overlap'])
    const outcomes = await Promise.all(rings.map((ring) => said(ring.rotate())))
    expect(outcomes.filter((outcome) => !outcome)).toHaveLength(1)
    expect(outcomes).toContainEqual(expect.objectContaining({ code: 'key_ring_busy', retryable: true }))
    expect(vendor.keys).toHaveLength(3)
  })

  it('is taken over from a process that does not come back; the key of one that does is ended', async () => {
    for (const comesBack of [true, false]) {
      const { open, ring, vendor, advance, provider, states, types } = ringWorld()
      const [asked, answer] = [signal(), signal()]
      const stuck = open({
        provider: {
          ...provider,
          async create(key) {
            asked.give()
            await answer.given
            const made = await provider.create(key)
            return comesBack ? made : new Promise(() => {})
          },
        },
      })
      const late = said(stuck.rotate())
      await asked.given
      await ring.step()
      expect(await said(ring.rotate())).toMatchObject({ code: 'key_ring_busy' })
      advance(LEASE)
      await ring.step()
      expect(await states()).toEqual(['current', 'lost'])
      answer.give()
      if (comesBack) expect(await late).toMatchObject({ code: 'key_ring_busy' })
      else await new Promise((resolve) => setTimeout(resolve))
      expect(vendor.live()).toHaveLength(comesBack ? 1 : 2)
      await ring.step()
      advance(3600)
      await ring.step()
      expect(await states()).toEqual(['current'])
      expect(vendor.live()).toHaveLength(1)
      expect(types()).toContain('provider_key_lost')
    }
  })

  it('gives way to whoever took over between its writing and its reading', async () => {
    const { open, store, advance, states, vendor } = ringWorld()
    let writes = 0
    const slow = open({
      store: {
        ...store,
        async write(changes) {
          const written = await store.write(changes)
          if (++writes === 2) {
            advance(LEASE)
            await open().step()
          }
          return written
        },
      },
    })
    expect(await said(slow.rotate())).toMatchObject({ code: 'key_ring_busy' })
    expect(await states()).toEqual(['current', 'lost'])
    expect(vendor.keys).toHaveLength(1)
  })

  it('says that the store is out of reach, and nothing else', async () => {
    const codes = new Set<string>()
    for (const trouble of ['dies', 'fails', 'is not heard'] as const)
      for (let at = 0; at < 12; at++) {
        const world = ringWorld()
        const { store } = fused(world, trouble, at)
        codes.add((await said(world.open({ store }).rotate()))?.code ?? 'done')
      }
    // What fails last, letting others in, is not missed.
    expect([...codes].sort()).toEqual(['done', 'store_unavailable'])
  })

  it('names what it cannot find again, where the provider has no list', async () => {
    const { open, vendor, provider, events, states, types } = ringWorld()
    const { list: _, ...unlisted } = provider
    const create: typeof provider.create = async (key) => {
      await provider.create(key)
      throw new Error('cut off')
    }
    expect(await said(open({ provider: { ...unlisted, create } }).rotate())).toMatchObject({
      code: 'key_ring_failed',
      cause: { step: 'create', error: 'Error' },
    })
    expect(await states()).toEqual([])
    expect(types()).toContain('provider_key_stuck')
    expect(events.filter(({ type }) => type !== 'provider_key_stuck')).toEqual([
      { type: 'provider_key_lost', ring: 'vendor', name: vendor.keys[0]?.name },
    ])
    await open({ provider: unlisted }).step()
    expect(await states()).toEqual(['current'])
  })

  it('switches to no key that does not work, and gives it up after an hour', async () => {
    const { ring, vendor, advance, states, call, types } = ringWorld()
    await ring.rotate()
    vendor.trouble.slow = true
    expect((await ring.rotate()).keys.map(({ state }) => state)).toEqual(['current', 'testing'])
    // Asked for again it goes on with the one that it has.
    await ring.rotate()
    advance(3599)
    await ring.step()
    expect(await states()).toEqual(['current', 'testing'])
    vendor.trouble.slow = false
    expect(await call()).toBe('key_0')
    vendor.trouble.slow = true
    advance(1)
    await ring.step()
    expect(await states()).toEqual(['current'])
    expect(vendor.live().map(({ id }) => id)).toEqual(['key_0'])
    expect(types()).toContain('provider_key_not_working')
    vendor.trouble.slow = false
    await ring.rotate()
    expect(await call()).toBe('key_2')
  })

  it('switches to a key that works only after a while', async () => {
    const { ring, vendor, advance, call, states } = ringWorld()
    await ring.rotate()
    vendor.trouble.slow = true
    await ring.rotate({ overlap: 0 })
    vendor.trouble.slow = false
    advance(60)
    await ring.step()
    expect(await call()).toBe('key_1')
    // As was wished when it was begun.
    expect(await states()).toEqual(['current'])
    expect(vendor.live()).toHaveLength(1)
  })

  it('ends a leaked key at once, in an overlap too, and users of it are served by the next', async () => {
    const { ring, vendor, call, types } = ringWorld()
    await ring.rotate()
    await ring.rotate()
    expect(vendor.live()).toHaveLength(2)
    const answer = await ring.use({ tenant: 'acme' }, async (secret) => {
      if (vendor.live().length === 2) await ring.rotate({ overlap: 0 })
      return chat(vendor.fetch, secret)
    })
    expect(answer.status).toBe(200)
    expect(vendor.live().map(({ id }) => id)).toEqual(['key_2'])
    expect(types()).toContain('provider_key_refused')
    expect(await call()).toBe('key_2')
  })

  it('keeps a key as retiring while the provider still takes it', async () => {
    const { ring, vendor, advance, states, secrets, types } = ringWorld()
    await ring.rotate()
    await ring.rotate()
    vendor.trouble.lagging = true
    advance(DAY)
    await ring.step()
    expect(await states()).toEqual(['current', 'retiring'])
    expect(secrets.size).toBe(2)
    expect(types().at(-1)).toBe('provider_key_lingers')
    // It holds up nothing.
    await ring.rotate()
    expect(await states()).toEqual(['current', 'overlap', 'retiring'])
    vendor.trouble.lagging = false
    await ring.step()
    expect(await states()).toEqual(['current', 'overlap'])
    expect(secrets.size).toBe(2)
  })

  it('revokes no old key while the new one, ended by hand, does not work; calls fall back to the old one', async () => {
    const { ring, vendor, advance, states, call, events } = ringWorld()
    await ring.rotate()
    await ring.rotate()
    const [, current] = vendor.keys
    if (current) current.live = false
    expect(await call()).toBe('key_0')
    expect(events.at(-1)).toEqual({
      type: 'provider_key_refused',
      ring: 'vendor',
      tenant: 'acme',
      name: current?.name,
    })
    advance(2 * DAY)
    await ring.step()
    expect(await states()).toEqual(['current', 'overlap'])
    expect(await call()).toBe('key_0')
    await ring.rotate({ overlap: 0 })
    expect(await states()).toEqual(['current'])
    expect(await call()).toBe('key_2')
  })

  it('passes on what the call says, and asks again only where the key was refused and there is another', async () => {
    const { ring, vendor, open } = ringWorld()
    await ring.rotate()
    let calls = 0
    const failing = (error: unknown) =>
      ring.use({ tenant: 'acme' }, () => {
        calls++
        throw error
      })
    const [refused, broken] = [Object.assign(new Error('key'), { status: 401 }), new Error('model')]
    await expect(failing(refused)).rejects.toBe(refused)
    expect(calls).toBe(1)
    await ring.rotate()
    await expect(failing(broken)).rejects.toBe(broken)
    expect(calls).toBe(2)
    await expect(failing(refused)).rejects.toBe(refused)
    expect(calls).toBe(4)
    const own = open({ isRefused: (outcome) => outcome === 'API key not valid' })
    const old = vendor.keys[0]?.secret
    expect(await own.use({ tenant: 'acme' }, (secret) => (secret === old ? 'fine' : 'API key not valid'))).toBe('fine')
  })

  it('gives each tenant keys of its own where asked to', async () => {
    const { open, vendor, provider, advance, call, secrets } = ringWorld()
    const asked: unknown[] = []
    const ring = open({
      tenants: 'separate',
      provider: {
        ...provider,
        create(key) {
          asked.push(key.tenant)
          return provider.create(key)
        },
      },
    })
    // A request makes no keys, and neither does a scheduler for who has none.
    expect(await said(call(ring, 'acme'))).toMatchObject({ code: 'provider_key_missing' })
    await ring.step()
    expect(vendor.keys).toEqual([])
    secrets.set('vendor', randomKey())
    expect(await said(call(ring, 'acme'))).toMatchObject({ code: 'provider_key_missing' })
    await ring.rotate({ tenant: 'acme' })
    await ring.rotate({ tenant: 'umbrella' })
    expect([await call(ring, 'acme'), await call(ring, 'umbrella')]).toEqual(['key_0', 'key_1'])
    expect(await said(call(ring, '__proto__'))).toMatchObject({ code: 'provider_key_missing' })
    advance(30 * DAY)
    await ring.step()
    expect([await call(ring, 'acme'), await call(ring, 'umbrella')].sort()).toEqual(['key_2', 'key_3'])
    expect(asked.sort()).toEqual(['acme', 'acme', 'umbrella', 'umbrella'])
    expect(await ring.status({ tenant: 'acme' })).toMatchObject({ tenant: 'acme' })
    await expect(ring.rotate()).rejects.toThrow('"tenant" is missing')
  })

  it('rotates the others when one tenant’s provider fails, and says so', async () => {
    const { open, provider, advance, call } = ringWorld()
    const ring = (failing?: string) =>
      open({
        tenants: 'separate',
        provider: {
          ...provider,
          create: async (key) => {
            if (key.tenant === failing) throw new Error('quota')
            return provider.create(key)
          },
        },
      })
    await ring().rotate({ tenant: 'acme' })
    await ring().rotate({ tenant: 'umbrella' })
    advance(30 * DAY)
    expect(await said(ring('acme').step())).toMatchObject({ code: 'key_ring_failed', cause: { step: 'create' } })
    expect([await call(ring(), 'acme'), await call(ring(), 'umbrella')]).toEqual(['key_0', 'key_2'])
  })

  it('uses keys of the environment and refuses to rotate them', async () => {
    const { open, vendor } = ringWorld()
    const key = randomKey()
    const environment: Record<string, string | undefined> = { VENDOR_KEY: key, VENDOR_KEY_EMPTY: '' }
    const vault = environmentVault(environment, {
      vendor: 'VENDOR_KEY',
      'vendor.acme': 'VENDOR_KEY',
      'vendor.umbrella': 'VENDOR_KEY_EMPTY',
    })
    const ring = open({ vault })
    expect(await ring.use({ tenant: 'acme' }, (secret) => secret === key)).toBe(true)
    const works = [ring.rotate(), ring.step(), vault.write('vendor', key), vault.delete('vendor')]
    for (const refusal of await Promise.all(works.map(said)))
      expect(refusal).toMatchObject({ code: 'vault_read_only', retryable: false })
    expect(vendor.keys).toEqual([])
    const own = open({ vault, tenants: 'separate' })
    expect(await own.use({ tenant: 'acme' }, (secret) => secret === key)).toBe(true)
    for (const tenant of ['umbrella', 'other', 'constructor'])
      expect(await said(own.use({ tenant }, () => 'never'))).toMatchObject({ code: 'provider_key_missing' })
    environment['VENDOR_KEY'] = undefined
    expect(await vault.read('vendor')).toBeUndefined()
  })

  it('tells of a failing provider or vault what failed, and none of its words', async () => {
    const { open, provider, vault, ring, call } = ringWorld()
    const secret = randomKey()
    const loud = async (): Promise<never> => {
      throw Object.assign(new TypeError(`Authorization: Bearer ${secret}`), { config: { secret } })
    }
    for (const step of ['create', 'test'] as const) {
      const failure = await said(open({ provider: { ...provider, [step]: loud } }).rotate())
      expect(failure).toMatchObject({ code: 'key_ring_failed', retryable: true, cause: { step, error: 'TypeError' } })
      expect(failure?.all).not.toContain(secret)
    }
    await ring.step()
    const failure = await said(call(open({ vault: { ...vault, read: loud } })))
    expect(failure).toMatchObject({ code: 'key_ring_failed', cause: { step: 'read' } })
    expect(failure?.all).not.toContain(secret)
  })

  it('stores no id that has the secret in it, and lets listeners throw', async () => {
    const { open, provider, vendor, words } = ringWorld()
    const create: typeof provider.create = async (key) => {
      const { secret } = await provider.create(key)
      return { id: secret, secret }
    }
    await expect(open({ provider: { ...provider, create } }).rotate()).rejects.toThrow('"provider.create" must')
    expect(words.join()).not.toContain(vendor.keys[0]?.secret)
    const onEvent = () => {
      throw new Error('listener')
    }
    await open({ onEvent }).rotate()
    expect(vendor.live()).toHaveLength(1)
  })

  it('says at creation what is wrong', () => {
    const { vault, provider } = ringWorld()
    const options = { name: 'vendor', provider, vault, store: memoryStore() }
    for (const [option, value] of [
      ['name', ''],
      ['name', 'a.b'],
      ['provider', { ...provider, revoke: undefined }],
      ['vault', undefined],
      ['store', undefined],
      ['tenants', 'each'],
      ['every', 0],
      ['overlap', 0],
      ['overlap', 40 * DAY],
      ['overlap', Number.NaN],
    ] as const)
      expect(() => createKeyRing({ ...options, [option]: value } as never), option).toThrow(
        new RegExp(`^createKeyRing: "${option}" `),
      )
  })
})

const post = (name: string) =>
  new Request('https://vendor.example.com/keys', { method: 'POST', body: JSON.stringify({ name }) })

function signal() {
  let give = () => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { given, give: () => give() }
}
