import { accessToken, clientCertificate, createGuard } from 'sallyport/guard'
import { type ApiKeysOptions, apiKey, createApiKeys, type KeyEvent, parseApiKey } from 'sallyport/keys'
import { memoryStore, type RecordStore, StoreError } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import { platform } from '../../src/crypto/platform.js'
import { withChecksum } from '../../src/keys/format.js'

const DAY = 86_400
const scopes = ['data:read', 'data:write'] as const
type Scope = (typeof scopes)[number]

/** Keys in a store of their own, with a clock that stands still, and a guard that accepts them. */
function world(options: Partial<ApiKeysOptions<Scope>> = {}) {
  let time = 1_790_000_000
  const now = () => time
  const store = memoryStore({ now })
  const events: KeyEvent[] = []
  const open = (more: Partial<ApiKeysOptions<Scope>> = {}) =>
    createApiKeys({
      store,
      prefix: 'sp_live',
      scopes,
      now,
      onEvent: (event) => events.push(event),
      ...options,
      ...more,
    })
  const keys = open()
  const protect = createGuard({ resource: 'https://api.example.com', accept: [apiKey(keys)], now })
  return {
    keys,
    store,
    events,
    now,
    open,
    protect,
    advance: (seconds: number) => {
      time += seconds
    },
    create: (more: Partial<Parameters<typeof keys.create>[0]> = {}) =>
      keys.create({ tenant: 'acme', owner: 'alice', name: 'laptop', scopes: ['data:read'], ...more }),
    /** What the API answers: `ok`, or status and error. */
    async call(
      key: string | undefined,
      requirements: Parameters<typeof protect>[1] = {},
      headers: Record<string, string> = {},
    ) {
      const request = new Request('https://api.example.com/data', {
        headers: { ...(key !== undefined && { 'X-API-Key': key }), ...headers },
      })
      const outcome = await protect(request, requirements)
      return outcome.ok ? 'ok' : [outcome.response.status, (await outcome.response.clone().json()).error]
    },
  }
}

const invalid = [403, 'invalid_api_key']
/** The same key with one character changed, at a place. */
const changed = (key: string, at: number) => key.slice(0, at) + (key[at] === 'a' ? 'b' : 'a') + key.slice(at + 1)

