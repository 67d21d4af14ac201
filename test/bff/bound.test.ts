import { memoryStore } from 'sallyport/store'
import { describe, expect, it } from 'vitest'
import { APP, bodyOf, call, ISSUER, look, randomKey, refresh, signIn, stored, type World, world } from '../world.js'
import { recorded, recordsOf } from './records.js'

const SESSION = '__Host-Http-sallyport'
const OTHER = 'https://other.example.com'

/** Who a backend says is signed in, by a `Cookie` header. */
async function who(bff: World['bff'], cookie: string, origin = APP) {
  const headers = { 'Sallyport-CSRF': '1', Origin: origin, Cookie: cookie }
  return bodyOf(await bff.fetch(new Request(`${origin}/bff/session`, { headers })))
}

const cookiesOf = ({ browser }: World) => browser.jar.header(`${APP}/`) ?? ''

/** The cookies of a header by name. */
const named = (header: string) => new Map(header.split('; ').map((pair) => pair.split('=', 2) as [string, string]))
const headerOf = (cookies: ReadonlyMap<string, string>) => [...cookies].map((pair) => pair.join('=')).join('; ')

describe('the parts of a sealed session', () => {
  const name = 'x'.repeat(3000)
  const people = { users: ['alice', 'bob'].map((sub) => ({ sub, name })) }

  async function two() {
    const it = await world({}, people)
    await signIn(it.tab)
    const first = named(cookiesOf(it))
    it.as.signIn('bob')
    it.browser.jar.clear()
    await signIn(it.tab)
    const second = named(cookiesOf(it))
    return { ...it, bff: it.bff, first, second }
  }

  it('[B-31] are those of one session: no part opens beside a part of another user’s, in either order', async () => {
    const { bff, first, second, events } = await two()
    for (const [one, another] of [
      [first, second],
      [second, first],
    ] as const) {
      const mixed = new Map([...one, [`${SESSION}.2`, another.get(`${SESSION}.2`) ?? '']])
      expect(await who(bff, headerOf(mixed))).toMatchObject({ user: null, reason: 'none' })
      expect(events.at(-1)).toEqual({ type: 'cookie_refused', detail: 'parts' })
    }
  })

  it('[B-31] are those of one session: two of one user do not mix, nor do two states of one session', async () => {
    const { browser, bff, as, tab, advance } = await world({}, people)
    await signIn(tab)
    const first = named(browser.jar.header(`${APP}/`) ?? '')
    advance(200)
    await refresh(tab, { min_validity: '300' })
    const renewed = named(browser.jar.header(`${APP}/`) ?? '')
    browser.jar.clear()
    as.signIn('alice')
    await signIn(tab)
    const second = named(browser.jar.header(`${APP}/`) ?? '')
    for (const other of [renewed, second]) {
      expect(other.get(`${SESSION}.2`)).not.toBe(first.get(`${SESSION}.2`))
      const mixed = new Map([...first, [`${SESSION}.2`, other.get(`${SESSION}.2`) ?? '']])
      expect(await who(bff, headerOf(mixed))).toMatchObject({ user: null, reason: 'none' })
    }
    for (const lacking of [SESSION, `${SESSION}.2`])
      expect(await who(bff, headerOf(new Map([...first].filter(([one]) => one !== lacking))))).toMatchObject({
        user: null,
      })
  })

  it('[B-31 twin] open together', async () => {
    const { bff, first, second } = await two()
    expect((await who(bff, headerOf(first))).user.sub).toBe('alice')
    expect((await who(bff, headerOf(second))).user.sub).toBe('bob')
  })
})

