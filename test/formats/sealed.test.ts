import { hkdfSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CompactEncrypt } from 'jose'
import { memoryStore, type RecordStore } from 'sallyport/store'
import { describe, expect, it } from 'vitest'
import { createCookieKeys } from '../../src/bff/sealing/cookie-keys.js'
import type { Settings } from '../../src/bff/settings.js'
import { keyId } from '../../src/crypto/seal.js'
import { recordsOf } from '../bff/records.js'
import {
  APP,
  begin,
  bodyOf,
  call,
  ISSUER,
  look,
  randomKey,
  refresh,
  signIn,
  type World,
  type WorldOptions,
  world,
} from '../world.js'
import { bendable, common, kindOf, laterSealed } from './forms.js'
import { sealedKinds } from './kinds.js'

const forms = JSON.parse(readFileSync(new URL('forms.json', import.meta.url), 'utf8'))
const SESSION = '__Host-Http-sallyport'

/** A backend with a store whose values can be shown as another release would have written them. */
async function kept(options: WorldOptions = {}) {
  const clock = { now: () => 1_790_000_000 }
  const bent = bendable(() => clock.now())
  const cookieKeys = [randomKey()]
  const it = await world({ store: bent.store, cookieKeys, ...options })
  clock.now = it.now
  return { ...it, bff: it.bff, bent, cookieKeys }
}

const cookieOf = ({ browser }: Pick<World, 'browser'>, name: string) =>
  browser.jar.all().find((cookie) => cookie.name === name)?.value ?? ''

const setCookies = (response: Response) => response.headers.getSetCookie()

/** One of each kind of record, and what it says. */
async function allRecords() {
  const it = await kept({ idleTimeout: 1000 })
  await signIn(it.tab)
  it.advance(200)
  await look(it.tab, '/session')
  it.advance(200)
  it.as.fail('token', { status: 503 }, { times: 1 })
  await refresh(it.tab, { min_validity: '300' })
  await call(it.tab, '/logout', { everywhere: 'true' })
  const { sealed } = recordsOf(it.bent.memory, it)
  const found: Record<string, unknown> = {}
  for (const kind of sealedKinds) {
    const { id, value } = it.bent.first(kind) ?? { id: undefined, value: '' }
    if (id) found[kind] = ((await sealed.open(kind, id.id, value)) as { content: unknown } | undefined)?.content
  }
  return JSON.parse(JSON.stringify(found))
}

const cookieKeysOf = (cookieKeys: string[], now: () => number) =>
  createCookieKeys({ cookieKeys, now, name: 'sallyport', origin: APP, absoluteTimeout: 604_800 } as unknown as Settings)

/** One of each kind of sealed cookie, and what it says. */
async function allCookies() {
  const cookieKeys = [randomKey()]
  const it = await world({ cookieKeys })
  const cookieKeyRing = cookieKeysOf(cookieKeys, it.now)
  const open = async (purpose: string, value: string) => (await cookieKeyRing.open(purpose, value))?.plaintext ?? ''
  await begin(it.tab)
  const transaction = it.browser.jar.all().find(({ name }) => name.includes('.tx.'))?.value ?? ''
  await signIn(it.tab)
  const session = await open('session', cookieOf(it, SESSION))
  const [, part, record = ''] = /^(\d+\/\d+\/\d+)\/[\w-]{43}\/(.*)$/.exec(session) ?? []
  const idle = cookieOf(it, `${SESSION}.idle`)
  await call(it.tab, '/logout')
  const backend = await world({ cookieKeys, mode: 'proxy' })
  await backend.tab.navigate(`${APP}/bff/login`)
  return {
    replaced: JSON.parse(await open('replaced', cookieOf(backend, `${SESSION}.replaced`))),
    session: { part, ...JSON.parse(record) },
    idle: JSON.parse(await open('idle', idle)),
    transaction: JSON.parse(await open('transaction', transaction)),
    logout: JSON.parse(await open('logout', cookieOf(it, `${SESSION}.logout`))),
  }
}

/** What leads to a further page of somebody's sessions. */
async function cursor() {
  const memory = memoryStore()
  const endless: RecordStore = {
    ...memory,
    list: async (...asked) => ({ ...(await memory.list(...asked)), cursor: '["partition","kind","id"]' }),
  }
  const cookieKeys = [randomKey()]
  const it = await world({ cookieKeys, store: endless })
  await signIn(it.tab)
  const text = (await bodyOf(await look(it.tab, '/sessions'))).cursor
  return JSON.parse((await cookieKeysOf(cookieKeys, it.now).open('cursor', text))?.plaintext ?? '')
}

describe('what is sealed', () => {
  it('has the form that forms.json says: the cursor of a list', async () => {
    expect(common(await cursor(), await cursor())).toEqual(forms.sealedCursor)
  })
  it('has the form that forms.json says: records', async () => {
    expect(common(await allRecords(), await allRecords())).toEqual(forms.sealedRecords)
    expect(Object.keys(forms.sealedRecords).sort()).toEqual([...sealedKinds].sort())
  })
  it('has the form that forms.json says: cookies', async () => {
    expect(common(await allCookies(), await allCookies())).toEqual(forms.sealedCookies)
  })
})