describe('an API key', () => {
  it('[K-03] is 256 random bits, of which only a digest is kept', async () => {
    const { create, store, keys } = world()
    const write = vi.spyOn(store, 'write')
    const { key, record } = await create()
    expect(key).toMatch(/^sp_live_[A-Za-z0-9]{16}_[A-Za-z0-9]{43}[A-Za-z0-9]{6}$/)
    expect(parseApiKey(key)).toEqual({ prefix: 'sp_live', id: record.id })
    const [, , secret = ''] = /^(sp_live_\w{16})_(\w{43})/.exec(key) ?? []
    const kept = JSON.stringify([write.mock.calls, await keys.list({ tenant: 'acme' }), record])
    expect(kept).not.toContain(secret)
    expect(kept).not.toContain(key)
    const many = await Promise.all(Array.from({ length: 200 }, () => create()))
    expect(new Set(many.map((one) => one.key)).size).toBe(200)
  })

  it('[A-1][K-06] is refused alike when unknown, malformed, revoked or wrong: one digest, one body', async () => {
    const { create, keys, protect } = world()
    const { key, record } = await create()
    const other = (await world().create()).key
    const revoked = await create()
    await keys.revoke(revoked.record.id, { tenant: 'acme' })
    const wrong = withChecksum(`sp_live_${record.id}_${'a'.repeat(43)}`)
    const digest = vi.spyOn(platform, 'sha256')
    const bodies: string[] = []
    const digests: number[] = []
    for (const presented of [other, revoked.key, changed(key, 30), 'sp_live_x', '', wrong]) {
      digest.mockClear()
      const outcome = await protect(new Request('https://api.example.com/', { headers: { 'X-API-Key': presented } }))
      if (outcome.ok) throw new Error(`${presented} was accepted`)
      bodies.push(`${outcome.response.status} ${await outcome.response.text()}`)
      digests.push(digest.mock.calls.length)
    }
    expect(new Set(bodies).size).toBe(1)
    expect(bodies[0]).toMatch(/^403 .*invalid_api_key/)
    // Unknown id, revoked, wrong secret: one digest each. What has not even the shape of a key costs none.
    expect(digests).toEqual([1, 1, 0, 0, 0, 1])
  })

  it('[A-1 twin][K-06 twin] opens what it was made for; without any credential it is 401', async () => {
    const { create, call } = world()
    const { key } = await create()
    expect(await call(key, { scopes: ['data:read'] })).toBe('ok')
    expect(await call(undefined, {}, { Authorization: `Bearer ${key}` })).toBe('ok')
    expect(await call(undefined)).toEqual([401, 'missing_credentials'])
  })

  it('[A-2][A-2 twin] is not accepted by its beginning', async () => {
    const { create, call } = world()
    const [first, second] = [await create(), await create()]
    expect([await call(first.key), await call(second.key)]).toEqual(['ok', 'ok'])
    expect(await call(first.key.slice(0, 25) + second.key.slice(25))).toEqual(invalid)
  })

  it('[A-3][A-3 twin] with one wrong character is refused without a look into the store', async () => {
    const { create, call, store } = world()
    const { key } = await create()
    const get = vi.spyOn(store, 'get')
    for (let at = 0; at < key.length; at++) expect(await call(changed(key, at)), `${at}`).toEqual(invalid)
    expect(get).not.toHaveBeenCalled()
    expect(await call(key)).toBe('ok')
    for (const odd of [`${key}\xa0`, `${key}\x85`]) {
      expect(await call(undefined, {}, { Authorization: `Bearer ${odd}` })).toEqual([403, 'invalid_api_key'])
      expect(await call(odd)).toEqual([403, 'invalid_api_key'])
    }
    expect(get).toHaveBeenCalledTimes(1)
    expect(parseApiKey(key.toUpperCase())).toBeUndefined()
  })

  it('[A-4][A-4 twin][K-07][K-07 twin] has expired from the second on in which it expires, and is not used by that', async () => {
    const { create, call, advance, keys } = world()
    const { key, record } = await create({ expiresIn: 100 })
    advance(99)
    expect(await call(key)).toBe('ok')
    const before = await keys.get(record.id, { tenant: 'acme' })
    advance(1)
    expect(await call(key)).toEqual([403, 'api_key_expired'])
    expect(await keys.get(record.id, { tenant: 'acme' })).toEqual(before)
    // Who does not know the secret is not told that.
    expect(await call(`${key.slice(0, 25)}${(await world().create()).key.slice(25)}`)).toEqual(invalid)
  })

  it('[A-13][A-13 twin][K-05][K-05 twin] in the URL is 400, whatever else is there, and in no event', async () => {
    const { create, protect, events } = world()
    const { key } = await create()
    for (const query of [`api_key=${key}`, `access_token=${key}`, `q=${encodeURIComponent(`a ${key}`)}`])
      for (const headers of [{}, { 'X-API-Key': key }, { Authorization: 'Bearer x' }]) {
        const outcome = await protect(new Request(`https://api.example.com/data?${query}`, { headers }))
        expect(outcome.ok ? 'ok' : outcome.response.status).toBe(400)
      }
    expect(JSON.stringify(events)).not.toContain(key)
    expect(
      (await protect(new Request('https://api.example.com/data?q=sp_live', { headers: { 'X-API-Key': key } }))).ok,
    ).toBe(true)
  })

  it('[A-14][A-14 twin] beside another credential is 400', async () => {
    const { create, call } = world()
    const { key } = await create()
    expect(await call(key, {}, { Authorization: `Bearer ${key}` })).toEqual([400, 'invalid_request'])
    expect(await call(key, {}, { Authorization: 'Basic eDp5' })).toEqual([400, 'invalid_request'])
    expect(await call(key)).toBe('ok')
  })

  it('[A-15][A-15 twin][K-08][K-08 twin] may what it lists, and nothing where that is empty', async () => {
    const { create, call } = world()
    const { key } = await create({ scopes: [] })
    expect(await call(key)).toBe('ok')
    expect(await call(key, { scopes: ['data:read'] })).toEqual([403, 'insufficient_scope'])
    const reader = await create()
    expect(await call(reader.key, { scopes: ['data:read', 'data:write'] })).toEqual([403, 'insufficient_scope'])
    expect(await call((await create({ scopes })).key, { scopes: ['data:read', 'data:write'] })).toBe('ok')
  })

  it.each(['*', 'data:*', 'data:delete', '__proto__', 'constructor'])(
    '[A-16][A-16 twin][A-24] is not made with the scope %s',
    async (scope) => {
      const { create } = world()
      await expect(create({ scopes: [scope as Scope] })).rejects.toThrow('"scopes"')
      expect(() => createApiKeys({ store: memoryStore(), prefix: 'sp', scopes: ['data:*'] })).toThrow('"scopes"')
      expect((await create({ scopes: ['data:read'] })).record.scopes).toEqual(['data:read'])
    },
  )

  it('[A-17][A-17 twin][K-09][K-09 twin] of one tenant is nothing to another', async () => {
    const { create, call, keys } = world()
    const { key, record } = await create()
    expect(await call(key, { tenant: 'globex' })).toEqual([403, 'tenant_mismatch'])
    expect(await call(key, { tenant: 'acme' })).toBe('ok')
    expect(await keys.get(record.id, { tenant: 'globex' })).toBeUndefined()
    expect((await keys.list({ tenant: 'globex' })).items).toEqual([])
    for (const act of [keys.rotate(record.id, { tenant: 'globex' }), keys.revoke(record.id, { tenant: 'globex' })])
      await expect(act).rejects.toMatchObject({ code: 'key_not_found' })
    expect(await call(key)).toBe('ok')
  })

  it('[A-23][A-23 twin] is read by one exact rule, in bounded work', async () => {
    const { create, call, store } = world()
    const { key } = await create()
    const get = vi.spyOn(store, 'get')
    for (const odd of [`${key}x`, `x${key}`, key.repeat(10_000), key.replace('sp', 'ѕр'), `${key} ${key}`])
      expect(parseApiKey(odd), odd.slice(0, 80)).toBeUndefined()
    expect(await call(undefined, {}, { Authorization: `bearer  ${key}` })).toBe('ok')
    expect(await call(undefined, {}, { Authorization: `Bearer ${key} ${key}` })).toEqual([401, 'invalid_token'])
    expect(get).toHaveBeenCalledTimes(1)
  })

  it('[A-22][A-22 twin] is not written into its own metadata, and in no error', async () => {
    const { create } = world()
    const { key } = await create()
    const error = await create({ metadata: { note: `my key is ${key}` } }).catch((error) => error)
    expect(error).toBeInstanceOf(TypeError)
    expect(`${error.message} ${JSON.stringify(error)}`).not.toContain(key)
    expect((await create({ metadata: { __proto__: 'x', note: 'for CI' } as never })).record.metadata).toEqual({
      note: 'for CI',
    })
  })
})