describe('two apps', () => {
  const apps = [
    ['of another name', { name: 'shop' }, APP],
    ['of another origin', { baseUrl: OTHER }, OTHER],
  ] as const

  it.each(apps)(
    '[B-32] that share their keys do not take each other’s sealed sessions: one %s',
    async (_, changes, origin) => {
      const it = await world()
      await signIn(it.tab)
      const other = it.another(changes)
      const name = '__Host-Http-shop'
      const header = cookiesOf(it)
      const renamed = 'name' in changes ? header.replaceAll(SESSION, name) : header
      expect(await who(other, renamed, origin)).toMatchObject({ user: null, reason: 'none' })
      expect((await who(it.bff, header)).user.sub).toBe('alice')
    },
  )

  it.each(apps)(
    '[B-32] that share keys and store do not take each other’s sessions: one %s',
    async (_, changes, origin) => {
      const it = await stored()
      await signIn(it.tab)
      const other = it.another(changes)
      const header = cookiesOf(it)
      const renamed = 'name' in changes ? header.replaceAll(SESSION, '__Host-Http-shop') : header
      expect(await who(other, renamed, origin)).toMatchObject({ user: null, reason: 'none' })
      expect(await other.endSessions({ sub: 'alice' })).toBe(0)
      // Nor do the stamps of one reach what the other does next.
      it.advance(3000)
      expect((await refresh(it.tab)).status).toBe(200)
      expect((await who(it.bff, header)).user.sub).toBe('alice')
    },
  )

  it.each(apps)(
    '[B-32] on one store end their own sessions by the same logout token, each once: one %s',
    async (_, changes, origin) => {
      const it = await stored()
      await signIn(it.tab)
      const other = it.another(changes)
      const body = `logout_token=${await it.as.logoutToken('notes', { sub: 'alice' })}`
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const send = (bff: World['bff'], at: string) =>
        bff.fetch(new Request(`${at}/bff/backchannel-logout`, { method: 'POST', headers, body }))
      expect((await send(other, origin)).status).toBe(200)
      expect((await who(it.bff, cookiesOf(it))).user.sub).toBe('alice')
      expect((await send(it.bff, APP)).status).toBe(200)
      expect(await who(it.bff, cookiesOf(it))).toMatchObject({ user: null, reason: 'revoked' })
      expect((await send(it.bff, APP)).status).toBe(400)
    },
  )

  it('[B-32 twin] of one name and one origin are one app', async () => {
    for (const make of [world, stored]) {
      const it = await make()
      await signIn(it.tab)
      expect((await who(it.another(), cookiesOf(it))).user.sub).toBe('alice')
    }
  })
})

describe.each([
  ['sealed cookies', world],
  ['a store', stored],
] as const)('a session with %s', (_, make) => {
  it('[B-32] is that of a client that is configured: under another client_id nobody is signed in', async () => {
    const it = await make()
    await signIn(it.tab)
    const header = cookiesOf(it)
    const other = it.another({ client_id: 'another' })
    expect(await who(other, header)).toMatchObject({ user: null, reason: 'revoked' })
    const second = { issuer: ISSUER, client_id: 'notes', client_secret: it.client_secret }
    const moved = { mode: 'proxy', issuer: 'https://new.example.net', issuers: { old: second } } as const
    expect(
      await who(it.another({ ...moved, issuers: { old: { ...second, client_id: 'another' } } }), header),
    ).toMatchObject({
      user: null,
      reason: 'revoked',
    })
    // The twin: the same client, now one of several.
    expect((await who(it.another(moved), header)).user.sub).toBe('alice')
  })
})

