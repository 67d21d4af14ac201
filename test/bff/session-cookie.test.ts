import { type Bff, sessionCookie } from 'sallyport/bff'
import { accessToken, createGuard, type GuardEvent, type Requirements } from 'sallyport/guard'
import { apiKey, createApiKeys } from 'sallyport/keys'
import { memoryStore, type RecordStore } from 'sallyport/store'
import { mockBrowser } from 'sallyport/testing'
import { describe, expect, it } from 'vitest'
import { APP, bodyOf, call, homes, ISSUER, look, randomKey, signIn, stored, type World, world } from '../world.js'

const SESSION = '__Host-Http-sallyport'
const own = { 'Sallyport-CSRF': '1', 'Sec-Fetch-Site': 'same-origin', Origin: APP }
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** An API on the app's own origin, before which the guard stands. */
function guarded(
  { as, bff, now, browser }: World,
  options: Parameters<typeof sessionCookie>[1] = {},
  whose: Bff = bff,
) {
  const events: GuardEvent[] = []
  const keys = createApiKeys({ prefix: 'sp_test', scopes: ['notes:read'], store: memoryStore({ now }), now })
  const protect = createGuard({
    resource: `${APP}/orders`,
    accept: [accessToken({ issuer: ISSUER, fetch: as.fetch }), apiKey(keys), sessionCookie(whose, options)],
    onEvent: (event) => events.push(event),
    now,
  })
  return {
    protect,
    events,
    keys,
    /** Asks by hand, with the cookies of the browser. */
    async ask(requirements: Requirements = {}, headers: Record<string, string> = own, method = 'GET') {
      const Cookie = browser.jar.header(`${APP}/`)
      const request = new Request(`${APP}/orders`, { method, headers: { ...headers, ...(Cookie && { Cookie }) } })
      const outcome = await protect(request, requirements)
      return outcome.ok
        ? { status: 200, principal: outcome.principal, headers: new Headers(), body: undefined }
        : {
            status: outcome.response.status,
            principal: undefined,
            headers: outcome.response.headers,
            body: await bodyOf(outcome.response),
          }
    },
  }
}

const expired = { error: 'session_expired', error_description: 'Nobody is signed in.' }