describe('rotation', () => {
  it('[A-5 twin] lets the old key serve for the grace period, never longer than it would have, and the new one its whole life', async () => {
    const { create, call, keys, advance, now } = world()
    const long = await create({ expiresIn: 30 * DAY })
    const { key, record, previous } = await keys.rotate(long.record.id, { tenant: 'acme', grace: DAY })
    expect([previous.expiresAt - now(), record.expiresAt - now()]).toEqual([DAY, 30 * DAY])
    expect(record).toMatchObject({
      lineage: long.record.lineage,
      scopes: ['data:read'],
      owner: 'alice',
      name: 'laptop',
    })
    expect([await call(long.key), await call(key)]).toEqual(['ok', 'ok'])
    advance(DAY)
    expect([await call(long.key), await call(key)]).toEqual([[403, 'api_key_expired'], 'ok'])
    const short = await create({ expiresIn: 3600 })
    expect((await keys.rotate(short.record.id, { tenant: 'acme', grace: DAY })).previous.expiresAt - now()).toBe(3600)
    const leaked = await create()
    await keys.rotate(leaked.record.id, { tenant: 'acme', grace: 0 })
    expect(await call(leaked.key)).toEqual([403, 'api_key_expired'])
  })

  it('[A-5] is refused for a key that is revoked, expired or replaced', async () => {
    const { create, keys, advance } = world()
    const [revoked, expired, replaced] = [await create(), await create({ expiresIn: 10 }), await create()]
    await keys.revoke(revoked.record.id, { tenant: 'acme' })
    await keys.rotate(replaced.record.id, { tenant: 'acme' })
    advance(10)
    for (const { record } of [revoked, expired, replaced])
      await expect(keys.rotate(record.id, { tenant: 'acme' })).rejects.toMatchObject({ code: 'key_ended' })
  })

  it('[A-6] keeps the prefix, underscores and all', async () => {
    const { create, keys } = world()
    const { key } = await keys.rotate((await create()).record.id, { tenant: 'acme' })
    expect(parseApiKey(key ?? '')?.prefix).toBe('sp_live')
  })

  it('[A-8] twice at once leaves one successor', async () => {
    const { create, keys, open } = world()
    const { record } = await create()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) => (at % 2 ? keys : open()).rotate(record.id, { tenant: 'acme' })),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason.code).toMatch(/^key_(conflict|ended)$/)
    expect((await keys.list({ tenant: 'acme' })).items).toHaveLength(2)
  })

  it('asked for again with the same idempotency key names the same successor, without its key', async () => {
    const { create, keys } = world()
    const { record } = await create()
    const how = { tenant: 'acme', idempotencyKey: 'job-7' }
    const first = await keys.rotate(record.id, how)
    const again = await keys.rotate(record.id, how)
    expect(again).toEqual({ shown: 'before', record: first.record, previous: first.previous })
    expect(again).not.toHaveProperty('key')
    await expect(keys.rotate(record.id, { ...how, idempotencyKey: 'job-8' })).rejects.toMatchObject({
      code: 'key_ended',
    })
    expect(first.key).toBeDefined()
  })

  it('[K-16] at once with the same idempotency key names one successor, and shows its key once', async () => {
    const { create, keys, open, call } = world()
    const { record } = await create()
    const how = { tenant: 'acme', idempotencyKey: 'job-7' }
    const all = await Promise.all(
      Array.from({ length: 20 }, (_, at) => (at % 2 ? keys : open()).rotate(record.id, how)),
    )
    expect(new Set(all.map(({ record: { id } }) => id)).size).toBe(1)
    const shown = all.flatMap(({ key = [] }) => key)
    expect(shown).toHaveLength(1)
    expect(await call(`${shown[0]}`)).toBe('ok')
    // What to do where nobody has seen it.
    const { key: another } = await keys.rotate(all[0]?.record.id ?? '', { tenant: 'acme', grace: 0 })
    expect([await call(`${another}`), await call(`${shown[0]}`)]).toEqual(['ok', [403, 'api_key_expired']])
  })

  it('[K-16] whose answer the store loses shows its key all the same, and so does a creation', async () => {
    const { create, keys, store, call } = world()
    const { write } = store
    const lose = () => {
      store.write = async (changes) => {
        store.write = write
        await store.write(changes)
        throw new StoreError()
      }
    }
    lose()
    const { key, record } = await create()
    expect(await call(key)).toBe('ok')
    lose()
    const { key: next } = await keys.rotate(record.id, { tenant: 'acme' })
    expect(await call(`${next}`)).toBe('ok')
    expect((await keys.list({ tenant: 'acme' })).items).toHaveLength(2)
  })

  it('[K-16 twin] that was not written says so, and can be asked for again', async () => {
    const { create, keys, store } = world()
    const { record } = await create()
    const { write } = store
    store.write = () => Promise.reject(new StoreError())
    await expect(keys.rotate(record.id, { tenant: 'acme' })).rejects.toMatchObject({ code: 'store_unavailable' })
    store.write = write
    expect((await keys.rotate(record.id, { tenant: 'acme' })).key).toMatch(/^sp_live_/)
  })

  it('[K-15][K-15 twin] beside the end of its owner leaves no successor', async () => {
    const { create, keys, open, store, call } = world()
    for (let turn = 0; turn < 60; turn++) {
      const owner = `owner ${turn}`
      const { record } = await create({ owner })
      const { write } = store
      let rotated: Awaited<ReturnType<typeof keys.rotate>> | undefined
      // Between the list and the end of what is on it.
      store.write = async (changes) => {
        store.write = write
        rotated = await open().rotate(record.id, { tenant: 'acme' })
        return write.call(store, changes)
      }
      await keys.revokeOwner(owner, { tenant: 'acme' })
      expect(await call(`${rotated?.key}`)).toEqual([403, 'invalid_api_key'])
    }
    const { key } = await create({ owner: 'somebody else' })
    expect(await call(key)).toBe('ok')
  })
})

