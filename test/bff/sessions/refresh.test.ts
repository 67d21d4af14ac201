import { describe, expect, it, vi } from 'vitest'
import { sha256 } from '../../../src/crypto/hash.js'
import { API, APP, bodyOf, call, homes, look, refresh, signIn, stored, world } from '../../world.js'

const OTHER = 'https://other.example.com'

const oauth = (error: string, more: Record<string, unknown> = {}) => ({
  status: 400,
  body: JSON.stringify({ error, ...more }),
  headers: { 'Content-Type': 'application/json' },
})

describe.each(homes)('refreshing, with %s', (home, world) => {
  it('serves the token that there is while it is good enough', async () => {
    const { tab, advance, as } = await world()
    const { access_token } = await bodyOf(await signIn(tab))
    advance(100)
    const answer = await bodyOf(await refresh(tab))
    expect(answer).toMatchObject({ access_token, expires_in: 200 })
    expect(Object.keys(answer).sort()).toEqual(['access_token', 'expires_in', 'scope', 'token_type'])
    expect(as.grants.refresh_token ?? 0).toBe(0)
  })

  it('[F-63][F-63 twin] counts at most half of a token’s lifetime as wanted validity: no storm', async () => {
    const { tab, advance, as } = await world({}, { accessTokenLifetime: 20 })
    await signIn(tab)
    advance(9)
    await refresh(tab, { min_validity: '3600' })
    expect(as.grants.refresh_token ?? 0).toBe(0)
    advance(2)
    for (let at = 0; at < 10; at++) await refresh(tab, { min_validity: '3600' })
    expect(as.grants.refresh_token).toBe(1)
  })

  it('[B-13][B-13 twin][C-13][C-13 twin][F-51][F-51 twin][F-52 twin][F-53 twin] makes one grant for a hundred callers, and all get the same token', async () => {
    const { tab, advance, as } = await world()
    await signIn(tab)
    advance(290)
    const answers = await Promise.all(Array.from({ length: 100 }, () => refresh(tab).then(bodyOf)))
    expect(new Set(answers.map(({ access_token }) => access_token)).size).toBe(1)
    expect(as.grants.refresh_token).toBe(1)
    advance(290)
    expect((await refresh(tab)).status).toBe(200)
    expect(as.grants.refresh_token).toBe(2)
  })

  it('[F-53] finishes and keeps what it got when the caller hangs up', async () => {
    const { tab, advance, as, bff, browser } = await world()
    await signIn(tab)
    advance(290)
    const gate = as.delay('token')
    const abort = new AbortController()
    const headers = {
      'Sallyport-CSRF': '1',
      Cookie: browser.jar.header(`${APP}/`) ?? '',
      'Content-Type': 'application/x-www-form-urlencoded',
    }
    const hung = bff.fetch(
      new Request(`${APP}/bff/token`, {
        method: 'POST',
        headers,
        body: 'grant_type=refresh_token',
        signal: abort.signal,
      }),
    )
    await vi.waitFor(() => expect(as.requests.token).toBe(2))
    abort.abort()
    const second = refresh(tab)
    gate.release()
    await hung
    expect((await second).status).toBe(200)
    expect(as.grants.refresh_token).toBe(1)
  })

  it('[S-24][F-61][F-61 twin] serialises callers for different resources, and gives each its own token', async () => {
    const { tab, as } = await world()
    await signIn(tab, {
      scope: 'openid offline_access notes:read notes:write other:read',
      resource: [API, 'https://other.example.com'],
    })
    const [a, b] = await Promise.all([
      refresh(tab, { resource: API, scope: 'notes:read' }).then(bodyOf),
      refresh(tab, { resource: 'https://other.example.com', scope: 'other:read' }).then(bodyOf),
    ])
    expect(a.scope).toBe('notes:read')
    expect(b.scope).toBe('other:read')
    expect(a.access_token).not.toBe(b.access_token)
    expect(as.grants.refresh_token).toBe(2)
    expect((await bodyOf(await refresh(tab, { resource: API, scope: 'notes:read' }))).access_token).toBe(a.access_token)
  })

  it('[F-62][F-62 twin] never answers with more scope than was asked for', async () => {
    const { tab, as } = await world()
    await signIn(tab)
    expect((await bodyOf(await refresh(tab, { scope: 'notes:read' }))).scope).toBe('notes:read')
    as.tamper.tokenResponse = (json) => ({ ...json, scope: 'openid notes:read notes:write' })
    expect((await bodyOf(await refresh(tab, { scope: 'notes:write' }))).error).toBe('invalid_scope')
    as.tamper.tokenResponse = undefined
    // The refresh token that came with it is kept: the session goes on.
    expect((await bodyOf(await refresh(tab, { scope: 'notes:write' }))).scope).toBe('notes:write')
  })

  it('refuses what is not configured before anything goes upstream', async () => {
    const { tab, as } = await world()
    await signIn(tab)
    const before = as.requests.token
    expect((await bodyOf(await refresh(tab, { scope: 'admin' }))).error).toBe('invalid_scope')
    expect((await bodyOf(await refresh(tab, { resource: 'https://evil.example' }))).error).toBe('invalid_target')
    expect((await bodyOf(await call(tab, '/session', { scope: 'admin' }))).error).toBe('invalid_scope')
    expect(as.requests.token).toBe(before)
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })

  it('renews a token that an API refused, but not a young one', async () => {
    const { tab, advance, as } = await world()
    const { access_token } = await bodyOf(await signIn(tab))
    const refused = await sha256(access_token)
    advance(9)
    expect((await bodyOf(await refresh(tab, { refused }))).access_token).toBe(access_token)
    advance(1)
    const renewed = await bodyOf(await refresh(tab, { refused }))
    expect(renewed.access_token).not.toBe(access_token)
    // A page that lags behind and still refuses the old one gets the new one.
    expect((await bodyOf(await refresh(tab, { refused }))).access_token).toBe(renewed.access_token)
    expect(as.grants.refresh_token).toBe(1)
  })

  it('refuses a page that shows somebody else', async () => {
    const { tab } = await world()
    await signIn(tab)
    expect(await bodyOf(await refresh(tab, { sub: 'bob' }))).toMatchObject({
      error: 'invalid_grant',
      reason: 'user_changed',
    })
    expect((await refresh(tab, { sub: 'alice' })).status).toBe(200)
  })

  it.each([
    ['500', { status: 500 }],
    ['503 with Retry-After', { status: 503, headers: { 'Retry-After': '7' } }],
    ['429', { status: 429, headers: { 'Retry-After': '7' } }],
    ['408', { status: 408 }],
    ['HTML 403', { status: 403, body: '<h1>Blocked</h1>', headers: { 'Content-Type': 'text/html' } }],
    ['a reset', 'network' as const],
    ['a refused connection', 'refused' as const],
  ])('[B-15][C-18][F-58] keeps the session through %s, and says when to come back', async (_name, fault) => {
    const { tab, advance, as, browser } = await world()
    await signIn(tab)
    advance(301)
    as.fail('token', fault)
    const before = browser.jar.header(`${APP}/`)
    const response = await refresh(tab)
    expect(response.status).toBe(503)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await bodyOf(response)).error).toBe('temporarily_unavailable')
    expect(browser.jar.header(`${APP}/`)).toBe(before)
    // Nobody asks before the wait is over.
    const asked = as.requests.token
    await refresh(tab)
    expect(as.requests.token).toBe(asked)
    advance(10)
    expect((await refresh(tab)).status).toBe(200)
  })

  it('[B-15 twin][C-18 twin][F-58 twin][S-31] serves a token that is still good through an outage', async () => {
    const { tab, advance, as } = await world()
    const { access_token } = await bodyOf(await signIn(tab))
    advance(280)
    as.fail('token', { status: 500 }, { times: 5 })
    expect((await bodyOf(await refresh(tab))).access_token).toBe(access_token)
  })

  it('tells the page load that somebody is signed in though no token can be had', async () => {
    const { tab, advance, as } = await world()
    await signIn(tab)
    advance(301)
    as.fail('token', { status: 503, headers: { 'Retry-After': '7' } })
    const body = await bodyOf(await call(tab, '/session'))
    expect(body).toMatchObject({
      user: { sub: 'alice' },
      token_error: { error: 'temporarily_unavailable', retry_after: 7 },
    })
    expect(body.token).toBeUndefined()
  })

  it('[B-14][C-17][F-57][F-56 twin][S-26] ends the session, once, when the provider has revoked it', async () => {
    const { tab, advance, as, browser, events } = await world()
    await signIn(tab)
    as.revoke('alice')
    advance(301)
    expect(await bodyOf(await refresh(tab))).toMatchObject({ error: 'invalid_grant', reason: 'revoked' })
    expect(browser.jar.all()).toEqual([])
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
    expect(events.filter(({ type }) => type === 'signed_out')).toHaveLength(1)
    expect(as.requests.token).toBe(2)
  })

  it('[B-14 twin][C-17 twin][F-57 twin] goes on when it has not', async () => {
    const { tab, advance } = await world()
    await signIn(tab)
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
  })

  it('says “lost”, not “revoked”, when an answer never came and the provider had rotated', async () => {
    const { tab, advance, as } = await world()
    await signIn(tab)
    advance(301)
    as.fail('token', 'lost')
    expect((await refresh(tab)).status).toBe(503)
    advance(10)
    expect(await bodyOf(await refresh(tab))).toMatchObject({ error: 'invalid_grant', reason: 'refresh_lost' })
  })

  it('[F-59][F-59 twin] keeps the session and calls the operator when the client is refused', async () => {
    const { tab, advance, as, eventTypes } = await world()
    await signIn(tab)
    advance(301)
    as.fail('token', {
      status: 401,
      body: '{"error":"invalid_client"}',
      headers: { 'Content-Type': 'application/json' },
    })
    const response = await refresh(tab)
    expect(response.status).toBe(503)
    expect((await bodyOf(response)).error).toBe('operator_error')
    expect(eventTypes()).toContain('operator_error')
    advance(60)
    expect((await refresh(tab)).status).toBe(200)
  })

  it('[S-27][S-27 twin] tries an answer that is no answer once more, and ends only then, as rejected', async () => {
    const { tab, advance, as } = await world()
    await signIn(tab)
    advance(301)
    as.fail('token', { status: 400, body: '' }, { times: 1 })
    expect((await refresh(tab)).status).toBe(503)
    advance(60)
    expect((await refresh(tab)).status).toBe(200)
    advance(301)
    as.fail('token', { status: 400, body: '' }, { times: 2 })
    expect((await refresh(tab)).status).toBe(503)
    advance(60)
    expect(await bodyOf(await refresh(tab))).toMatchObject({ error: 'invalid_grant', reason: 'refresh_rejected' })
  })

  it('[S-37][S-37 twin][F-64][F-64 twin] ends the session when the answer is about another user', async () => {
    const { tab, advance, as } = await world()
    await signIn(tab)
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
    as.tamper.idToken = (claims, header) => ({ claims: { ...claims, sub: 'mallory' }, header })
    advance(301)
    expect((await bodyOf(await refresh(tab))).error).toBe('invalid_grant')
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
  })

  it('takes what says that it is a logout token for no ID Token, and keeps the tokens that it came with', async () => {
    const { tab, advance, as, events } = await world()
    await signIn(tab)
    for (const changed of [{}, { sub: 'bob' }]) {
      as.tamper.idToken = (claims, header) => ({
        claims: { ...claims, ...changed },
        header: { ...header, typ: 'logout+jwt' },
      })
      advance(301)
      expect((await refresh(tab)).status).toBe(200)
      expect(events).toContainEqual({ type: 'id_token_refused', claim: 'typ' })
      events.length = 0
    }
    as.tamper.idToken = (claims, header) => ({ claims, header: { ...header, typ: 'JWT' } })
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
    expect(events).not.toContainEqual({ type: 'id_token_refused', claim: 'typ' })
  })

  it('[F-60] keeps the refresh token when none comes back, and records a shorter scope', async () => {
    const { tab, advance, as } = await world({}, { leeway: 600 })
    await signIn(tab)
    as.tamper.tokenResponse = ({ refresh_token: _, ...json }) => ({ ...json, scope: 'openid notes:read' })
    advance(301)
    expect((await bodyOf(await refresh(tab))).scope).toBe('openid notes:read')
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
  })

  it('[B-28][B-28 twin] lets a slow old cookie bring back neither an older refresh token nor a session', async () => {
    const { tab, advance, browser, as } = await world()
    await signIn(tab)
    const old = browser.jar.all()
    const restore = () => {
      for (const { name, value } of old)
        browser.jar.set(`${APP}/`, `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    }
    advance(301)
    const { access_token } = await bodyOf(await refresh(tab))
    // The answer to an older request arrives last, and its cookie replaces the newer one.
    restore()
    expect((await bodyOf(await refresh(tab))).access_token).toBe(access_token)
    advance(301)
    restore()
    expect((await refresh(tab)).status).toBe(200)
    expect(as.grants.refresh_token).toBe(2)
    await call(tab, '/logout')
    restore()
    expect(await bodyOf(await look(tab, '/session'))).toMatchObject({ user: null, reason: 'logged_out' })
  })

  it('[S-38][S-38 twin][F-46][F-46 twin] lets sign-out win over a refresh in flight, and revokes what that brought', async () => {
    const { tab, advance, as } = await world()
    await signIn(tab)
    advance(301)
    const gate = as.delay('token')
    const late = refresh(tab)
    await vi.waitFor(() => expect(as.requests.token).toBe(2))
    // The old refresh token cannot be revoked now, so the provider still answers with a new one.
    as.fail('revocation', { status: 500 })
    await call(tab, '/logout')
    gate.release()
    expect(await bodyOf(await late)).toMatchObject({ error: 'invalid_grant', reason: 'logged_out' })
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
    expect(as.requests.revocation).toBe(2)
    await signIn(tab)
    expect((await refresh(tab)).status).toBe(200)
  })

  it('[S-38][F-46] gives nothing to a request that was reading its cookies while the user signed out', async () => {
    const { bff, browser, tab, as, advance } = await world()
    await signIn(tab)
    advance(301)
    as.fail('revocation', { status: 500 }, { times: 9 })
    const headers = {
      'Sallyport-CSRF': '1',
      Cookie: browser.jar.header(`${APP}/`) ?? '',
      'Content-Type': 'application/x-www-form-urlencoded',
    }
    const post = (path: string, body: string) =>
      bff.fetch(new Request(`${APP}/bff${path}`, { method: 'POST', headers, body }))
    // In every order that the two can be read in.
    const answers = await Promise.all([
      post('/logout', ''),
      ...Array.from({ length: 20 }, () => post('/token', 'grant_type=refresh_token')),
    ])
    const late = await post('/token', 'grant_type=refresh_token')
    expect((await bodyOf(late)).error).toBe('invalid_grant')
    for (const answer of answers.slice(1)) if (answer.ok) expect(as.grants.refresh_token).toBe(1)
    expect((await bodyOf(await post('/session', ''))).user).toBeNull()
  })

  it('keeps a bounded number of kinds of token', async () => {
    const scopes = Array.from({ length: 20 }, (_, at) => `s${at}`)
    const { tab, as } = await world({ scope: ['openid offline_access', ...scopes].join(' '), resources: {} })
    await signIn(tab, { scope: ['openid offline_access', ...scopes].join(' ') })
    for (const scope of scopes) await refresh(tab, { scope })
    expect(as.grants.refresh_token).toBe(20)
    await refresh(tab, { scope: 's19' })
    await refresh(tab)
    expect(as.grants.refresh_token).toBe(20)
    await refresh(tab, { scope: 's0' })
    expect(as.grants.refresh_token).toBe(21)
  })

  it('survives a restart', async () => {
    const { tab, restart, as } = await world()
    await signIn(tab)
    restart()
    const body = await bodyOf(await call(tab, '/session'))
    expect(body.user.sub).toBe('alice')
    expect(body.token.access_token).toBeTruthy()
    // A sealed cookie holds the refresh token; a store the access token too.
    expect(as.grants.refresh_token).toBe(home === 'a store' ? 0 : 1)
  })

  it('leaves a provider alone, for all sessions, that failed three of them with none served between', async () => {
    const { as, advance, tab, device } = await world()
    const [second, third, fourth] = [device(), device(), device()]
    for (const one of [tab, second, third, fourth]) await signIn(one)
    advance(301)
    as.fail('token', 'network', { times: 4 })
    for (const one of [tab, second, third]) expect((await refresh(one)).status).toBe(503)
    const asked = as.requests.token
    expect((await refresh(fourth)).status).toBe(503)
    expect(as.requests.token).toBe(asked)
    advance(31)
    // What was under way fails, and it goes on to be left alone; then it is back.
    expect((await refresh(fourth)).status).toBe(503)
    expect((await refresh(tab)).status).toBe(503)
    expect(as.requests.token).toBe(asked + 1)
    advance(31)
    for (const one of [tab, fourth]) expect((await refresh(one)).status).toBe(200)
  })

  it('[B-34 twin] leaves it alone for nobody else while others are served between', async () => {
    const { as, advance, tab, device } = await world()
    const tabs = Array.from({ length: 5 }, () => device())
    for (const one of [tab, ...tabs]) await signIn(one)
    advance(301)
    for (const [at, one] of tabs.entries()) {
      if (at === 2) expect((await refresh(tab)).status).toBe(200)
      as.fail('token', { status: 500 })
      expect((await refresh(one)).status).toBe(503)
    }
  })

  it.each([
    ['a 429 that asks for an hour', { status: 429, headers: { 'Retry-After': '3600' } }],
    ['500', { status: 500 }],
    ['a reset', 'network' as const],
    ['an odd 400', { status: 400 }],
    ['400 access_denied', oauth('access_denied')],
    ['a refused client', { ...oauth('invalid_client'), status: 401 }],
    ['an answer that cannot be read', { status: 200, body: '{' }],
  ])('[B-34] lets others renew after %s, thirty times, for one session', async (_name, fault) => {
    const { as, advance, tab, device } = await world()
    const other = device()
    for (const one of [tab, other]) await signIn(one)
    advance(301)
    for (let at = 0; at < 30; at++) {
      advance(61)
      as.fail('token', fault)
      // What is odd twice ends the session that it was said to.
      if ((await refresh(tab)).status === 400) break
    }
    expect((await refresh(other)).status).toBe(200)
  })

  it('[B-34] is not kept waiting for more than a minute by one header', async () => {
    const { as, advance, tab } = await world()
    await signIn(tab)
    advance(301)
    as.fail('token', { status: 429, headers: { 'Retry-After': '3600' } })
    const refused = await refresh(tab)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '60'])
    advance(59)
    expect((await refresh(tab)).status).toBe(503)
    advance(1)
    expect((await refresh(tab)).status).toBe(200)
  })

  it.each([
    ['interaction_required', oauth('interaction_required'), 400, 'interaction_required'],
    ['consent_required', oauth('consent_required'), 400, 'interaction_required'],
    ['Entra’s way to say so', oauth('invalid_grant', { suberror: 'consent_required' }), 400, 'interaction_required'],
    ['a refusal by policy', oauth('access_denied'), 400, 'invalid_target'],
    ['429', { status: 429, headers: { 'Retry-After': '3600' } }, 503, 'temporarily_unavailable'],
    ['an empty 400', { status: 400 }, 503, 'operator_error'],
  ])('[B-34] takes %s for a further API as a word about that API alone', async (_name, fault, status, error) => {
    const { as, advance, tab, device } = await world()
    const other = device()
    const both = { scope: 'openid offline_access notes:read other:read', resource: [API, OTHER] }
    await signIn(tab, both)
    await signIn(other, both)
    const further = { resource: OTHER, scope: 'other:read' }
    for (let at = 0; at < 5; at++) {
      as.fail('token', fault)
      const refused = await refresh(tab, further)
      expect([refused.status, (await bodyOf(refused)).error]).toEqual([status, error])
      advance(61)
    }
    as.fail('token', fault)
    await refresh(tab, further)
    // Its own default token, at once, and the same API for somebody else.
    expect((await refresh(tab)).status).toBe(200)
    expect((await refresh(other, further)).status).toBe(200)
    advance(61)
    expect((await refresh(tab, further)).status).toBe(200)
  })
})

describe('refreshing with sealed cookies in two processes', () => {
  it('[F-66] tells a second process that has lost the race so, and changes nothing', async () => {
    const { tab, advance, browser, another, as } = await world()
    await signIn(tab)
    advance(301)
    const cookie = browser.jar.header(`${APP}/`) ?? ''
    const headers = { 'Sallyport-CSRF': '1', Cookie: cookie, 'Content-Type': 'application/x-www-form-urlencoded' }
    const ask = () =>
      second.fetch(new Request(`${APP}/bff/token`, { method: 'POST', headers, body: 'grant_type=refresh_token' }))
    const second = another()
    expect((await refresh(tab)).status).toBe(200)
    const lost = await ask()
    expect(lost.status).toBe(409)
    expect(lost.headers.get('retry-after')).toBe('1')
    expect((await bodyOf(lost)).error).toBe('refresh_race')
    expect(lost.headers.get('set-cookie')).toBeNull()
    // The same old cookie again: nobody has a newer one, the provider means it.
    expect(await bodyOf(await ask())).toMatchObject({ error: 'invalid_grant', reason: 'revoked' })
    expect(as.grants.refresh_token).toBe(1)
  })

  it('[F-56] stores nothing that was got by spending an older generation than the one that has come meanwhile', async () => {
    const { bff, tab, advance, browser, another, as } = await world({}, { leeway: 600 })
    await signIn(tab)
    advance(301)
    const second = another()
    const ask = (at: typeof bff, path: string, body: string) => {
      const headers = {
        'Sallyport-CSRF': '1',
        Cookie: browser.jar.header(`${APP}/`) ?? '',
        'Content-Type': 'application/x-www-form-urlencoded',
      }
      return at.fetch(new Request(`${APP}/bff${path}`, { method: 'POST', headers, body }))
    }
    // The first process has spent generation 0, and its answer is on the way.
    const slow = as.delay('token')
    const first = ask(bff, '/token', 'grant_type=refresh_token')
    await vi.waitFor(() => expect(as.requests.token).toBe(2))
    as.delay('token').release()
    // The second process is faster: the browser has generation 1, and shows it to the first.
    const fast = await ask(second, '/token', 'grant_type=refresh_token')
    for (const cookie of fast.headers.getSetCookie()) browser.jar.set(`${APP}/`, cookie)
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
    slow.release()
    expect((await first).status).toBe(200)
    // 0 twice, and 1 once: the session goes on from there, in either process.
    expect(as.grants.refresh_token).toBe(3)
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
  })
})

describe('tokens by other clocks', () => {
  /** Two processes of one store, the first with a clock that is so many seconds ahead; a sign-in at the first. */
  async function apart(seconds: number, lifetime = 300) {
    const here = await stored({}, { accessTokenLifetime: lifetime })
    here.restart({ now: () => here.now() + seconds })
    const { access_token } = await bodyOf(await signIn(here.tab))
    here.restart()
    const digest = await sha256(access_token)
    const ask = async (fields = {}) => bodyOf(await refresh(here.tab, fields))
    return { ...here, first: access_token as string, digest, ask }
  }

  it.each([
    [45, 300],
    [59, 300],
    [-45, 300],
    [45, 130],
  ])(
    '[B-39][B-39 twin] are renewed in time where the clocks of two processes are %i s apart (lifetime %i s)',
    async (seconds, lifetime) => {
      const { ask, first, advance } = await apart(seconds, lifetime)
      expect(await ask({ min_validity: '0' })).toMatchObject({ access_token: first })
      for (let at = 1; at < lifetime; at++) {
        advance(1)
        if (at % 30 === 0)
          expect((await ask({ min_validity: '0' })).expires_in).toBeLessThanOrEqual(lifetime - at > 0 ? lifetime : 0)
      }
      advance(1)
      expect((await ask({ min_validity: '0' })).access_token).not.toBe(first)
    },
  )

  it('[B-39] never say that they live longer than they do', async () => {
    const { ask, first, advance } = await apart(45)
    const end = 300
    for (let at = 0; at < end; at += 20) {
      const answer = await ask()
      if (answer.access_token !== first) break
      expect(answer.expires_in, `after ${at} s`).toBeLessThanOrEqual(end - at)
      advance(20)
    }
    expect((await ask()).access_token).not.toBe(first)
  })

  it('[B-39] are renewed at once where they are of a future that no tolerance explains', async () => {
    const { ask, first } = await apart(120)
    const second = await ask()
    expect(second.access_token).not.toBe(first)
    expect((await ask()).access_token).toBe(second.access_token)
  })

  it.each([0.5, 45, 120])(
    '[B-39][B-39 twin] are renewed when an API has refused one that came %d s in the future',
    async (seconds) => {
      const { ask, first, digest } = await apart(seconds)
      const { access_token } = await ask({ refused: digest })
      expect(access_token).not.toBe(first)
      // Of this process, and young: the fault is not its age.
      expect((await ask({ refused: await sha256(access_token) })).access_token).toBe(access_token)
    },
  )

  it.each(homes)(
    '[B-39] are none that serve while no newer one can be had, with %s, when the clock is set back',
    async (_, open) => {
      const { tab, as, advance } = await open()
      const { access_token } = await bodyOf(await signIn(tab))
      advance(-45)
      as.fail('token', { status: 503 }, { times: 9 })
      expect((await refresh(tab)).status).toBe(503)
      advance(46)
      expect(await bodyOf(await refresh(tab, { min_validity: '0' }))).toMatchObject({ access_token })
    },
  )
})