describe.each(homes)('the session cookie as a credential, with %s', (home, world) => {
  it('[A-52 twin] says who calls: the user, the granted scopes, the claims that the page sees', async () => {
    const it = await world()
    await signIn(it.tab)
    const { ask, events } = guarded(it)
    const { user } = await bodyOf(await look(it.tab, '/session'))
    const { principal } = await ask({ scopes: ['notes:read', 'notes:write'], methods: ['session_cookie'] })
    const { auth_time, iat, ...claims } = principal?.claims ?? {}
    expect(claims).toEqual(user)
    expect([auth_time, iat]).toEqual([1_790_000_000, 1_790_000_000])
    expect(principal).toEqual({
      method: 'session_cookie',
      sub: 'alice',
      iss: ISSUER,
      scopes: ['openid', 'profile', 'email', 'offline_access', 'notes:read', 'notes:write'],
      claims: principal?.claims,
      expiresAt: 1_790_000_000 + 86_400,
    })
    expect(events).toEqual([{ type: 'accepted', method: 'session_cookie', sub: 'alice' }])
    expect((await ask({ scopes: ['notes:delete'] })).body.error).toBe('insufficient_scope')
  })

  it('hands out claims that nobody else reads', async () => {
    const address = { country: 'NZ' }
    const it = await world({ claims: ['address'] }, { users: [{ sub: 'alice', address }] })
    await signIn(it.tab)
    const { ask } = guarded(it)
    const { principal } = await ask()
    expect(() => Object.assign(principal?.claims['address'] as object, { country: 'changed' })).toThrow(TypeError)
    expect(() => Object.assign(principal?.claims as object, { sub: 'bob' })).toThrow(TypeError)
    expect((await ask()).principal?.claims['address']).toEqual(address)
    expect((await bodyOf(await look(it.tab, '/session'))).user.address).toEqual(address)
  })

  it.each(methods)('[A-52][A-52 twin] takes %s from our own page, and from nobody else', async (method) => {
    const it = await world()
    await signIn(it.tab)
    const { ask, events } = guarded(it)
    for (const headers of [
      { 'Sec-Fetch-Site': 'same-origin', Origin: APP },
      { ...own, 'Sallyport-CSRF': 'true' },
      { ...own, 'Sec-Fetch-Site': 'cross-site', Origin: 'https://evil.example' },
      { 'Sallyport-CSRF': '1', Origin: 'https://evil.example' },
      { 'Sallyport-CSRF': '1', 'Sec-Fetch-Site': 'cross-site' },
      { ...own, 'Sec-Fetch-Site': 'same-site', Origin: 'https://blog.example.com' },
      { ...own, Origin: 'null' },
      { ...own, Origin: 'http://app.example.com' },
    ]) {
      const answer = await ask({}, headers, method)
      expect(answer.status).toBe(403)
      expect(answer.body.error).toBe('csrf_required')
      expect(answer.body.error_description).toContain(APP)
      expect(answer.headers.get('set-cookie')).toBeNull()
    }
    expect(events.at(-1)).toEqual({ type: 'refused', status: 403, error: 'csrf_required', method: 'session_cookie' })
    expect((await ask({}, own, method)).principal?.sub).toBe('alice')
    // Browsers without Fetch Metadata are judged by the other two.
    expect((await ask({}, { 'Sallyport-CSRF': '1' }, method)).principal?.sub).toBe('alice')
  })

  it('takes pages of allowedOrigins, exactly those', async () => {
    const admin = 'https://admin.example.com'
    const it = await world({ allowedOrigins: [admin] })
    await signIn(it.tab)
    const { ask } = guarded(it)
    const from = (Origin: string) => ask({}, { 'Sallyport-CSRF': '1', 'Sec-Fetch-Site': 'same-site', Origin })
    expect((await from(admin)).status).toBe(200)
    for (const other of [`${admin}.evil.example`, 'https://blog.example.com', 'http://admin.example.com'])
      expect((await from(other)).body.error, other).toBe('csrf_required')
  })

  it('is a credential only where it is there: without one, everything that is accepted is named', async () => {
    const it = await world()
    const { ask } = guarded(it)
    const answer = await ask()
    expect([answer.status, answer.body.error]).toEqual([401, 'missing_credentials'])
    expect(answer.headers.get('www-authenticate')).toBe('Bearer, Cookie')
  })

  it('[B-12] is refused in one way when it is junk, doubled, of another backend, or of nobody', async () => {
    const it = await world()
    await signIn(it.tab)
    const { browser } = it
    const { protect, events } = guarded(it)
    const good = browser.jar.header(`${APP}/`) ?? ''
    const resultOf = async (Cookie: string) => {
      const outcome = await protect(new Request(`${APP}/orders`, { headers: { ...own, Cookie } }))
      return outcome.ok ? 'accepted' : [outcome.response.status, await bodyOf(outcome.response)]
    }
    const stranger = await world()
    await signIn(stranger.tab)
    for (const cookie of [
      `${SESSION}=`,
      `${SESSION}=junk`,
      `${SESSION}=${'a'.repeat(43)}`,
      `${SESSION}=${'a'.repeat(100_000)}`,
      `${SESSION}=planted; ${good}`,
      stranger.browser.jar.header(`${APP}/`) ?? '',
    ])
      expect(await resultOf(cookie), cookie.slice(0, 40)).toEqual([401, expired])
    expect(events.every(({ type }) => type === 'refused')).toBe(true)
    expect(await resultOf(good)).toBe('accepted')
    expect(await resultOf(`sallyport=planted; ${good}`)).toBe('accepted')
    expect((await bodyOf(await call(it.tab, '/session'))).user.sub).toBe('alice')
  })

  it('[B-05][B-05 twin] ends with a sign-out, on the next request, also where it was copied', async () => {
    const it = await world()
    await signIn(it.tab)
    const { protect, ask, events } = guarded(it)
    const copied = new Request(`${APP}/orders`, { headers: { ...own, Cookie: it.browser.jar.header(`${APP}/`) ?? '' } })
    expect((await protect(copied)).ok).toBe(true)
    await call(it.tab, '/logout')
    const outcome = await protect(copied)
    expect(outcome.ok ? 200 : await bodyOf(outcome.response)).toEqual(expired)
    expect(events.at(-1)).toMatchObject({ status: 401, error: 'session_expired', detail: 'logged_out' })
    await signIn(it.tab)
    expect((await ask()).status).toBe(200)
  })

  it('[B-24][B-24 twin] ends with the absolute lifetime', async () => {
    const it = await world({ absoluteTimeout: 3600 })
    await signIn(it.tab)
    const { ask } = guarded(it)
    expect((await ask()).principal?.expiresAt).toBe(1_790_003_600)
    it.advance(3599)
    expect((await ask()).status).toBe(200)
    it.advance(1)
    const answer = await ask()
    expect([answer.status, answer.body]).toEqual([401, expired])
    expect(answer.headers.get('set-cookie')).toBeNull()
  })

  it(`ends when idle, and its own calls ${home === 'a store' ? 'count as use' : 'are no use'}`, async () => {
    const it = await world({ idleTimeout: 600 })
    await signIn(it.tab)
    const { ask } = guarded(it)
    it.advance(599)
    expect((await ask()).principal?.expiresAt).toBe(home === 'a store' ? 1_790_001_199 : 1_790_000_600)
    it.advance(599)
    expect((await ask()).status).toBe(home === 'a store' ? 200 : 401)
    it.advance(601)
    expect((await ask()).body).toEqual(expired)
    const { reason } = await bodyOf(await look(it.tab, '/session'))
    expect(reason).toBe('expired')
  })

  it('slides nothing for a request that another page has made', async () => {
    const it = await world({ idleTimeout: 600 })
    await signIn(it.tab)
    const { ask } = guarded(it)
    it.advance(599)
    expect((await ask({}, { ...own, 'Sec-Fetch-Site': 'cross-site' })).status).toBe(403)
    it.advance(2)
    expect((await ask()).status).toBe(401)
  })

  it('asks the provider nothing: not for a token that has run out, nor about a session that has', async () => {
    const it = await world({ absoluteTimeout: 3600 })
    await signIn(it.tab)
    const { ask } = guarded(it)
    const before = JSON.stringify(it.as.requests)
    it.as.fail('token', { status: 500 })
    it.advance(3599)
    expect((await ask()).status).toBe(200)
    it.advance(3600)
    expect((await ask()).status).toBe(401)
    await it.bff.close()
    expect(JSON.stringify(it.as.requests)).toBe(before)
  })

  it('tells of the sign-in, for routes that want a stronger or fresher one', async () => {
    const it = await world()
    await signIn(it.tab, { acr_values: 'urn:example:mfa' })
    const { ask } = guarded(it)
    expect((await ask({ acr: ['urn:example:mfa'], maxAge: 300 })).status).toBe(200)
    const weak = await ask({ acr: ['urn:example:phishing-resistant'] })
    expect(weak.headers.get('www-authenticate')).toMatch(
      /^Cookie error="insufficient_user_authentication".* acr_values="urn:example:phishing-resistant"$/,
    )
    it.advance(301)
    const stale = await ask({ maxAge: 300 })
    expect([stale.status, stale.body.error]).toEqual([401, 'insufficient_user_authentication'])
    expect(stale.headers.get('www-authenticate')).toContain('max_age="300"')
    await signIn(it.tab, { max_age: '300' })
    expect((await ask({ maxAge: 300 })).status).toBe(200)
    // The page has no need to see either.
    const { user } = await bodyOf(await look(it.tab, '/session'))
    expect(user).not.toHaveProperty('acr')
    expect(user).not.toHaveProperty('auth_time')
  })

  it('names the tenant, by the claim that the backend keeps', async () => {
    const users = [{ sub: 'alice', tenant: 'acme', org_id: 'org_1' }]
    const it = await world({ claims: ['tenant', 'org_id'] }, { users })
    await signIn(it.tab)
    expect((await guarded(it).ask({ tenant: 'acme' })).status).toBe(200)
    expect((await guarded(it).ask({ tenant: 'org_1' })).body.error).toBe('tenant_mismatch')
    expect((await guarded(it, { tenantClaim: 'org_id' }).ask({ tenant: 'org_1' })).status).toBe(200)
    const without = await world({}, { users })
    await signIn(without.tab)
    expect((await guarded(without).ask({ tenant: 'acme' })).body.error).toBe('tenant_mismatch')
    expect(() => sessionCookie(without.bff, { tenantClaim: 'org_id' })).toThrow(/"tenantClaim".*add it to "claims"/)
  })

  it('gives way to what was sent on purpose, and stands in for none that fails', async () => {
    const it = await world({ resources: { [`${APP}/orders`]: { scopes: ['notes:read'] } } })
    await signIn(it.tab)
    const { ask, keys } = guarded(it)
    const { key } = await keys.create({ owner: 'script', name: 'nightly', tenant: 'acme', scopes: ['notes:read'] })
    expect((await ask({}, { ...own, 'X-API-Key': key })).principal).toMatchObject({ method: 'api_key', sub: 'script' })
    const { access_token } = await bodyOf(await signIn(it.tab, { resource: `${APP}/orders` }))
    expect((await ask({}, { Authorization: `Bearer ${access_token}` })).principal?.method).toBe('access_token')
    for (const headers of [
      { Authorization: 'Bearer junk' },
      { Authorization: `Bearer ${access_token}x` },
      { Authorization: 'Basic eDp5' },
      { 'X-API-Key': `${key}x` },
    ]) {
      const answer = await ask({}, { ...own, ...(headers as Record<string, string>) })
      expect([401, 403]).toContain(answer.status)
      expect(answer.body.error).toMatch(/^invalid_/)
    }
    expect((await ask()).principal?.method).toBe('session_cookie')
  })

  it('has the name that the backend gives it, and no other', async () => {
    const it = await world({ name: 'admin' })
    await signIn(it.tab)
    expect((await guarded(it).ask()).principal?.sub).toBe('alice')
    const cookies = it.browser.jar.header(`${APP}/`) ?? ''
    expect(cookies).toContain('__Host-Http-admin=')
    const other = await world()
    const outcome = await guarded(other).protect(new Request(`${APP}/orders`, { headers: { ...own, Cookie: cookies } }))
    expect(outcome.ok ? 200 : (await bodyOf(outcome.response)).error).toBe('missing_credentials')
  })

  it('works with the cookies of development on loopback', async () => {
    const local = 'http://localhost:3000'
    const client_secret = randomKey()
    const clients = [{ client_id: 'notes', client_secret, redirect_uris: [`${local}/bff/callback`] }]
    const it = await world({ baseUrl: local, loopbackCookies: true, mode: 'proxy', client_secret }, { clients })
    const { bff, as, now } = it
    const browser = mockBrowser({ now, origins: { [local]: bff.fetch, [ISSUER]: as.fetch } })
    await browser.newTab(`${local}/`).navigate(`${local}/bff/login`)
    const { protect } = guarded(it)
    const headers = { 'Sallyport-CSRF': '1', Origin: local, Cookie: browser.jar.header(`${local}/`) ?? '' }
    expect(headers.Cookie).toMatch(/^3000\.sallyport=/)
    expect((await protect(new Request(`${local}/orders`, { headers }))).ok).toBe(true)
    expect((await protect(new Request(`${local}/orders`, { headers: { ...headers, Origin: APP } }))).ok).toBe(false)
  })

  it('comes from a browser by itself, and counts for our own page alone', async () => {
    const it = await world()
    const { protect } = guarded(it)
    const orders = protect.handler({ scopes: ['notes:read'] }, (_request, { sub }) => Response.json({ sub }))
    const app = (request: Request) =>
      new URL(request.url).pathname === '/orders' ? orders(request) : it.bff.fetch(request)
    const sibling = 'https://blog.example.com'
    const browser = mockBrowser({
      now: it.now,
      origins: { [APP]: app, [ISSUER]: it.as.fetch, [sibling]: () => new Response() },
    })
    const tab = browser.newTab(`${APP}/`)
    await signIn(tab)
    const headers = { 'Sallyport-CSRF': '1' }
    const answer = await tab.fetch(`${APP}/orders`, { method: 'POST', headers })
    expect([answer.status, await answer.json()]).toEqual([200, { sub: 'alice' }])
    // Neither a call without the header nor a navigation, which cannot send it.
    expect((await tab.fetch('/orders')).status).toBe(403)
    expect((await tab.navigate(`${APP}/orders`)).response.status).toBe(403)
    const other = browser.newTab(`${sibling}/`)
    await expect(other.fetch(`${APP}/orders`, { headers, credentials: 'include' })).rejects.toThrow('Failed to fetch')
  })
})

