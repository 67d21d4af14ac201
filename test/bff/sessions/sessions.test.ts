import { base64url } from 'jose'
import { describe, expect, it, vi } from 'vitest'
import { APP, begin, bodyOf, call, homes, look, randomKey, refresh, signIn, world } from '../../world.js'

const SESSION = '__Host-Http-sallyport'
const who = async (tab: Parameters<typeof look>[0]) => bodyOf(await look(tab, '/session'))

describe('session cookies', () => {
  it('[B-11][B-11 twin] are Secure, HttpOnly, Strict, for this host and every path, and nothing else', async () => {
    const { tab, browser, bff } = await world()
    await signIn(tab)
    await call(tab, '/transaction')
    const cookies = browser.jar.all()
    expect(cookies.map(({ name }) => name).sort()).toEqual([SESSION, `${SESSION}.idle`])
    for (const cookie of cookies)
      expect(cookie).toMatchObject({ secure: true, httpOnly: true, sameSite: 'Strict', path: '/', hostOnly: true })
    for (const { attributes } of (await bff.describe()).cookies)
      expect(attributes).toMatch(/^Path=\/; HttpOnly; SameSite=(Strict|Lax); Secure$/)
    expect(tab.scriptCookies()).toBe('')
  })

  it('[B-16][B-16 twin] show the page the listed claims, and no token but where one was asked for', async () => {
    const { tab, as, now } = await world()
    await signIn(tab)
    const session = await who(tab)
    expect(Object.keys(session).sort()).toEqual(['expires_at', 'expires_in', 'mode', 'user', 'user_digest'])
    expect(session.expires_in).toBe(session.expires_at - now())
    expect(session.user.phone_number).toBeUndefined()
    expect(session.user.name).toBe('Alice Adams')
    const posted = await bodyOf(await call(tab, '/session'))
    expect(Object.keys(posted.token).sort()).toEqual(['access_token', 'expires_in', 'scope', 'token_type'])
    const text = JSON.stringify([session, posted])
    for (const secret of as.issued) if (secret !== posted.token.access_token) expect(text).not.toContain(secret)
  })

  it('shows further claims where they are listed', async () => {
    const { tab } = await world({ claims: ['phone_number'] })
    await signIn(tab)
    expect((await who(tab)).user).toEqual({ sub: 'alice', phone_number: '+1 555 0100' })
  })

  const withKid = (kid: string) => base64url.encode(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid }))
  const junk: Array<[string, (value: string) => string]> = [
    ['truncated', (value) => value.slice(0, -9)],
    [
      'with one character changed',
      (value) => value.slice(0, -3) + (value.at(-3) === 'A' ? 'B' : 'A') + value.slice(-2),
    ],
    ['not base64url', () => '....'],
    ['empty', () => ''],
    ['of another shape', () => 'a.b.c.d.e.f'],
    ['as long as a cookie can be', () => 'a'.repeat(4000)],
    ['sealed with a key that nobody knows', (value) => `${withKid('nobody')}.${value.split('.').slice(1).join('.')}`],
    ['with a header of its own', (value) => `eyJhbGciOiJub25lIn0.${value.split('.').slice(1).join('.')}`],
  ]
  it.each(junk)('[B-12][F-34] mean “signed out” when %s, without an error and cleared', async (_name, change) => {
    const { tab, browser } = await world()
    await signIn(tab)
    const cookie = browser.jar.all().find(({ name }) => name === SESSION)
    browser.jar.set(`${APP}/`, `${SESSION}=${change(cookie?.value ?? '')}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    const response = await call(tab, '/session')
    expect(response.status).toBe(200)
    expect(await bodyOf(response)).toEqual({ mode: 'token-mediating', user: null, expires_at: null, reason: 'none' })
    expect(browser.jar.all()).toEqual([])
  })

  it('[B-12] mean “signed out” when they are another cookie of ours', async () => {
    const { tab, browser } = await world()
    await signIn(tab)
    const idle = browser.jar.all().find(({ name }) => name.endsWith('.idle'))
    browser.jar.set(`${APP}/`, `${SESSION}=${idle?.value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect((await who(tab)).user).toBeNull()
  })

  it('[B-12 twin][F-32 twin][F-34 twin] mean “signed in” as they are', async () => {
    const { tab } = await world()
    await signIn(tab)
    expect((await who(tab)).user.sub).toBe('alice')
  })

  it('[F-33][F-33 twin] mean “signed out” when there are two of one name', async () => {
    const { tab, browser, bff, eventTypes } = await world()
    await signIn(tab)
    const header = browser.jar.header(`${APP}/`) ?? ''
    const ask = (cookie: string) =>
      bff.fetch(
        new Request(`${APP}/bff/session`, { method: 'POST', headers: { 'Sallyport-CSRF': '1', Cookie: cookie } }),
      )
    expect((await bodyOf(await ask(header))).user.sub).toBe('alice')
    expect((await bodyOf(await ask(`${SESSION}=planted; ${header}`))).user).toBeNull()
    expect(eventTypes()).toContain('cookie_refused')
  })

  it('[B-04][B-04 twin][F-44][F-44 twin] have a new id at every sign-in; a planted one grants nothing', async () => {
    const attacker = await world()
    await signIn(attacker.tab)
    const planted = attacker.browser.jar.all()
    const { tab, browser, as } = attacker
    // The attacker's session, planted in the victim's browser, which then signs in.
    const victim = browser.newTab(`${APP}/`)
    as.signIn('bob')
    await signIn(victim)
    expect((await who(victim)).user.sub).toBe('bob')
    const mine = browser.jar.all()
    browser.jar.clear()
    for (const { name, value } of planted)
      browser.jar.set(`${APP}/`, `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect((await who(tab)).user).toBeNull()
    browser.jar.clear()
    for (const { name, value } of mine)
      browser.jar.set(`${APP}/`, `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect((await who(tab)).user.sub).toBe('bob')
  })

  it('[F-31] end the session that was there, and leave its grant alone', async () => {
    const { tab, as, events } = await world()
    await signIn(tab)
    as.signIn('bob')
    await signIn(tab)
    expect(as.requests.revocation).toBe(0)
    expect(events.filter(({ type }) => type === 'signed_out')).toMatchObject([{ sub: 'alice', reason: 'logged_out' }])
  })

  it('[F-36][F-36 twin][F-35 twin][F-37 twin] take two parts when the claims are many, and one again when they are few', async () => {
    const long = 'x'.repeat(3000)
    const { tab, browser, as } = await world(
      {},
      {
        users: [
          { sub: 'alice', name: long },
          { sub: 'bob', name: 'Bob' },
        ],
      },
    )
    await signIn(tab)
    expect((await who(tab)).user.name).toBe(long)
    const parts = browser.jar.all().filter(({ name }) => name === SESSION || name === `${SESSION}.2`)
    expect(parts).toHaveLength(2)
    for (const { value } of parts) expect(value.length).toBeLessThanOrEqual(3500)
    as.signIn('bob')
    await signIn(tab)
    expect(browser.jar.all().some(({ name }) => name === `${SESSION}.2`)).toBe(false)
    expect((await who(tab)).user.sub).toBe('bob')
    // What was left of the other session is no part of this one.
    const [, leftover] = parts
    browser.jar.set(`${APP}/`, `${leftover?.name}=${leftover?.value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect((await who(tab)).user).toBeNull()
  })

  it('[F-35] mean “signed out” when one part of two is missing or of another generation', async () => {
    const { tab, browser, advance } = await world({}, { users: [{ sub: 'alice', name: 'x'.repeat(3000) }] })
    await signIn(tab)
    const old = browser.jar.all().find(({ name }) => name === `${SESSION}.2`)
    advance(301)
    await refresh(tab)
    expect((await who(tab)).user.sub).toBe('alice')
    browser.jar.set(`${APP}/`, `${old?.name}=${old?.value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect((await who(tab)).user).toBeNull()
  })

  it('[F-37] refuse a session that does not fit, naming its largest part, and leave the previous one alone', async () => {
    const { tab, as } = await world(
      {},
      {
        users: [
          { sub: 'alice', name: 'Alice' },
          { sub: 'bob', name: 'x'.repeat(9000) },
        ],
      },
    )
    await signIn(tab)
    as.signIn('bob')
    const response = await signIn(tab)
    expect(response.status).toBe(400)
    const body = await bodyOf(response)
    expect(body.error).toBe('session_too_large')
    expect(body.error_description).toContain('"name"')
    expect((await who(tab)).user.sub).toBe('alice')
  })

  it('[F-94][F-94 twin] stay good when a new key is put first, and are sealed again with it; a removed key signs out', async () => {
    const [first, second] = [randomKey(), randomKey()]
    const { tab, browser, restart } = await world({ cookieKeys: [first] })
    await signIn(tab)
    const kid = () =>
      browser.jar
        .all()
        .find(({ name }) => name === SESSION)
        ?.value.split('.')[0]
    const old = kid()
    restart({ cookieKeys: [second, first] })
    expect((await who(tab)).user.sub).toBe('alice')
    expect(kid()).not.toBe(old)
    restart({ cookieKeys: [randomKey()] })
    const response = await look(tab, '/session')
    expect(response.status).toBe(200)
    expect((await bodyOf(response)).user).toBeNull()
  })

  it('[F-41][F-41 twin][F-42][F-42 twin] carry the port in development, and are refused off loopback', async () => {
    for (const port of [5173, 5174]) {
      const { bff } = await world({ baseUrl: `http://localhost:${port}`, loopbackCookies: true })
      const { cookies } = await bff.describe()
      expect(cookies[0]).toEqual({ name: `${port}.sallyport`, attributes: 'Path=/; HttpOnly; SameSite=Strict' })
    }
    await expect(world({ loopbackCookies: true })).rejects.toThrow(/loopbackCookies/)
    await expect(world({ baseUrl: 'http://app.example.com' })).rejects.toThrow(/baseUrl/)
  })

  it('counts a missing or foreign idle cookie as idle too long', async () => {
    const { tab, browser } = await world()
    await signIn(tab)
    const idle = browser.jar.all().find(({ name }) => name.endsWith('.idle'))
    await signIn(tab)
    browser.jar.set(`${APP}/`, `${idle?.name}=${idle?.value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect(await who(tab)).toMatchObject({ user: null, reason: 'expired' })
  })
})

describe.each(homes)('the life of a session, with %s', (home, world) => {
  it('[B-24][F-45] ends at its absolute limit however much it is used; with a store, its refresh token is revoked', async () => {
    const { tab, advance, as } = await world({ idleTimeout: 3600, absoluteTimeout: 7200 })
    await signIn(tab)
    for (let at = 0; at < 7; at++) {
      advance(1000)
      expect((await who(tab)).user.sub).toBe('alice')
    }
    advance(201)
    expect(await who(tab)).toMatchObject({ user: null, reason: 'expired' })
    await vi.waitFor(() => expect(as.requests.revocation).toBe(home === 'a store' ? 1 : 0))
    expect((await bodyOf(await refresh(tab))).error).toBe('invalid_grant')
  })

  it('[B-24] ends at its idle limit', async () => {
    const { tab, advance, browser } = await world({ idleTimeout: 3600 })
    await signIn(tab)
    advance(3601)
    expect(await who(tab)).toMatchObject({ user: null, reason: 'expired' })
    expect(browser.jar.all()).toEqual([])
  })

  it('[B-24 twin][F-45 twin][F-48 twin] goes on while it is used within its limits', async () => {
    const { tab, advance } = await world({ idleTimeout: 3600 })
    await signIn(tab)
    for (let at = 0; at < 5; at++) {
      advance(3599)
      expect((await who(tab)).user.sub).toBe('alice')
    }
  })

  it('[F-48] is not kept alive by a poll that says so', async () => {
    const { tab, advance } = await world({ idleTimeout: 3600 })
    await signIn(tab)
    for (let at = 0; at < 6; at++) {
      advance(599)
      expect((await bodyOf(await look(tab, '/session?touch=false'))).user.sub).toBe('alice')
    }
    advance(7)
    expect((await bodyOf(await look(tab, '/session?touch=false'))).reason).toBe('expired')
  })

  it('says when it ends, and later after a use', async () => {
    const { tab, advance, now } = await world({ idleTimeout: 3600, absoluteTimeout: 5000 })
    await signIn(tab)
    const begun = now()
    expect((await who(tab)).expires_at).toBe(begun + 3600)
    advance(1000)
    expect((await who(tab)).expires_at).toBe(begun + 4600)
    advance(1000)
    expect((await who(tab)).expires_at).toBe(begun + 5000)
  })

  it('[B-26] answers fifty calls after the end with as many plain answers and no cookie of a new sign-in', async () => {
    const { tab, advance, browser, as } = await world()
    await signIn(tab)
    advance(604_801)
    for (let at = 0; at < 50; at++) {
      const response = await refresh(tab)
      expect(response.status).toBe(400)
      expect((await bodyOf(response)).error).toBe('invalid_grant')
    }
    expect(browser.jar.all()).toEqual([])
    expect(as.grants.refresh_token ?? 0).toBe(0)
  })

  it('[B-26 twin] answers fifty calls before it with a token', async () => {
    const { tab } = await world()
    await signIn(tab)
    for (let at = 0; at < 50; at++) expect((await refresh(tab)).status).toBe(200)
  })

  it('[B-22][B-22 twin] is never an error object: a broken provider leaves “nobody” and “somebody” as they are', async () => {
    const { tab, as, restart } = await world()
    await signIn(tab)
    as.fail('discovery', { status: 500 }, { times: 99 })
    as.fail('token', { status: 500 }, { times: 99 })
    restart()
    expect(await who(tab)).toMatchObject({ user: { sub: 'alice' } })
    const stranger = await world()
    stranger.as.fail('discovery', { status: 500 }, { times: 99 })
    expect(await who(stranger.tab)).toMatchObject({ user: null, reason: 'none' })
  })

  it('ends with its access token where there is no refresh token, and says so once to the operator', async () => {
    const { tab, as, advance, events } = await world()
    as.tamper.tokenResponse = ({ refresh_token: _, ...json }) => json
    await signIn(tab)
    advance(299)
    expect((await refresh(tab)).status).toBe(200)
    advance(2)
    expect(await bodyOf(await refresh(tab))).toMatchObject({ error: 'invalid_grant', reason: 'expired' })
    await signIn(tab)
    expect(events.filter(({ type }) => type === 'no_refresh_token')).toHaveLength(1)
  })

  it('tells a server that renders who is here, without sliding, cookies or tokens', async () => {
    const { tab, bff, browser } = await world()
    const page = (headers: Record<string, string>) => bff.getSession(new Request(`${APP}/`, { headers }))
    expect(await page({ 'Sec-Fetch-Site': 'none' })).toMatchObject({ user: null, reason: 'none' })
    expect(await page({ 'Sec-Fetch-Site': 'cross-site' })).toBeUndefined()
    await signIn(tab)
    const answer = await page({ Cookie: browser.jar.header(`${APP}/`) ?? '' })
    expect(answer).toMatchObject({ user: { sub: 'alice' } })
    expect(JSON.stringify(answer)).not.toContain('token"')
  })
})

describe('the options', () => {
  it.each([
    ['cookieKeys', { cookieKeys: [] }],
    ['cookieKeys', { cookieKeys: ['short'] }],
    ['cookieKeys', { cookieKeys: ['change-me-change-me-change-me-change-me'] }],
    ['cookieKeys', { cookieKeys: ['Your-256-bit-Secret-key-goes-here-0123'] }],
    ['cookieKeys', { cookieKeys: ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'] }],
    ['client_secret', { client_secret: '' }],
    ['issuer', { issuer: 'http://as.example.com' }],
    ['issuer', { issuer: 'as.example.com' }],
    ['baseUrl', { baseUrl: 'https://app.example.com/app' }],
    ['basePath', { basePath: 'bff/' }],
    ['name', { name: 'a b' }],
    ['scope', { scope: 'profile' }],
    ['resources', { resources: { notes: { scopes: [] } } }],
    ['redirect_uris', { redirect_uris: ['https://evil.example/callback'] }],
    ['idTokenAlgs', { idTokenAlgs: ['none'] }],
    ['idTokenAlgs', { idTokenAlgs: ['HS256'] }],
    ['allowedOrigins', { allowedOrigins: ['https://admin.example.com/'] }],
    ['idleTimeout', { idleTimeout: Number.NaN }],
    ['timeout', { timeout: 0 }],
  ])('[B-21] are refused at creation, naming %s', async (option, options) => {
    await expect(world(options)).rejects.toThrow(new RegExp(`createBff: "${option}"`))
    await expect(world(options)).rejects.toThrow(TypeError)
  })

  it('[B-21 twin] are accepted with a key made at random, also from a secret manager', async () => {
    const { tab } = await world({ cookieKeys: [async () => randomKey().repeat(1)] })
    expect((await call(tab, '/session')).status).toBe(200)
  })

  it('are not refused for a word that turns up in a random key by chance', async () => {
    const { tab } = await world({ cookieKeys: ['q8Zyourt4KxW1mVb7Jp0LcN5sRfHkeyGd2aTi9uEo'] })
    expect((await call(tab, '/session')).status).toBe(200)
  })

  it('refuse a weak key from a secret manager when it comes, and keep its words to themselves', async () => {
    const { tab, events } = await world({ cookieKeys: [async () => 'hunter2'] })
    const { response } = await begin(tab)
    expect(response.status).toBe(503)
    expect(JSON.stringify([await response.text(), events])).not.toContain('hunter2')
  })
})
