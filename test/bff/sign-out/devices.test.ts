import { memoryStore, type RecordStore, StoreError } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import {
  APP,
  begin,
  bodyOf,
  call,
  follow,
  look,
  redeem,
  refresh,
  signIn,
  stored,
  type Tab,
  type World,
  world,
} from '../../world.js'

const remove = (tab: Tab, id: string) =>
  tab.fetch(`${APP}/bff/sessions/${id}`, {
    method: 'DELETE',
    headers: { 'Sallyport-CSRF': '1' },
    credentials: 'include',
  })
const who = async (tab: Tab) => bodyOf(await look(tab, '/session'))

interface Listed {
  id: string
  current: boolean
  created: number
  last_used: number
  user_agent: string
}
const list = async (tab: Tab): Promise<Listed[]> => (await bodyOf(await look(tab, '/sessions'))).items

/** One person in two browsers. */
async function twoDevices() {
  const engine = memoryStore({ now: () => here.now() })
  const store: { down?: 'list' | 'all' | undefined } = {}
  const leavable =
    <Args extends unknown[], Result>(name: string, call: (...args: Args) => Promise<Result>) =>
    (...args: Args): Promise<Result> =>
      store.down === 'all' || store.down === name ? Promise.reject(new StoreError()) : call(...args)
  const here: World = await world({
    store: {
      ...engine,
      get: leavable('get', engine.get),
      write: leavable('write', engine.write),
      list: leavable('list', engine.list),
      consume: leavable('consume', engine.consume),
    },
  })
  await signIn(here.tab)
  const there = here.device()
  await signIn(there)
  return { ...here, there, store }
}

/** A store whose pages hold one entry, so that two sessions are two pages. */
function inPagesOfOne(now: () => number): RecordStore {
  const engine = memoryStore({ now })
  return { ...engine, list: (index, value, page) => engine.list(index, value, { ...page, limit: 1 }) }
}

describe('the cursor of a list', () => {
  const pages = async (tab: Tab, cursor: string) => look(tab, `/sessions?cursor=${encodeURIComponent(cursor)}`)

  async function paged() {
    const here: World = await world({ store: inPagesOfOne(() => here.now()) })
    await signIn(here.tab)
    const there = here.device()
    await signIn(there)
    const { items: sessions, cursor } = await bodyOf(await look(here.tab, '/sessions'))
    return { ...here, there, sessions: sessions as Listed[], cursor: cursor as string }
  }

  it('[B-33 twin] leads on, on any device of the user, and says nothing of what is stored', async () => {
    const { tab, there, sessions, cursor } = await paged()
    expect(sessions).toHaveLength(1)
    expect(cursor).not.toContain(sessions[0]?.id.slice(0, 8))
    for (const one of [tab, there]) {
      const next = await bodyOf(await pages(one, cursor))
      expect(next.items).toHaveLength(1)
      // Pages of 0.2.0 read `sessions`.
      expect(next.sessions).toEqual(next.items)
      expect(next.items[0].id).not.toBe(sessions[0]?.id)
    }
  })

  it.each([
    '["a"]',
    '["a","b","c"]',
    '[',
    'x',
    '\0',
    '["a","b","\\ud800"]',
    '["a","b","\\u0000"]',
    'null',
    '{}',
    'a'.repeat(8000),
    'eyJhbGciOiJkaXIifQ....',
  ])('[B-33] is refused where it is not one of ours: %j', async (cursor) => {
    const { tab, events } = await paged()
    for (let at = 0; at < 5; at++) {
      const refused = await pages(tab, cursor)
      expect([refused.status, (await bodyOf(refused)).error]).toEqual([400, 'invalid_request'])
    }
    expect((await look(tab, '/sessions')).status).toBe(200)
    expect(events.map(({ type }) => type)).not.toContain('store_unavailable')
    expect(events.map(({ type }) => type)).not.toContain('operator_error')
  })

  it('[B-33] is refused where it is somebody else’s, another purpose’s, or there twice', async () => {
    const { tab, as, device, cursor, browser } = await paged()
    const again = encodeURIComponent(cursor)
    expect((await look(tab, `/sessions?cursor=${again}&cursor=${again}`)).status).toBe(400)
    const begun = await begin(tab)
    expect(begun.response.ok).toBe(true)
    for (const { value } of browser.jar.all()) expect((await pages(tab, value)).status).toBe(400)
    as.signIn('bob')
    const bob = device()
    await signIn(bob)
    expect((await pages(bob, cursor)).status).toBe(400)
  })
})