describe('the session cookie as a credential, over a store', () => {
  it('[B-25][B-25 twin] ends with the sessions that an administrator ends, in every process', async () => {
    const it = await stored()
    await signIn(it.tab)
    const { ask } = guarded(it, {}, it.another())
    expect((await ask()).status).toBe(200)
    expect(await it.bff.endSessions({ sub: 'alice' })).toBe(1)
    expect((await ask()).body).toEqual(expired)
  })

  it('is 503 when the store is down: nothing is decided, nothing is cleared', async () => {
    const inner = memoryStore({ now: () => 1_790_000_000 })
    let down = false
    const store: RecordStore = {
      ...inner,
      get: (id) => (down ? Promise.reject(new Error('ECONNREFUSED')) : inner.get(id)),
    }
    const it = await world({ store })
    await signIn(it.tab)
    const { ask, events } = guarded(it)
    down = true
    const answer = await ask()
    expect([answer.status, answer.body.error]).toEqual([503, 'temporarily_unavailable'])
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(answer.headers.get('set-cookie')).toBeNull()
    expect(events.at(-1)).toMatchObject({ status: 503, detail: 'store_unavailable' })
    // Without its header the store is not even asked.
    expect((await ask({}, {})).status).toBe(403)
    down = false
    expect((await ask()).status).toBe(200)
  })
})

describe('sessionCookie()', () => {
  it('wants what createBff() returned', async () => {
    const { bff } = await world()
    expect(() => sessionCookie({ ...bff })).toThrow(/"bff" must be what createBff/)
    expect(sessionCookie(bff)).toMatchObject({ method: 'session_cookie', explicit: false })
  })
})