describe('records in a store', () => {
  const claims = { sub: 'admin', name: 'Administrator' }

  async function signedIn() {
    const cookieKeys = [randomKey()]
    const memory = memoryStore({ now: () => clock.now() })
    const clock = { now: () => 1_790_000_000 }
    const spy = recorded(memory)
    const it = await world({ store: spy.store, cookieKeys })
    clock.now = it.now
    await signIn(it.tab)
    const [{ id, value } = { id: undefined, value: '' }] = spy.of('session')
    if (!id) throw new Error('nothing was stored')
    return {
      ...it,
      bff: it.bff,
      memory,
      spy,
      id,
      value,
      cookieKeys,
      put: (text: string, where = id) => put(memory, where, text),
    }
  }
  const put = (
    store: ReturnType<typeof memoryStore>,
    id: { kind: string; partition: string; id: string },
    value: string,
  ) => store.write([{ type: 'put', id, value, ifVersion: 'any', ttl: 1000 }])

  it('[B-32] that somebody made are no sessions: as 0.1.0 wrote them, sealed with another key, or garbage', async () => {
    const { tab, put, id, now, memory, events } = await signedIn()
    const plain = {
      iss: ISSUER,
      client_id: 'notes',
      sub: 'admin',
      claims,
      generation: 0,
      scope: 'openid',
      resource: [],
      created: now(),
      expires: now() + 1000,
    }
    const theirs = recordsOf(memory, { cookieKeys: [randomKey()], now })
    const record = { ...plain, id: id.id }
    const forged = [
      JSON.stringify({ ...plain, sealed: 'x' }),
      JSON.stringify({ ...plain, v: 1 }),
      await theirs.sealed.seal('session', id.id, { record, tokens: [] }),
      JSON.stringify({ ended: 'revoked', generation: 0 }),
      '{',
      '',
    ]
    for (const value of forged) {
      await put(value)
      expect(await bodyOf(await look(tab, '/session')), value).toMatchObject({ user: null, reason: 'none' })
      expect(events.at(-1)?.type).toBe('operator_error')
    }
  })

  it('[B-32] that were altered are no sessions, wherever they were', async () => {
    const { bff, browser, put, value } = await signedIn()
    const cookie = browser.jar.header(`${APP}/`) ?? ''
    const step = Math.ceil(value.length / 100)
    for (let at = 0; at < value.length; at += step) {
      await put(value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1))
      expect((await who(bff, cookie)).user, `${at}`).toBeNull()
    }
    await put(value)
    expect((await who(bff, cookie)).user.sub).toBe('alice')
  })

  it('[B-32] say nothing in the place of another: a session’s under another id, one kind’s as another', async () => {
    const { as, bff, browser, put, spy, id, value, device, tab } = await signedIn()
    const cookie = browser.jar.header(`${APP}/`) ?? ''
    as.signIn('bob')
    const phone = device()
    await signIn(phone)
    const bobs = spy.of('session').at(-1)
    await put(bobs?.value ?? '')
    expect((await who(bff, cookie)).user).toBeNull()
    await call(phone, '/logout')
    const tombstone = spy.of('session').at(-1)
    expect(tombstone?.id).toEqual(bobs?.id)
    // Nobody can sign alice out by bob's end, other than by taking her record away.
    await put(tombstone?.value ?? '')
    expect(await who(bff, cookie)).toMatchObject({ user: null, reason: 'none' })
    await put(value)
    const used = { ...id, kind: id.kind.replace('session', 'idle') }
    await put(value, used)
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })

  it('[B-32] that decide about a session are as little anybody’s: no use is made up, no stamp, no attempt', async () => {
    const { tab, id, memory, now, advance, put, cookieKeys } = await signedIn()
    const { sealed } = recordsOf(memory, { cookieKeys: [randomKey()], now })
    const idle = { ...id, kind: id.kind.replace('session', 'idle') }
    const attempt = { ...id, kind: id.kind.replace('session', 'attempt') }
    const running = { id: 'x', generation: 0, running: true, unknown: true, refused: true, odd: 5, notBefore: 4e9 }
    // An attempt that never was holds nobody up, and is replaced.
    for (const value of [JSON.stringify(running), await sealed.seal('attempt', id.id, running)]) {
      await put(value, attempt)
      advance(3600)
      expect((await refresh(tab)).status).toBe(200)
      expect((await look(tab, '/session')).status).toBe(200)
    }
    const genuine = recordsOf(memory, { cookieKeys, now }).sealed
    advance(86_401)
    for (const value of [
      `${now()}`,
      await sealed.seal('idle', id.id, { at: now() }),
      await genuine.seal('idle', 'x', { at: now() }),
    ]) {
      await put(value, idle)
      expect((await bodyOf(await look(tab, '/session?touch=false'))).user).toBeNull()
    }
  })

  it('[B-32 twin] that are genuine are read, also an older one that somebody put back, and say nothing to who reads them', async () => {
    const { tab, bff, browser, put, value, spy, events } = await signedIn()
    const cookie = browser.jar.header(`${APP}/`) ?? ''
    for (const one of spy.written) expect(one.value).toMatch(/^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/)
    await call(tab, '/logout')
    expect(await who(bff, cookie)).toMatchObject({ user: null, reason: 'logged_out' })
    // What docs/sessions.md says of it.
    await put(value)
    expect((await who(bff, cookie)).user.sub).toBe('alice')
    expect(events.map(({ type }) => type)).not.toContain('operator_error')
  })

  it('are read with the keys from before while their function fails, which is told, and with others once there are', async () => {
    const { tab, restart, cookieKeys, advance, events } = await signedIn()
    const [key = ''] = cookieKeys
    let answer: () => string = () => key
    restart({ cookieKeys: [async () => answer()] })
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
    answer = () => {
      throw new Error('the secret manager is down')
    }
    for (const seconds of [301, 5, 20]) {
      advance(seconds)
      expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
    }
    const told = events.filter(({ type }) => type === 'operator_error')
    expect(told).toHaveLength(2)
    expect(JSON.stringify(told)).not.toContain('down')
    answer = () => 'n'.repeat(16) + key.slice(16)
    advance(20)
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
  })

  it('of an older cookie key are sealed anew when they are used, once, so that the key can go', async () => {
    const { tab, restart, cookieKeys, spy, advance } = await signedIn()
    const newer = randomKey()
    restart({ cookieKeys: [newer, ...cookieKeys] })
    const before = spy.of('session').length
    expect((await bodyOf(await look(tab, '/session?touch=false'))).user.sub).toBe('alice')
    expect(spy.of('session')).toHaveLength(before)
    await Promise.all([1, 2, 3].map(() => look(tab, '/session')))
    await look(tab, '/session')
    expect(spy.of('session')).toHaveLength(before + 1)
    restart({ cookieKeys: [newer] })
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
    advance(3600)
    expect((await refresh(tab)).status).toBe(200)
    restart({ cookieKeys: [randomKey()] })
    expect(await bodyOf(await look(tab, '/session'))).toMatchObject({ user: null, reason: 'none' })
  })
})