describe('a store that answers one call with an error', () => {
  it('[B-33] is no outage: that call fails, the operator hears why, and nobody else is concerned', async () => {
    const engine = memoryStore({ now: () => here.now() })
    const fault = Object.assign(new Error('invalid byte sequence: "secret"'), { code: '22021' })
    const here: World = await world({
      store: { ...engine, list: async () => Promise.reject(new StoreError('store_refused', fault)) },
    })
    await signIn(here.tab)
    for (let at = 0; at < 50; at++) {
      expect((await look(here.tab, '/sessions')).status).toBe(503)
      expect((await look(here.tab, '/session')).status).toBe(200)
      expect((await here.bff.fetch(new Request(`${APP}/bff/health`))).status).toBe(200)
    }
    expect(here.eventTypes()).not.toContain('store_unavailable')
    const told = here.events.filter(({ type }) => type === 'operator_error')
    expect(JSON.stringify(told)).toContain('22021')
    expect(JSON.stringify(here.events)).not.toContain('secret')
  })

  it('[B-33 twin] is one when it cannot be reached', async () => {
    const { tab, bff, store, eventTypes } = await twoDevices()
    store.down = 'list'
    for (let at = 0; at < 3; at++) expect((await look(tab, '/sessions')).status).toBe(503)
    // The session itself is read in between: the store is there.
    expect((await bff.fetch(new Request(`${APP}/bff/health`))).status).toBe(200)
    store.down = 'all'
    for (let at = 0; at < 3; at++) expect((await look(tab, '/session')).status).toBe(503)
    expect((await bff.fetch(new Request(`${APP}/bff/health`))).status).toBe(503)
    expect(eventTypes()).toContain('store_unavailable')
  })
})

describe('a user’s devices', () => {
  it('[F-49] are listed with browser and last use, without a token or anything that opens a session', async () => {
    const { tab, there, advance, as, browser, now } = await twoDevices()
    advance(120)
    await who(there)
    const text = await (await look(tab, '/sessions')).text()
    const { sessions } = JSON.parse(text) as { sessions: Listed[] }
    expect(sessions).toHaveLength(2)
    expect(sessions.map(({ current }) => current).sort()).toEqual([false, true])
    for (const session of sessions) {
      expect(Object.keys(session).sort()).toEqual(['created', 'current', 'expires_at', 'id', 'last_used', 'user_agent'])
      expect(session.last_used).toBe(now())
      expect(session.created).toBe(now() - 120)
    }
    for (const secret of as.issued) expect(text).not.toContain(secret)
    for (const { value } of browser.jar.all()) expect(text).not.toContain(value)
  })

  it('[F-49] end one by one: that browser is signed out on its next call, and its refresh token is revoked', async () => {
    const { tab, there, as } = await twoDevices()
    const [other] = (await list(tab)).filter(({ current }) => !current)
    expect((await remove(tab, other?.id ?? '')).status).toBe(200)
    expect(await who(there)).toMatchObject({ user: null, reason: 'revoked' })
    expect((await bodyOf(await refresh(there))).error).toBe('invalid_grant')
    expect((await who(tab)).user.sub).toBe('alice')
    await vi.waitFor(() => expect(as.requests.revocation).toBe(1))
    expect(await list(tab)).toHaveLength(1)
  })

  it('[F-49] are nobody else’s: another user’s session is not found and goes on', async () => {
    const { tab, as, device } = await stored()
    await signIn(tab)
    as.signIn('bob')
    const bob = device()
    await signIn(bob)
    const [his] = await list(bob)
    const answers = [await remove(tab, his?.id ?? ''), await remove(tab, 'x'.repeat(43)), await remove(tab, 'short')]
    for (const answer of answers) {
      expect(answer.status).toBe(404)
      expect((await bodyOf(answer)).error).toBe('not_found')
    }
    expect((await who(bob)).user.sub).toBe('bob')
    expect(await list(tab)).toHaveLength(1)
  })

  it('[F-49 twin] can be this one: its cookies go with it', async () => {
    const { tab, browser } = await stored()
    await signIn(tab)
    const [own] = await list(tab)
    expect((await remove(tab, own?.id ?? '')).status).toBe(200)
    expect(browser.jar.all()).toEqual([])
    expect((await who(tab)).user).toBeNull()
  })

  it('need a session to be asked about, and a store', async () => {
    const { tab } = await stored()
    const nobody = await look(tab, '/sessions')
    expect(nobody.status).toBe(401)
    expect(await bodyOf(nobody)).toMatchObject({ error: 'session_expired', reason: 'none' })
    expect((await remove(tab, 'x'.repeat(43))).status).toBe(401)
    const without = await world()
    await signIn(without.tab)
    expect((await look(without.tab, '/sessions')).status).toBe(404)
  })

  it('leave out what has expired, and come in pages', async () => {
    const { tab, advance, device } = await stored({ idleTimeout: 600 })
    const others: Tab[] = []
    for (let at = 0; at < 3; at++) {
      const other = device()
      await signIn(other)
      others.push(other)
    }
    advance(601)
    for (let at = 0; at < 120; at++) await signIn(at === 0 ? tab : device())
    let count = 0
    let cursor: string | undefined
    let pages = 0
    do {
      const query = cursor === undefined ? '' : `?cursor=${encodeURIComponent(cursor)}`
      const answer = await bodyOf(await look(tab, `/sessions${query}`))
      count += answer.items.length
      cursor = answer.cursor
      pages++
    } while (cursor !== undefined)
    expect(count).toBe(120)
    expect(pages).toBe(2)
  })
})