describe('revocation', () => {
  it('[K-04][A-9] holds on the next request, in every process', async () => {
    const { create, keys, open } = world()
    const { key, record } = await create()
    const elsewhere = open()
    expect((await elsewhere.verify(key)).ok).toBe(true)
    await keys.revoke(record.id, { tenant: 'acme', reason: 'lost laptop' })
    expect(await elsewhere.verify(key)).toMatchObject({ ok: false, error: 'invalid_api_key' })
    // Twice does no harm.
    await keys.revoke(record.id, { tenant: 'acme' })
    expect((await keys.get(record.id, { tenant: 'acme' }))?.reason).toBe('lost laptop')
  })

  it('[K-04 twin] leaves the others alone', async () => {
    const { create, keys, call } = world()
    const [one, other] = [await create(), await create()]
    await keys.revoke(one.record.id, { tenant: 'acme' })
    expect(await call(other.key)).toBe('ok')
  })

  it('[A-10] says so when it could not be written', async () => {
    const { create, keys, store } = world()
    const { record } = await create()
    vi.spyOn(store, 'write').mockRejectedValue(new StoreError())
    await expect(keys.revoke(record.id, { tenant: 'acme' })).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  it('[A-11][A-12] during a verification is not undone by it', async () => {
    const { keys, store } = world()
    const gate: { open?: () => void } = {}
    const slow: RecordStore = {
      ...store,
      async get(id) {
        const stored = await store.get(id)
        await new Promise<void>((resolve) => {
          gate.open = resolve
        })
        return stored
      },
    }
    const { key, record } = await keys.create({ tenant: 'acme', owner: 'alice', name: 'x', scopes: [] })
    const late = createApiKeys({ store: slow, prefix: 'sp_live', scopes }).verify(key)
    await vi.waitFor(() => expect(gate.open).toBeDefined())
    await keys.revoke(record.id, { tenant: 'acme' })
    gate.open?.()
    await late
    expect(await keys.verify(key)).toMatchObject({ ok: false, detail: 'revoked' })
  })

  it('[K-12][K-12 twin] of an owner ends all their keys; who is disabled has no working ones', async () => {
    const disabled = new Set<string>()
    const { create, keys, call } = world({ isOwnerActive: ({ owner }) => !disabled.has(owner) })
    const [mine, hers] = [await create(), await create({ owner: 'bob' })]
    disabled.add('alice')
    expect([await call(mine.key), await call(hers.key)]).toEqual([invalid, 'ok'])
    disabled.delete('alice')
    expect(await call(mine.key)).toBe('ok')
    expect(await keys.revokeOwner('alice', { tenant: 'acme' })).toBe(1)
    expect([await call(mine.key), await call(hers.key)]).toEqual([invalid, 'ok'])
  })

  it('finds keys in a leak report by what is public of them', async () => {
    const { create, keys, call, events } = world()
    const [one, two, three] = [await create(), await create({ tenant: 'globex' }), await create()]
    const report = `config.yml: key: "${one.key}",\nlog: ?k=${two.key}&x sp_live_short ${changed(three.key, 40)}`
    expect((await keys.revokeLeaked(report)).map(({ id }) => id)).toEqual([one.record.id, two.record.id])
    expect([await call(one.key), await call(two.key), await call(three.key)]).toEqual([invalid, invalid, 'ok'])
    expect(JSON.stringify(events)).not.toContain(one.key)
  })
})

describe('how keys are used', () => {
  it('is written at most once a minute, and nobody waits for it', async () => {
    const { create, call, keys, store, advance, now } = world()
    const { key, record } = await create()
    const write = vi.spyOn(store, 'write')
    for (let at = 0; at < 50; at++) await call(key)
    expect(write).toHaveBeenCalledTimes(1)
    expect((await keys.get(record.id, { tenant: 'acme' }))?.lastUsedAt).toBe(now())
    advance(60)
    write.mockRejectedValue(new StoreError())
    expect(await call(key)).toBe('ok')
  })

  it('[A-21] tells of bursts once in their window, and ends the key where that is wanted', async () => {
    const { create, call, events, advance } = world({ watch: { burst: { count: 5, seconds: 10 } } })
    const { key } = await create()
    for (let at = 0; at < 20; at++) await call(key)
    const anomalies = () => events.filter(({ type }) => type === 'key_anomaly').length
    expect(anomalies()).toBe(1)
    // Steady traffic below the limit never adds up.
    for (let at = 0; at < 20; at++) {
      advance(9)
      await call(key)
    }
    expect(anomalies()).toBe(1)
    const strict = world({ watch: { burst: { count: 2, seconds: 10 }, onAnomaly: () => 'revoke' } })
    const doomed = await strict.create()
    expect([await strict.call(doomed.key), await strict.call(doomed.key), await strict.call(doomed.key)]).toEqual([
      'ok',
      'ok',
      invalid,
    ])
    expect(await strict.call(doomed.key)).toEqual(invalid)
  })

  it('[A-18][A-18 twin][A-19] is held to networks by the address of a trusted hop, IPv4, IPv6 and mapped', async () => {
    const addressOf = (request: Request) => request.headers.get('x-real-address') ?? undefined
    const { create, call } = world({ addressOf })
    const { key } = await create({ ips: ['10.0.0.0/8', '192.0.2.10', '2001:db8::/32'] })
    const from = (address: string) => call(key, {}, { 'X-Real-Address': address, 'X-Forwarded-For': '10.0.0.1' })
    for (const inside of ['10.0.0.1', '10.255.0.1', '::ffff:10.0.0.1', '::ffff:a00:1', '192.0.2.10', '2001:db8:1::7'])
      expect(await from(inside), inside).toBe('ok')
    for (const outside of ['11.0.0.1', '192.0.2.1', '192.0.2.100', '2001:db9::1', '::1', '10.0.0', '010.0.0.1', 'x'])
      expect(await from(outside), outside).toEqual(invalid)
    expect(await call(key)).toEqual(invalid)
    await expect(create({ ips: ['10.0.0.0/33'] })).rejects.toThrow('"ips"')
    await expect(world().create({ ips: ['10.0.0.0/8'] })).rejects.toThrow('addressOf')
  })

  it('tells of a network that is new, not of the first one', async () => {
    const addressOf = (request: Request) => request.headers.get('x-real-address') ?? undefined
    const { create, call, events } = world({ addressOf, watch: { newNetworks: true } })
    const { key } = await create()
    const from = (address: string) => call(key, {}, { 'X-Real-Address': address })
    for (const address of ['192.0.2.1', '192.0.2.77', '198.51.100.1', '198.51.100.2', '2001:db8::1', '2001:db8::2'])
      await from(address)
    expect(events.filter(({ type }) => type === 'key_anomaly')).toHaveLength(2)
  })
})

describe('what people see', () => {
  it('[K-10] is everything but the key: in lists, with last use, by owner, page by page', async () => {
    const { create, keys, call } = world()
    const made = await Promise.all(Array.from({ length: 7 }, (_, at) => create({ owner: at < 3 ? 'alice' : 'bob' })))
    await call(made[0]?.key)
    const pages: string[] = []
    let cursor: string | undefined
    do {
      const page = await keys.list({ tenant: 'acme', limit: 2, ...(cursor !== undefined && { cursor }) })
      pages.push(...page.items.map(({ id }) => id))
      cursor = page.cursor
    } while (cursor !== undefined)
    expect(pages.sort()).toEqual(made.map(({ record }) => record.id).sort())
    const hers = await keys.list({ tenant: 'acme', owner: 'alice' })
    expect(hers.items).toHaveLength(3)
    expect(Object.keys(hers.items[0] ?? {}).sort()).toEqual(
      ['createdAt', 'expiresAt', 'id', 'lineage', 'name', 'owner', 'scopes', 'tenant'].sort(),
    )
  })

  it('is reminded of keys that end soon and have no successor', async () => {
    const { create, keys } = world()
    const soon = await create({ expiresIn: 10 * DAY })
    await create({ expiresIn: 40 * DAY })
    const rotated = await create({ expiresIn: 5 * DAY })
    await keys.rotate(rotated.record.id, { tenant: 'acme' })
    const ids: string[] = []
    for await (const { id } of keys.due({ within: 14 * DAY })) ids.push(id)
    expect(ids).toContain(soon.record.id)
    expect(ids).not.toContain(rotated.record.id)
    expect(ids).toHaveLength(2)
  })
})

describe('createApiKeys()', () => {
  it.each([
    ['store', { store: undefined }],
    ['prefix', { prefix: '' }],
    ['prefix', { prefix: 'sp-live' }],
    ['prefix', { prefix: 'sp_' }],
    ['scopes', { scopes: [] }],
    ['maxAge', { maxAge: 91 * DAY }],
    ['grace', { grace: 8 * DAY }],
    ['maxGrace', { maxGrace: -1 }],
  ])('names the option that cannot be used: %s', (option, wrong) => {
    const options = { store: memoryStore(), prefix: 'sp', scopes, ...wrong } as never
    expect(() => createApiKeys(options)).toThrow(`"${option}"`)
  })

  it.each([
    ['tenant', { tenant: '' }],
    ['owner', { owner: '' }],
    ['name', { name: 'x'.repeat(201) }],
    ['expiresIn', { expiresIn: 91 * DAY }],
    ['expiresIn', { expiresIn: 0 }],
    ['ips', { ips: ['everywhere'] }],
  ])('names the field that cannot be used: %s', async (field, wrong) => {
    await expect(world().create(wrong)).rejects.toThrow(`"${field}"`)
  })

  it.each<[input: object, words: string]>([
    [{ expiresIn: '5' }, 'keys.create: "expiresIn" must be a number of seconds, more than 0; got text "5"'],
    [{ expiresIn: null }, '"expiresIn" must be a number of seconds, more than 0; got null'],
    [{ expiresIn: Number.NaN }, '"expiresIn" must be a number of seconds, more than 0; got NaN'],
    [{ expires: 5 }, '"expires" is not known here; did you mean "expiresIn"?'],
    [{ ip: ['10.0.0.0/8'] }, '"ip" is not known here; did you mean "ips"?'],
    [{ ips: '10.0.0.0/8' }, '"ips" must be a list, each a text; got text'],
    [{ ips: null }, '"ips" must be a list'],
    [{ scopes: 'data:read' }, '"scopes" must be a list'],
    [{ tenant: 'a\nb' }, '"tenant" must be a text of 1 to 200 characters without control characters'],
    [{ owner: '\ud800' }, '"owner" must be a text of 1 to 255 characters without control characters'],
    [{ quota: { day: '5' } }, '"quota.day" must be a whole number of calls, 0 at least; got text "5"'],
    [{ metadata: { for: 5 } }, '"metadata.for" must be a text; got a number'],
  ])('[K-13] makes no key of %j', async (wrong, words) => {
    const { create, keys, events } = world()
    await expect(create(wrong as never)).rejects.toThrow(new TypeError(words).message)
    expect((await keys.list({ tenant: 'acme' })).items).toEqual([])
    expect(events).toEqual([])
  })

  it('[K-13] keeps no leaked key alive because of a grace that is a text', async () => {
    const { create, keys, call } = world()
    const { key, record } = await create()
    for (const options of [{ grace: '0' }, { grace: null }, { graze: 0 }])
      await expect(keys.rotate(record.id, { tenant: 'acme', ...options } as never)).rejects.toThrow(/"gra[cz]e"/)
    expect(await call(key)).toBe('ok')
    expect((await keys.list({ tenant: 'acme' })).items).toHaveLength(1)
  })

  it('[K-13 twin] makes and rotates keys with numbers', async () => {
    const { create, keys, call } = world()
    const { key, record } = await create({ expiresIn: 5 })
    expect(record.expiresAt - record.createdAt).toBe(5)
    await keys.rotate(record.id, { tenant: 'acme', grace: 0 })
    expect(await call(key)).toEqual([403, 'api_key_expired'])
  })

  it('is 503 to a caller while the store cannot be asked', async () => {
    const { create, call, store } = world()
    const { key } = await create()
    vi.spyOn(store, 'get').mockRejectedValue(new StoreError())
    expect(await call(key)).toEqual([503, 'keys_unavailable'])
  })
})

describe('the challenge', () => {
  const resource = 'https://api.example.com'
  const challengeOf = async (outcome: Awaited<ReturnType<ReturnType<typeof createGuard>>>) =>
    outcome.ok ? 'ok' : `${outcome.response.status} ${outcome.response.headers.get('www-authenticate')}`

  it('is there where keys alone are accepted, and says what a key lacks', async () => {
    const { protect, create } = world()
    const bare = new Request(resource)
    expect(await challengeOf(await protect(bare))).toBe('401 Bearer')
    expect(await challengeOf(await protect(bare, { scopes: ['data:write'] }))).toBe('401 Bearer scope="data:write"')
    const { key } = await create()
    const asked = new Request(resource, { headers: { 'X-API-Key': key } })
    expect(await challengeOf(await protect(asked, { scopes: ['data:read'] }))).toBe('ok')
    expect(await challengeOf(await protect(asked, { scopes: ['data:read', 'data:write'] }))).toMatch(
      /^403 Bearer error="insufficient_scope".*scope="data:read data:write"$/,
    )
    expect(await challengeOf(await protect(asked, { maxAge: 60 }))).toMatch(/^401 Bearer .*max_age="60"/)
  })

  it('is there for whatever is accepted alone', async () => {
    const nobody = createGuard({ resource, accept: [clientCertificate({ identify: () => undefined })] })
    expect(await challengeOf(await nobody(new Request(resource)))).toMatch(/^401 \S+$/)
    const request = new Request(resource, { headers: { Authorization: 'Basic eDp5' } })
    expect(await challengeOf(await nobody(request))).toMatch(/^401 \S+$/)
  })
})

describe('several kinds of keys in one guard', () => {
  const resource = 'https://api.example.com'
  function several(...prefixes: string[]) {
    const { open, create: _, ...rest } = world()
    const kinds = prefixes.map((prefix) => open({ prefix }))
    return { ...rest, kinds, protect: createGuard({ resource, accept: kinds.map((keys) => apiKey(keys)) }) }
  }
  const input = { tenant: 'acme', owner: 'alice', name: 'laptop', scopes: ['data:read'] } as const

  it.each([
    ['live', 'test'],
    ['live', 'live_eu'],
    ['live_eu', 'live'],
  ])('work side by side: %s and %s', async (...prefixes) => {
    const { kinds, protect } = several(...prefixes)
    for (const keys of kinds) {
      const { key, record } = await keys.create(input)
      for (const headers of [{ 'X-API-Key': key }, { Authorization: `Bearer ${key}` }] as HeadersInit[]) {
        const outcome = await protect(new Request(resource, { headers }))
        expect(outcome).toMatchObject({ ok: true, principal: { claims: { key_id: record.id } } })
      }
      await keys.revoke(record.id, { tenant: 'acme' })
      const outcome = await protect(new Request(resource, { headers: { 'X-API-Key': key } }))
      expect(outcome.ok || outcome.response.status).toBe(403)
    }
    for (const key of ['junk', 'live_junk', 'live_eu_junk', 'other_junk', '']) {
      const outcome = await protect(new Request(resource, { headers: { 'X-API-Key': key } }))
      expect(outcome.ok || outcome.response.status, key).toBe(403)
    }
  })

  it('are refused at creation where nothing tells them apart, and so are two accessToken(…)', () => {
    expect(() => several('live', 'live')).toThrow(/"accept" has apiKey\(…\) of the prefix "live" twice; .*"prefix"/)
    const one = accessToken({ issuer: 'https://one.example.com' })
    const two = accessToken({ issuer: 'https://two.example.com' })
    expect(() => createGuard({ resource, accept: [one, two] })).toThrow(
      /"accept" has accessToken\(…\) twice; name all issuers in one/,
    )
    expect(() =>
      createGuard({ resource, accept: [one, several('live').kinds.map((keys) => apiKey(keys))[0] ?? one] }),
    ).not.toThrow()
  })
})
