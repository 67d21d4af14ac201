import { describe, expect, it } from 'vitest'
import { APP, bodyOf, call, homes, ISSUER, look, type Tab, type World, type WorldOptions } from '../../world.js'

const SESSION = '__Host-Http-sallyport'
const CALLBACK = `${APP}/bff/callback`
const who = async (tab: Tab) => bodyOf(await look(tab, '/session'))

const navigation = { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'none' }
const go = (bff: World['bff'], path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
  bff.fetch(new Request(`${APP}/bff${path}`, { ...init, headers: { ...navigation, ...headers } }))

describe.each(homes)('the backend’s own sign-in, with %s', (home, open) => {
  const world = (options: WorldOptions = {}, more: Record<string, unknown> = {}) =>
    open({ mode: 'proxy', ...options }, more)

  /** Begins a sign-in and stops before the provider. */
  async function begin(here: Awaited<ReturnType<typeof world>>, query = '') {
    const cookie = here.browser.jar.header(`${APP}/`)
    const response = await go(here.bff, `/login${query}`, cookie ? { Cookie: cookie } : {})
    for (const line of response.headers.getSetCookie()) here.browser.jar.set(`${APP}/`, line)
    return { response, url: new URL(response.headers.get('location') ?? 'none:') }
  }

  /** The provider's answer to it, as the address that the browser is sent to. */
  async function answered(here: Awaited<ReturnType<typeof world>>, url: URL) {
    const response = await here.as.fetch(url, { redirect: 'manual' })
    return new URL(response.headers.get('location') ?? 'none:')
  }

  /** The browser arrives at the callback from another site: Strict cookies are withheld. */
  async function arrive(here: Awaited<ReturnType<typeof world>>, url: URL) {
    const cookie = here.browser.jar.header(url.href, { sameSite: false, navigation: true })
    const headers = { 'Sec-Fetch-Site': 'cross-site', ...(cookie && { Cookie: cookie }) }
    const response = await go(here.bff, url.pathname.slice(4) + url.search, headers)
    for (const line of response.headers.getSetCookie()) here.browser.jar.set(`${APP}/`, line)
    return response
  }

  it('signs in by navigations alone, and leads back: no token and no code ever reaches the page', async () => {
    const { tab, as, browser, bff } = await world()
    const { url } = await tab.navigate(`${APP}/bff/login?return_to=${encodeURIComponent('/notes?a=b#c')}`)
    expect(url).toBe(`${APP}/notes?a=b#c`)
    expect(await who(tab)).toMatchObject({ mode: 'proxy', user: { sub: 'alice' } })
    const posted = await bodyOf(await call(tab, '/session'))
    expect(posted.token).toBeUndefined()
    expect(JSON.stringify(posted)).not.toMatch(/eyJ/)
    for (const path of ['/token', '/transaction']) expect((await call(tab, path)).status).toBe(404)
    expect(browser.jar.all().map(({ name }) => name)).not.toContainEqual(expect.stringContaining('.tx.'))
    expect(as.grants.authorization_code).toBe(1)
    expect(await bff.describe()).toMatchObject({
      mode: 'proxy',
      deviations: [expect.stringContaining('SameSite=Lax'), expect.stringContaining('SameSite=Lax')],
    })
    expect(browser.jar.all().find(({ name }) => name === SESSION)?.sameSite).toBe('Strict')
  })

  it('[F-97][F-97 twin] sends nobody’s address along, and takes the code out of the URL', async () => {
    const here = await world()
    const { response, url } = await begin(here)
    expect(response.status).toBe(303)
    expect(response.headers.get('referrer-policy')).toBe('no-referrer')
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      response_type: 'code',
      redirect_uri: CALLBACK,
      code_challenge_method: 'S256',
    })
    const arrived = await arrive(here, await answered(here, url))
    expect(arrived.status).toBe(303)
    expect(arrived.headers.get('location')).toBe('/')
    expect(arrived.headers.get('referrer-policy')).toBe('no-referrer')
    expect(arrived.headers.get('content-security-policy')).toBeNull()
  })

  it.each<[string, Record<string, string>]>([
    ['fetch', { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty' }],
    ['a script that does not care', { 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' }],
    ['a prefetch', { 'Sec-Purpose': 'prefetch' }],
    ['a prerender', { 'Sec-Purpose': 'prefetch;prerender' }],
    ['an old prefetch', { Purpose: 'prefetch' }],
    ['a router’s prefetch', { 'Next-Router-Prefetch': '1' }],
  ])('[F-7] is not begun by %s: a refusal in JSON and no cookie', async (_name, headers) => {
    const { bff, as } = await world()
    const response = await go(bff, '/login', { Accept: 'text/html', ...headers })
    expect(response.status).toBe(403)
    expect(await bodyOf(response)).toMatchObject({ error: 'csrf_required' })
    expect(response.headers.getSetCookie()).toEqual([])
    expect(as.requests.discovery).toBe(0)
  })

  it('[F-8] is not begun in a frame', async () => {
    const { bff } = await world()
    for (const dest of ['iframe', 'frame', 'object', 'embed']) {
      const response = await go(bff, '/login', { 'Sec-Fetch-Dest': dest })
      expect(response.status).toBe(403)
      expect(response.headers.getSetCookie()).toEqual([])
    }
  })

  it('[F-7 twin][F-8 twin] is begun by a user who goes there, also from another site', async () => {
    const { bff } = await world()
    for (const site of ['none', 'same-origin', 'cross-site']) {
      const response = await go(bff, '/login', { 'Sec-Fetch-Site': site })
      expect(response.status).toBe(303)
      expect(response.headers.getSetCookie()).toHaveLength(1)
    }
  })

  const hostile =
    '//evil.example|/\\evil.example|/%09/evil.example|\t//evil.example|/..//evil.example|https:evil.example|https://user@evil.example/|javascript:alert(1)|／／evil.example|https://evil.example|https://app.example.com.evil.example|https://evil.example?.app.example.com|https://xapp.example.com/|/%2f%5cevil.example/..//evil.example|/ /evil.example/..//x'.split(
      '|',
    )
  it.each(hostile)('[F-13][B-06][B-07] never leads to %j', async (target) => {
    const here = await world()
    const { url } = await begin(here, `?return_to=${encodeURIComponent(target)}`)
    const arrived = await arrive(here, await answered(here, url))
    const location = arrived.headers.get('location') ?? ''
    expect(new URL(location, APP).origin).toBe(APP)
    expect(location).toMatch(/^\/(?![/\\])/)
  })

  it('[F-13] refuses two ways back, and forgets one that is too long', async () => {
    const here = await world()
    expect((await begin(here, '?return_to=/a&return_to=/b')).response.status).toBe(400)
    const { url } = await begin(here, `?return_to=/${'a'.repeat(8192)}`)
    expect((await arrive(here, await answered(here, url))).headers.get('location')).toBe('/')
  })

  it('[F-13 twin][F-14][F-14 twin][B-06 twin][B-07 twin] leads back to a path of ours, as it was', async () => {
    for (const target of ['/a?b#c', '/a%20b?x=1&x=2', '/%2F%2Fevil', `${APP}/deep`]) {
      const here = await world()
      const { url } = await begin(here, `?return_to=${encodeURIComponent(target)}`)
      const location = (await arrive(here, await answered(here, url))).headers.get('location')
      expect(location).toBe(target.replace(APP, ''))
    }
  })

  it('[F-17] leads back into none of its own endpoints', async () => {
    for (const target of ['/bff/login', '/bff/logout', '/bff/login?return_to=/x', '/bff']) {
      const here = await world()
      const { url } = await begin(here, `?return_to=${encodeURIComponent(target)}`)
      expect((await arrive(here, await answered(here, url))).headers.get('location')).toBe('/')
    }
  })

  it('[F-17 twin] leads back to what only begins like one', async () => {
    const here = await world()
    const { url } = await begin(here, '?return_to=/bffalo')
    expect((await arrive(here, await answered(here, url))).headers.get('location')).toBe('/bffalo')
  })

  it('[F-16][F-16 twin] has the configured callback, whatever a request says of its host', async () => {
    const { bff } = await world()
    for (const headers of [{}, { 'X-Forwarded-Host': 'evil.example', Forwarded: 'host=evil.example' }]) {
      const request = new Request('https://evil.example/bff/login', { headers: { ...navigation, ...headers } })
      const location = new URL((await bff.fetch(request)).headers.get('location') ?? '')
      expect(location.searchParams.get('redirect_uri')).toBe(CALLBACK)
    }
  })

  it('[B-01][F-18] redeems no code for a browser that began nothing, and clears that state’s cookie', async () => {
    const victim = await world()
    const { url } = await begin(victim)
    const callback = await answered(victim, url)
    const response = await go(victim.bff, callback.pathname.slice(4) + callback.search)
    expect(response.status).toBe(400)
    expect(await response.clone().text()).toContain('state_mismatch')
    expect(victim.as.requests.token).toBe(0)
    expect(await response.text()).not.toContain(callback.searchParams.get('code'))
    // The one that did begin it finishes.
    expect((await arrive(victim, callback)).status).toBe(303)
    expect(await who(victim.tab)).toMatchObject({ user: { sub: 'alice' } })
  })

  it('[F-19][F-19 twin] is finished once: a reload leads who is signed in to the start, and redeems nothing', async () => {
    const here = await world()
    const { url } = await begin(here)
    const callback = await answered(here, url)
    const used = here.browser.jar.header(callback.href, { sameSite: false, navigation: true }) ?? ''
    expect((await arrive(here, callback)).status).toBe(303)
    const session = here.browser.jar.header(`${APP}/`) ?? ''
    const path = callback.pathname.slice(4) + callback.search
    for (const cookie of [session, `${session}; ${used}`]) {
      const again = await go(here.bff, path, { Cookie: cookie })
      expect(again.status).toBe(303)
      expect(again.headers.get('location')).toBe('/')
    }
    const stranger = await go(here.bff, path, { Cookie: used })
    expect(stranger.status).toBe(400)
    expect(await stranger.text()).toContain('already finished')
    expect(here.as.requests.token).toBe(1)
  })

  it('[F-20] finishes two that were begun in two tabs, each with its own way back', async () => {
    const here = await world()
    const a = await begin(here, '?return_to=/a')
    const b = await begin(here, '?return_to=/b')
    expect((await arrive(here, await answered(here, b.url))).headers.get('location')).toBe('/b')
    here.as.signIn('alice')
    expect((await arrive(here, await answered(here, a.url))).headers.get('location')).toBe('/a')
  })

  it('[F-21] refuses a state or a code that comes twice', async () => {
    for (const name of ['state', 'code']) {
      const here = await world()
      const { url } = await begin(here)
      const callback = await answered(here, url)
      callback.searchParams.append(name, 'another-one-than-before')
      expect((await arrive(here, callback)).status).toBe(400)
      expect(here.as.requests.token).toBe(0)
      callback.searchParams.set(name, callback.searchParams.getAll(name)[0] ?? '')
      expect((await arrive(here, callback)).status).toBe(303)
    }
  })

  it('[F-22] takes an answer with code and error for an error', async () => {
    const here = await world()
    const { url } = await begin(here)
    const callback = await answered(here, url)
    callback.searchParams.set('error', 'access_denied')
    const response = await arrive(here, callback)
    expect(response.status).toBe(400)
    expect(here.as.requests.token).toBe(0)
    expect((await who(here.tab)).user).toBeNull()
  })

  it('[F-21 twin][F-22 twin][B-01 twin][F-18 twin][F-20 twin][F-23 twin][F-24 twin] takes one with each once', async () => {
    const here = await world()
    const { url } = await begin(here)
    expect((await arrive(here, await answered(here, url))).status).toBe(303)
  })

  it('[F-23][F-24] redeems nothing for an answer of another issuer, or of none', async () => {
    for (const iss of ['https://evil.example', `${ISSUER}/`, undefined]) {
      const here = await world()
      const { url } = await begin(here)
      const callback = await answered(here, url)
      if (iss) callback.searchParams.set('iss', iss)
      else callback.searchParams.delete('iss')
      expect((await arrive(here, callback)).status).toBe(400)
      expect(here.as.requests.token).toBe(0)
    }
  })

  it('[F-23] believes no refusal of another issuer, or of none', async () => {
    for (const iss of ['https://evil.example', undefined]) {
      const here = await world()
      const { url } = await begin(here, '?prompt=none')
      const callback = await answered(here, url)
      callback.searchParams.delete('code')
      callback.searchParams.set('error', 'login_required')
      if (iss) callback.searchParams.set('iss', iss)
      else callback.searchParams.delete('iss')
      const response = await arrive(here, callback)
      expect(response.status).toBe(400)
      expect(await response.text()).toContain('issuer_mismatch')
    }
  })

  it('[F-25] makes no session of somebody else’s code', async () => {
    const here = await world()
    const mine = await begin(here)
    const stolen = await begin(await Promise.resolve(here))
    const theirs = await answered(here, stolen.url)
    const callback = await answered(here, mine.url)
    callback.searchParams.set('code', theirs.searchParams.get('code') ?? '')
    expect((await arrive(here, callback)).status).toBe(400)
    expect((await who(here.tab)).user).toBeNull()
  })

  it('[F-26][F-25 twin][F-26 twin] makes no session of an ID Token with another nonce, and one of its own', async () => {
    const here = await world()
    here.as.tamper.idToken = (claims, header) => ({ claims: { ...claims, nonce: 'another' }, header })
    const first = await begin(here)
    expect((await arrive(here, await answered(here, first.url))).status).toBe(400)
    expect((await who(here.tab)).user).toBeNull()
    here.as.tamper.idToken = undefined
    const second = await begin(here)
    expect((await arrive(here, await answered(here, second.url))).status).toBe(303)
  })

  it('[F-27][F-27 twin] shows none of the provider’s words, however they are written', async () => {
    const here = await world()
    const { url } = await begin(here)
    const callback = await answered(here, url)
    callback.searchParams.delete('code')
    callback.searchParams.set('error', '<script>alert(1)</script>\r\nSet-Cookie: x=1')
    callback.searchParams.set('error_description', `<img src=x onerror=alert(1)>${'x'.repeat(10_000)}`)
    const response = await arrive(here, callback)
    const text = await response.text()
    expect(response.status).toBe(400)
    expect(text).not.toMatch(/<script|<img|onerror|xxxx/)
    expect(text.length).toBeLessThan(2000)
    expect(text).toContain('role="alert"')
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    // The operator gets them, on one line, without markup, and no more than can be read.
    const [event] = here.events.filter(({ type }) => type === 'sign_in_refused')
    expect(event).toMatchObject({ error: 'unknown', detail: 'img src=x' })
    expect(JSON.stringify(here.events)).not.toMatch(/<|>|xxxx|Set-Cookie/)
  })

  it('answers at /callback, but for its redirect, in a sandbox', async () => {
    const { bff } = await world()
    for (const [query, method] of [
      ['', 'GET'],
      ['?code=x&state=y', 'GET'],
      ['?state=y', 'PUT'],
      ['?a=1&a=1', 'GET'],
    ] as const) {
      const response = await go(bff, `/callback${query}`, {}, { method })
      expect(response.status).toBeGreaterThanOrEqual(400)
      expect(response.headers.get('content-security-policy')).toBe(
        "sandbox; default-src 'none'; frame-ancestors 'none'",
      )
    }
  })

  it('[F-28] says that a sign-in took too long, with a way to begin again', async () => {
    const here = await world()
    const { url } = await begin(here)
    const callback = await answered(here, url)
    here.advance(601)
    const response = await arrive(here, callback)
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('<a href="/bff/login">Sign in again</a>')
  })

  it.each([
    ['answers 500', { status: 500 }],
    ['resets the connection', 'network'],
  ] as const)('[F-29] is temporarily unavailable when the provider %s, no session', async (_name, fault) => {
    const here = await world()
    const { url } = await begin(here)
    const callback = await answered(here, url)
    here.as.fail('token', fault)
    const response = await arrive(here, callback)
    expect(response.status).toBe(503)
    expect(await response.text()).toContain('Please try again in a moment')
    expect((await who(here.tab)).user).toBeNull()
    // The transaction is spent: nobody redeems that code again.
    expect((await arrive(here, callback)).status).toBe(400)
    const next = await begin(here)
    expect((await arrive(here, await answered(here, next.url))).status).toBe(303)
  })

  it('[F-29 twin] says so before anybody is sent away', async () => {
    const here = await world()
    here.as.fail('discovery', { status: 500 })
    const { response } = await begin(here)
    expect(response.status).toBe(503)
    expect(response.headers.get('content-type')).toContain('text/html')
    expect(response.headers.getSetCookie()).toEqual([])
  })

  it('[F-30] keeps the session when somebody else comes back from a step-up', async () => {
    const here = await world()
    await here.tab.navigate(`${APP}/bff/login`)
    const { url } = await begin(here, '?max_age=0')
    here.as.signIn('bob')
    const response = await arrive(here, await answered(here, url))
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('Nothing has changed')
    expect(await who(here.tab)).toMatchObject({ user: { sub: 'alice' } })
    // What the provider gave for bob is of no use to anybody.
    expect(here.as.requests.revocation).toBe(1)
  })

  it('[F-30 twin] has a new session when the same user does', async () => {
    const here = await world()
    await here.tab.navigate(`${APP}/bff/login`)
    const before = here.browser.jar.header(`${APP}/`)
    const { url } = await begin(here, '?max_age=0&acr_values=mfa')
    expect(url.searchParams.get('acr_values')).toBe('mfa')
    expect((await arrive(here, await answered(here, url))).status).toBe(303)
    expect(await who(here.tab)).toMatchObject({ user: { sub: 'alice' } })
    expect(here.browser.jar.header(`${APP}/`)).not.toBe(before)
  })

  it('[F-31][B-04] ends the session that it began in, though its cookie does not come along', async () => {
    const here = await world()
    await here.tab.navigate(`${APP}/bff/login`)
    const old = here.browser.jar.header(`${APP}/`) ?? ''
    const { url } = await begin(here, '?prompt=select_account')
    here.as.signIn('bob')
    expect((await arrive(here, await answered(here, url))).status).toBe(303)
    expect(await who(here.tab)).toMatchObject({ user: { sub: 'bob' } })
    // In a sealed cookie, no other session that may share the grant would be known.
    await expect.poll(() => here.as.requests.revocation).toBe(home === 'a store' ? 1 : 0)
    const copied = await go(here.bff, '/session', {
      'Sallyport-CSRF': '1',
      'Sec-Fetch-Site': 'same-origin',
      Cookie: old,
    })
    expect(await bodyOf(copied)).toMatchObject({ user: null, reason: 'logged_out' })
  })

  it('comes back from a silent sign-in without a session, and says why in the address', async () => {
    const here = await world()
    here.as.signOut()
    const { url } = await begin(here, `?prompt=none&return_to=${encodeURIComponent('/a?b=1#c')}`)
    const response = await arrive(here, await answered(here, url))
    expect(response.status).toBe(303)
    expect(response.headers.get('location')).toBe('/a?b=1&error=login_required#c')
    expect((await who(here.tab)).user).toBeNull()
    here.as.signIn('alice')
    const second = await begin(here, '?prompt=none&return_to=/a')
    expect((await arrive(here, await answered(here, second.url))).headers.get('location')).toBe('/a')
    expect((await who(here.tab)).user.sub).toBe('alice')
  })

  it('is begun by third parties, for this issuer alone', async () => {
    const here = await world()
    const query = `?iss=${encodeURIComponent(ISSUER)}&login_hint=alice&target_link_uri=${encodeURIComponent(`${APP}/x`)}`
    const { url } = await begin(here, query)
    expect(url.searchParams.get('login_hint')).toBe('alice')
    expect((await arrive(here, await answered(here, url))).headers.get('location')).toBe('/x')
    expect((await begin(here, '?iss=https://evil.example')).response.status).toBe(400)
    const form = { method: 'POST', body: query.slice(1) }
    const type = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'cross-site' }
    expect((await go(here.bff, '/login', type, form)).status).toBe(303)
    expect((await go(here.bff, '/login', { ...type, 'Sec-Fetch-Mode': 'cors' }, form)).status).toBe(403)
  })

  it('[B-43] refuses what it knows twice, and passes on nothing that it does not know', async () => {
    const here = await world({ authorizationParams: ['organization'] })
    for (const name of ['prompt', 'iss', 'target_link_uri', 'organization'])
      expect((await begin(here, `?${name}=login&${name}=none`)).response.status, name).toBe(400)
    const known = ['organization=acme', 'ui_locales=de', 'prompt=login']
    const others = [
      'redirect_uri=https://evil.example',
      'scope=admin',
      'state=x',
      'nonce=x',
      'client_id=x',
      'request=x',
    ]
    const { url } = await begin(
      here,
      `?${[...known, ...others, 'utm_source=a', 'utm_source=b', '__proto__=x'].join('&')}`,
    )
    const { url: plain } = await begin(here, `?${known.join('&')}`)
    expect([...url.searchParams.keys()]).toEqual([...plain.searchParams.keys()])
    for (const name of ['redirect_uri', 'scope', 'client_id', 'organization', 'ui_locales', 'prompt'])
      expect(url.searchParams.get(name)).toBe(plain.searchParams.get(name))
    expect(url.searchParams.get('organization')).toBe('acme')
  })

  it.each(['GET', 'POST'] as const)(
    '[B-43 twin] begins a sign-in for a third party that adds parameters of its own (Core section 4), by %s',
    async (method) => {
      const here = await world()
      const query = `iss=${encodeURIComponent(ISSUER)}&login_hint=alice&target_link_uri=${APP}/x&utm_source=mail&lti=1&lti=2`
      const type = { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'cross-site' }
      const led =
        method === 'GET'
          ? await go(here.bff, `/login?${query}`, { 'Sec-Fetch-Site': 'cross-site' })
          : await go(here.bff, '/login', type, { method, body: query })
      const begun =
        method === 'GET'
          ? led
          : await go(here.bff, new URL(led.headers.get('location') ?? '').href.slice(`${APP}/bff`.length))
      for (const line of begun.headers.getSetCookie()) here.browser.jar.set(`${APP}/`, line)
      const response = await arrive(here, await answered(here, new URL(begun.headers.get('location') ?? '')))
      expect([response.status, response.headers.get('location')]).toEqual([303, '/x'])
    },
  )

  it('[B-43 twin] finishes it if the provider’s response has more than is known (RFC 6749 section 4.1.2)', async () => {
    const here = await world()
    const { url } = await begin(here)
    const callback = await answered(here, url)
    for (const [name, value] of [
      ['session_state', 'x'],
      ['vendor', '1'],
      ['vendor', '2'],
    ] as const)
      callback.searchParams.append(name, value)
    expect((await arrive(here, callback)).status).toBe(303)
    // What is known counts once.
    const again = await answered(here, (await begin(here)).url)
    again.searchParams.append('code', 'x')
    expect((await arrive(here, again)).status).toBe(400)
  })

  it('pushes its request where the provider offers that', async () => {
    const here = await world({}, { par: true })
    const { url } = await begin(here)
    expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
    expect((await arrive(here, await answered(here, url))).status).toBe(303)
  })

  it('[B-03][B-03 twin] finishes no sign-in that was begun at another provider', async () => {
    const here = await world()
    const { url } = await begin(here)
    const callback = await answered(here, url)
    // The same keys, another provider: as when an application has one backend for each.
    const foreign = here.another({ issuer: 'https://other.example.net' })
    const cookie = here.browser.jar.header(callback.href, { sameSite: false, navigation: true }) ?? ''
    const response = await go(foreign, callback.pathname.slice(4) + callback.search, { Cookie: cookie })
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('issuer_mismatch')
    expect(here.as.requests.token).toBe(0)
    const second = await begin(here)
    expect((await arrive(here, await answered(here, second.url))).status).toBe(303)
  })

  it('[B-02][B-02 twin] takes no other state than the sealed one', async () => {
    const here = await world()
    const { url } = await begin(here)
    const callback = await answered(here, url)
    const tampered = new URL(callback)
    tampered.searchParams.set('state', `${callback.searchParams.get('state')}x`)
    expect((await arrive(here, tampered)).status).toBe(400)
    expect(here.as.requests.token).toBe(0)
    expect((await arrive(here, callback)).status).toBe(303)
  })

  it('[B-29][B-29 twin] is not run through in another browser: the code’s browser has no transaction', async () => {
    const attacker = await world()
    const { url } = await begin(attacker)
    // The victim signs in at the provider with the attacker's request; the code arrives in the victim's browser.
    const callback = await answered(attacker, url)
    const victim = await go(attacker.bff, callback.pathname.slice(4) + callback.search, {
      'Sec-Fetch-Site': 'cross-site',
    })
    expect(victim.status).toBe(400)
    expect(victim.headers.getSetCookie().join()).not.toContain(`${SESSION}=`)
  })

  it('keeps its cookies to what they are for', async () => {
    const here = await world()
    await begin(here)
    const [transaction] = here.browser.jar.all()
    expect(transaction).toMatchObject({ secure: true, httpOnly: true, sameSite: 'Lax', path: '/', hostOnly: true })
    expect(transaction?.value.length).toBeLessThan(1100)
    // Long ways back make room for each other.
    for (let times = 0; times < 8; times++) await begin(here, `?return_to=/${'a'.repeat(500)}${times}`)
    expect((here.browser.jar.header(`${APP}/`) ?? '').length).toBeLessThan(5000)
  })
})

describe.each(homes)('form_post, with %s', (_home, open) => {
  const world = (options: WorldOptions = {}) => open({ mode: 'proxy', response_mode: 'form_post', ...options })

  async function posted(here: Awaited<ReturnType<typeof world>>) {
    const first = await go(here.bff, '/login?return_to=/x')
    for (const line of first.headers.getSetCookie()) here.browser.jar.set(`${APP}/`, line)
    const page = await (await here.as.fetch(first.headers.get('location') ?? '')).text()
    expect(page).toContain(`action="${CALLBACK}"`)
    const inputs = [...page.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value])
    return new URLSearchParams(inputs as [string, string][])
  }

  const submit = (
    here: Awaited<ReturnType<typeof world>>,
    body: URLSearchParams,
    more: Record<string, string> = {},
  ) => {
    const cookie = here.browser.jar.header(CALLBACK, { sameSite: false, navigation: false })
    const headers = {
      'Sec-Fetch-Site': 'cross-site',
      Origin: ISSUER,
      'Content-Type': 'application/x-www-form-urlencoded',
      ...(cookie && { Cookie: cookie }),
      ...more,
    }
    return go(here.bff, '/callback', headers, { method: 'POST', body: `${body}` })
  }

  it('takes the provider’s form from the browser that began, and from no other', async () => {
    const here = await world()
    const body = await posted(here)
    expect((await submit(here, body, { Cookie: '' })).status).toBe(400)
    expect(here.as.requests.token).toBe(0)
    const answer = await submit(here, body)
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe('/x')
    for (const line of answer.headers.getSetCookie()) here.browser.jar.set(`${APP}/`, line)
    expect((await who(here.tab)).user.sub).toBe('alice')
  })

  it('is the only way then, and query the only one otherwise', async () => {
    const here = await world()
    const body = await posted(here)
    expect((await go(here.bff, `/callback?${body}`)).status).toBe(405)
    expect((await submit(here, body, { 'Sec-Fetch-Mode': 'cors' })).status).toBe(403)
    expect((await submit(here, body)).status).toBe(303)
    const other = await open({ mode: 'proxy' })
    expect((await submit(other, body)).status).toBe(405)
    const transaction = here.browser.jar.all().find(({ name }) => name.includes('.tx.'))
    expect(transaction).toMatchObject({ sameSite: 'None', secure: true, httpOnly: true })
  })

  it('is refused where its cookies could not be', async () => {
    await expect(open({ response_mode: 'form_post' })).rejects.toThrow(/"response_mode"/)
    const loopback = { baseUrl: 'http://localhost:1', loopbackCookies: true }
    await expect(open({ mode: 'proxy', response_mode: 'form_post', ...loopback })).rejects.toThrow(/"response_mode"/)
    await expect(open({ mode: 'proxy', redirect_uris: [`${APP}/x`] })).rejects.toThrow(/"redirect_uris"/)
  })
})

describe.each(homes)('sign-ins that another site begins, with %s', (_home, open) => {
  const from = 'https://evil.example/'

  /** Alice here and on another device, and what opens a session that this browser has ever had. */
  async function twoDevices(options: WorldOptions = {}) {
    const here = await open({ mode: 'proxy', ...options })
    await here.tab.navigate(`${APP}/bff/login`)
    const there = here.device()
    await there.navigate(`${APP}/bff/login`)
    const had: string[] = []
    const keep = () => had.push(here.browser.jar.header(`${APP}/`) ?? '')
    keep()
    const bySession = async (Cookie: string) => {
      const headers = { 'Sallyport-CSRF': '1', Cookie }
      return (await bodyOf(await here.bff.fetch(new Request(`${APP}/bff/session?touch=false`, { headers })))).user
    }
    const live = async () => {
      const users = await Promise.all(had.map(bySession))
      return users.map((user, at) => (user ? at : -1)).filter((at) => at >= 0)
    }
    const foreign = async (path = '/bff/login') => {
      await here.tab.navigate(`${APP}${path}`, { from })
      keep()
    }
    return { ...here, there, had, keep, live, foreign, bySession }
  }

  it.each(['query', 'form_post'] as const)(
    '[B-38] twenty of them leave one session in this browser, and touch no other device (%s)',
    async (response_mode) => {
      const { foreign, live, there, as, bff } = await twoDevices({ response_mode })
      for (let turn = 0; turn < 20; turn++) await foreign()
      expect(await live()).toEqual([20])
      expect((await who(there)).user.sub).toBe('alice')
      await bff.close()
      // They are all of one session at the provider.
      expect(as.requests.revocation).toBe(0)
    },
  )

  it('[B-38] so do forms, and sign-ins that were begun together', async () => {
    const { bff, tab, keep, live, there, browser, as } = await twoDevices()
    for (let turn = 0; turn < 3; turn++) {
      // Not even Lax cookies come along with a form of another site.
      const headers = {
        'Content-Type': 'application/x-www-form-urlencoded',
        'Sec-Fetch-Site': 'cross-site',
        Origin: from,
      }
      const led = await go(bff, '/login', headers, {
        method: 'POST',
        body: `iss=${encodeURIComponent(ISSUER)}&prompt=consent`,
      })
      const location = led.headers.get('location') ?? ''
      expect(location).toBe(`${APP}/bff/login?iss=${encodeURIComponent(ISSUER)}&prompt=consent`)
      await tab.navigate(location, { from })
      keep()
    }
    expect(await live()).toEqual([3])
    // Three begun before any is finished.
    const ways: string[] = []
    for (let turn = 0; turn < 3; turn++) {
      const Cookie = browser.jar.header(`${APP}/bff/login`, { sameSite: false, navigation: true }) ?? ''
      const begun = await go(bff, '/login', { Cookie, 'Sec-Fetch-Site': 'cross-site' })
      for (const line of begun.headers.getSetCookie()) browser.jar.set(`${APP}/`, line)
      ways.push(
        (await as.fetch(new URL(begun.headers.get('location') ?? ''), { redirect: 'manual' })).headers.get(
          'location',
        ) ?? '',
      )
    }
    for (const way of ways) {
      await tab.navigate(way, { from })
      keep()
    }
    expect(await live()).toEqual([6])
    expect((await who(there)).user.sub).toBe('alice')
  })

  it('[B-38] another user’s sign-in there takes the place of the first', async () => {
    const { foreign, live, as, tab, there } = await twoDevices()
    as.signIn('bob')
    await foreign()
    expect(await live()).toEqual([1])
    expect((await who(tab)).user.sub).toBe('bob')
    expect((await who(there)).user.sub).toBe('alice')
  })

  it('[C-27] one that had to make room leads who has a session to the start, and is told to whoever has none', async () => {
    const { bff, browser, as, advance, tab } = await twoDevices()
    const header = () => browser.jar.header(`${APP}/bff/login`, { sameSite: false, navigation: true }) ?? ''
    const ways: string[] = []
    for (let turn = 0; turn < 6; turn++) {
      advance(1)
      const begun = await go(bff, '/login', { Cookie: header(), 'Sec-Fetch-Site': 'cross-site' })
      for (const line of begun.headers.getSetCookie()) browser.jar.set(`${APP}/`, line)
      const { headers } = await as.fetch(new URL(begun.headers.get('location') ?? ''), { redirect: 'manual' })
      ways.push(new URL(headers.get('location') ?? '').search)
    }
    const grants = as.grants.authorization_code
    const led = await go(bff, `/callback${ways[0]}`, { Cookie: header(), 'Sec-Fetch-Site': 'cross-site' })
    expect([led.status, led.headers.get('location'), led.headers.getSetCookie()]).toEqual([303, `${APP}/`, []])
    const stranger = await go(bff, `/callback${ways[0]}`, { 'Sec-Fetch-Site': 'cross-site' })
    expect(stranger.status).toBe(400)
    expect(await stranger.text()).toContain('other sign-ins were started after it')
    expect(as.grants.authorization_code).toBe(grants)
    expect((await who(tab)).user.sub).toBe('alice')
  })

  it('[B-38 twin] the cookie that says so is sealed, Lax, HttpOnly, goes with the session, and opens nothing', async () => {
    const { browser, tab, bySession, advance } = await twoDevices()
    const cookie = browser.jar.all().find(({ name }) => name === `${SESSION}.replaced`)
    const session = browser.jar.all().find(({ name }) => name === SESSION)
    expect(cookie).toMatchObject({
      sameSite: 'Lax',
      httpOnly: true,
      secure: true,
      path: '/',
      expires: session?.expires,
    })
    expect(await bySession(`${cookie?.name}=${cookie?.value}`)).toBeNull()
    expect(await bySession(`${SESSION}=${cookie?.value}`)).toBeNull()
    await call(tab, '/logout')
    expect(browser.jar.all().filter(({ name }) => !name.includes('logout'))).toEqual([])
    advance(1)
  })

  it('[B-38] carried into another browser, planted, torn or doubled, it ends nothing before somebody has signed in', async () => {
    const { browser, bff, live, had, there, as } = await twoDevices()
    const value = browser.jar.all().find(({ name }) => name === `${SESSION}.replaced`)?.value ?? ''
    const replaced = `${SESSION}.replaced=${value}`
    const begun = await go(bff, '/login', { Cookie: replaced, 'Sec-Fetch-Site': 'cross-site' })
    expect(begun.status).toBe(303)
    await go(bff, '/callback?state=x&code=y', { Cookie: replaced, 'Sec-Fetch-Site': 'cross-site' })
    await bff.fetch(
      new Request(`${APP}/bff/logout`, { method: 'POST', headers: { 'Sallyport-CSRF': '1', Cookie: replaced } }),
    )
    expect(await live()).toEqual([0])
    // A completed sign-in with what is no such cookie leaves it alone as well.
    for (const [at, planted] of [
      `${replaced}; ${replaced}`,
      `${replaced}x`,
      `${SESSION}.replaced=`,
      `${SESSION}.replaced=${had[0]?.split('=')[1]}`,
    ].entries()) {
      const first = await go(bff, '/login', { Cookie: planted, 'Sec-Fetch-Site': 'cross-site' })
      const tx = first.headers
        .getSetCookie()
        .map((line) => line.split(';')[0])
        .join('; ')
      const back = new URL(
        (await as.fetch(new URL(first.headers.get('location') ?? ''), { redirect: 'manual' })).headers.get(
          'location',
        ) ?? '',
      )
      const done = await go(bff, `/callback${back.search}`, {
        Cookie: `${tx}; ${planted}`,
        'Sec-Fetch-Site': 'cross-site',
      })
      expect(done.headers.get('location'), `${at}`).toBe('/')
    }
    expect(await live()).toEqual([0])
    expect((await who(there)).user.sub).toBe('alice')
  })
})