describe('what a later release sealed', () => {
  it('is no session, and stays: in a store', async () => {
    const { tab, bent, browser, events, as } = await kept()
    await signIn(tab)
    const before = bent.last('session')
    const cookie = cookieOf({ browser }, SESSION)
    bent.bend('session', laterSealed)
    const answer = await look(tab, '/session')
    expect(await bodyOf(answer)).toMatchObject({ user: null, reason: 'none' })
    expect(setCookies(answer)).toEqual([])
    expect(events.at(-1)).toMatchObject({ type: 'operator_error', detail: expect.stringContaining('later release') })
    // Nor is it in anybody's way.
    bent.bend('session', (value) => (value === before?.value ? laterSealed(value) : value))
    as.signIn('bob')
    expect((await bodyOf(await signIn(tab))).user.sub).toBe('bob')
    bent.bend('session', (value) => value)
    browser.jar.set(`${APP}/`, `${SESSION}=${cookie}; Secure; Path=/; HttpOnly; SameSite=Strict`)
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })

  it('is no session, and stays: in cookies', async () => {
    const it = await world()
    await signIn(it.tab)
    for (const name of [SESSION, `${SESSION}.idle`]) {
      const value = cookieOf(it, name)
      const put = (text: string) =>
        it.browser.jar.set(`${APP}/`, `${name}=${text}; Secure; Path=/; HttpOnly; SameSite=Strict`)
      put(laterSealed(value))
      const answer = await look(it.tab, '/session')
      expect(await bodyOf(answer), name).toMatchObject({ user: null, reason: 'none' })
      expect(setCookies(answer), name).toEqual([])
      put(value)
      expect((await bodyOf(await look(it.tab, '/session'))).user.sub, name).toBe('alice')
    }
  })

  it('as a last use ends no session', async () => {
    const { tab, bent, advance } = await kept({ idleTimeout: 1000 })
    await signIn(tab)
    advance(900)
    await look(tab, '/session')
    advance(900)
    bent.bend('idle', laterSealed)
    const { bff } = { bff: await look(tab, '/session?touch=false') }
    expect(await bodyOf(bff)).toMatchObject({ user: null, reason: 'none' })
    expect(setCookies(bff)).toEqual([])
    bent.bend('idle', (value) => value)
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })

  it.each(['attempt', 'not-before'])('as %s holds up what depends on it, and nothing is spent', async (kind) => {
    const { tab, bff, bent, advance, as } = await kept()
    await signIn(tab)
    advance(3000)
    as.fail('token', { status: 503 }, { times: 1 })
    await refresh(tab)
    advance(100)
    // A stamp that covers nothing: of before the next sign-in.
    await bff.endSessions({ sub: 'bob' })
    if (kind === 'not-before') {
      await bff.endSessions({ sub: 'alice' })
      advance(10)
      await signIn(tab)
      advance(3000)
    }
    bent.bend(kind, laterSealed)
    const { refresh_token: grants } = as.grants
    const written = bent.last(kind)
    expect(await bodyOf(await refresh(tab))).toMatchObject({ error: 'temporarily_unavailable' })
    expect(as.grants.refresh_token).toBe(grants)
    expect(bent.last(kind)).toBe(written)
    bent.bend(kind, (value) => value)
    expect((await refresh(tab)).status).toBe(200)
  })
})

describe('sessions of 0.1.0', () => {
  const heard = (events: { type: string }[]) =>
    events.map(({ type }) => type).filter((type) => /error|refused/.test(type))

  it('are over, once and quietly: in a store', async () => {
    const { tab, browser, events, bent, now } = await kept()
    const secret = randomKey().slice(0, 43)
    const digest = Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(secret))).toString(
      'base64url',
    )
    const record = {
      iss: ISSUER,
      sub: 'alice',
      claims: {},
      generation: 0,
      created: now(),
      expires: now() + 1000,
      sealed: 'x',
    }
    const id = { kind: 'session', partition: digest.slice(0, 8), id: digest }
    await bent.memory.write([{ type: 'put', id, value: JSON.stringify(record), ifVersion: 'absent' }])
    browser.jar.set(`${APP}/`, `${SESSION}=${secret}; Secure; Path=/; HttpOnly; SameSite=Strict`)
    const answer = await look(tab, '/session')
    expect(await bodyOf(answer)).toMatchObject({ user: null, reason: 'none' })
    expect(setCookies(answer)).toHaveLength(1)
    expect(heard(events)).toEqual([])
    expect(kindOf(id)).toBe('session')
  })

  it('are over, once and quietly: in cookies', async () => {
    const cookieKeys = [randomKey()]
    const { tab, browser, events } = await world({ cookieKeys })
    const [key = ''] = cookieKeys
    const sealed = await new CompactEncrypt(new TextEncoder().encode('1/1/0/{}'))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: await keyId(key) })
      .encrypt(new Uint8Array(hkdfSync('sha256', key, '', 'sallyport session', 32)))
    browser.jar.set(`${APP}/`, `${SESSION}=${sealed}; Secure; Path=/; HttpOnly; SameSite=Strict`)
    const answer = await look(tab, '/session')
    expect(await bodyOf(answer)).toMatchObject({ user: null, reason: 'none' })
    expect(setCookies(answer)[0]).toMatch(/^__Host-Http-sallyport=;/)
    expect(heard(events)).toEqual([])
    expect(await bodyOf(await look(tab, '/session'))).toMatchObject({ user: null, reason: 'none' })
    expect((await signIn(tab)).status).toBe(200)
  })
})