describe('signing out everywhere', () => {
  it('ends every session of the user, goes to the provider from this one, and leaves other users alone', async () => {
    const { tab, there, as, device } = await twoDevices()
    as.signIn('bob')
    const bob = device()
    await signIn(bob)
    expect(await bodyOf(await call(tab, '/logout', { everywhere: 'true' }))).toEqual({
      location: '/bff/logout/continue',
    })
    expect(await who(tab)).toMatchObject({ user: null })
    expect(await who(there)).toMatchObject({ user: null, reason: 'revoked' })
    expect((await who(bob)).user.sub).toBe('bob')
    await vi.waitFor(() => expect(as.requests.revocation).toBe(2))
  })

  it('leaves later sign-ins alone', async () => {
    const { tab, there, advance } = await twoDevices()
    await call(tab, '/logout', { everywhere: 'true' })
    advance(1)
    await signIn(there)
    advance(301)
    expect((await refresh(there)).status).toBe(200)
  })

  it('[B-37] cannot be done without a store: signs out here, and says so', async () => {
    const { tab } = await world()
    await signIn(tab)
    expect(await bodyOf(await call(tab, '/logout', { everywhere: 'true' }))).toEqual({
      location: '/bff/logout/continue',
      everywhere: false,
    })
    expect(await who(tab)).toMatchObject({ user: null })
  })

  it('[B-37] says so when nobody was signed in, and when the store went down in between', async () => {
    const { tab, there, events, store } = await twoDevices()
    store.down = 'list'
    expect(await bodyOf(await call(tab, '/logout', { everywhere: 'true' }))).toEqual({
      location: '/bff/logout/continue',
      everywhere: false,
    })
    expect(events).toContainEqual(expect.objectContaining({ type: 'store_unavailable' }))
    store.down = undefined
    expect(await who(tab)).toMatchObject({ user: null })
    expect((await who(there)).user.sub).toBe('alice')
    expect(await bodyOf(await call(tab, '/logout', { everywhere: 'true' }))).toEqual({
      location: null,
      everywhere: false,
    })
  })

  it('[B-37] is not pretended: while the store is down nothing changes, the cookie stays, and later it is done', async () => {
    const { tab, browser, store } = await twoDevices()
    const before = browser.jar.all()
    store.down = 'all'
    for (const fields of [{}, { everywhere: 'true' }]) {
      const answer = await call(tab, '/logout', fields)
      expect([answer.status, answer.headers.getSetCookie()]).toEqual([503, []])
    }
    expect(browser.jar.all()).toEqual(before)
    store.down = undefined
    expect((await call(tab, '/logout')).status).toBe(200)
    expect(await who(tab)).toMatchObject({ user: null })
  })
})

describe('an administrator', () => {
  it('[B-25] ends all sessions of a subject: each is refused on its next call', async () => {
    const { tab, there, bff, device, as } = await twoDevices()
    as.signIn('bob')
    const bob = device()
    await signIn(bob)
    expect(await bff.endSessions({ sub: 'alice' })).toBe(2)
    for (const ended of [tab, there]) {
      const answer = await look(ended, '/sessions')
      expect(answer.status).toBe(401)
      expect(await bodyOf(answer)).toMatchObject({ error: 'session_expired', reason: 'revoked' })
    }
    expect((await bodyOf(await refresh(there))).error).toBe('invalid_grant')
    expect((await who(bob)).user.sub).toBe('bob')
    expect(await bff.endSessions({ sub: 'alice' })).toBe(0)
  })

  it('[B-25 twin] leaves those who sign in afterwards alone', async () => {
    const { tab, bff, advance } = await stored()
    await signIn(tab)
    await bff.endSessions({ sub: 'alice' })
    advance(1)
    await signIn(tab)
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
  })

  it('[B-25] ends a sign-in that is under way, before its session is there', async () => {
    const { tab, bff, as, browser } = await stored()
    const begun = await begin(tab)
    const callback = await follow(tab, begun)
    const gate = as.delay('token')
    const redeeming = redeem(tab, begun, callback)
    await vi.waitFor(() => expect(as.requests.token).toBe(1))
    expect(await bff.endSessions({ sub: 'alice' })).toBe(0)
    gate.release()
    const answer = await redeeming
    expect(answer.status).toBe(400)
    expect(await bodyOf(answer)).toMatchObject({ error: 'invalid_grant', reason: 'revoked' })
    expect(browser.jar.all()).toEqual([])
  })

  it('needs a store', async () => {
    const { bff } = await world()
    await expect(bff.endSessions({ sub: 'alice' })).rejects.toThrow(/"store"/)
  })
})
