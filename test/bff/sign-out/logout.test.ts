import { describe, expect, it } from 'vitest'
import { APP, bodyOf, call, homes, ISSUER, look, refresh, signIn } from '../../world.js'

describe.each(homes)('signing out, with %s', (home, world) => {
  it('[F-67] ends the session here, revokes the refresh token, and goes to the provider with the hint', async () => {
    const { tab, as, browser } = await world()
    await signIn(tab)
    const answer = await bodyOf(await call(tab, '/logout'))
    expect(answer).toEqual({ location: '/bff/logout/continue' })
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
    expect(as.requests.revocation).toBe(1)
    const response = await tab.navigate(`${APP}${answer.location}`)
    expect(response.url).toMatch(new RegExp(`^${APP}/(\\?state=.*)?$`))
    expect(browser.jar.all()).toEqual([])
  })

  it('never lets the hint through the page', async () => {
    const { tab, bff, browser, as } = await world()
    await signIn(tab)
    const posted = await call(tab, '/logout')
    const text = await posted.text()
    for (const secret of as.issued) expect(text).not.toContain(secret)
    const cookie = browser.jar.header(`${APP}/`) ?? ''
    const jump = await bff.fetch(new Request(`${APP}/bff/logout/continue`, { headers: { Cookie: cookie } }))
    expect(jump.status).toBe(303)
    const location = new URL(jump.headers.get('location') ?? '')
    expect(location.origin).toBe(ISSUER)
    expect(location.searchParams.get('client_id')).toBe('notes')
    expect(location.searchParams.get('id_token_hint')).toBeTruthy()
    expect(location.searchParams.get('state')).toBeTruthy()
  })

  it('[B-20][B-20 twin][F-15][F-15 twin] sends the provider only the configured way back', async () => {
    const { tab, bff, browser } = await world()
    await signIn(tab)
    expect((await call(tab, '/logout', { post_logout_redirect_uri: 'https://evil.example' })).status).toBe(200)
    const headers = { Cookie: browser.jar.header(`${APP}/`) ?? '' }
    const jump = await bff.fetch(
      new Request(`${APP}/bff/logout/continue?post_logout_redirect_uri=https://evil.example`, { headers }),
    )
    const location = new URL(jump.headers.get('location') ?? '')
    expect(location.searchParams.get('post_logout_redirect_uri')).toBe(`${APP}/`)
    expect(location.href).not.toContain('evil')
  })

  const listed = [`${APP}/`, `${APP}/bye?from=app`, 'https://www.example.org/welcome']

  it.each([
    ['/bye?from=app', listed[1]],
    [listed[1], listed[1]],
    ['https://www.example.org/welcome', listed[2]],
    ['https://WWW.example.org:443/./welcome', listed[2]],
    ['/', listed[0]],
    [undefined, listed[0]],
  ])('[B-20 twin] comes back to the listed URL that was chosen: %s', async (chosen, expected) => {
    const { tab, bff, browser, events } = await world({ post_logout_redirect_uris: listed })
    await signIn(tab)
    const query = chosen === undefined ? '' : `?${new URLSearchParams({ return_to: chosen })}`
    expect(await bodyOf(await call(tab, `/logout${query}`))).toEqual({ location: '/bff/logout/continue' })
    const Cookie = browser.jar.header(`${APP}/`) ?? ''
    const jump = () => bff.fetch(new Request(`${APP}/bff/logout/continue`, { headers: { Cookie } }))
    const location = new URL((await jump()).headers.get('location') ?? '')
    expect([location.origin, location.searchParams.get('post_logout_redirect_uri')]).toEqual([ISSUER, expected])
    expect(events.map(({ type }) => type)).not.toContain('request_refused')
    // Used once: the sealed choice is not a way back for the cookie's thief either.
    expect((await jump()).headers.get('location')).toBe(listed[0])
  })

  it.each([
    ['https://evil.example/'],
    ['//evil.example/bye?from=app'],
    ['/\\evil.example/'],
    ['javascript:alert(1)'],
    ['https://www.example.org/welcome/'],
    ['https://user@www.example.org/welcome'],
    ['/bye'],
    ['/bye?from=app#x'],
    ['http://'],
    [''],
  ])('[B-20] ends the session and comes back to the first one, if another is asked for: %s', async (chosen) => {
    const { tab, bff, browser, events } = await world({ post_logout_redirect_uris: listed.map((url) => url) })
    await signIn(tab)
    const query = new URLSearchParams({ return_to: chosen })
    const first =
      chosen === '' ? { location: '/bff/logout/continue' } : { location: '/bff/logout/continue', return_to: false }
    expect(await bodyOf(await call(tab, `/logout?${query}`))).toEqual(first)
    const headers = { Cookie: browser.jar.header(`${APP}/`) ?? '' }
    const jump = await bff.fetch(new Request(`${APP}/bff/logout/continue`, { headers }))
    const location = new URL(jump.headers.get('location') ?? '')
    expect(location.searchParams.get('post_logout_redirect_uri')).toBe(listed[0])
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
    const refused = events.filter(({ type }) => type === 'request_refused')
    expect(refused).toEqual(
      chosen === ''
        ? []
        : [
            expect.objectContaining({
              path: '/bff/logout',
              detail: expect.stringContaining('"post_logout_redirect_uris"'),
            }),
          ],
    )
    // Who has no session cannot fill the log.
    await call(tab, `/logout?${query}`)
    expect(events.filter(({ type }) => type === 'request_refused')).toHaveLength(refused.length)
  })

  it('[B-20] takes one choice only, and comes back there also without a page of the provider', async () => {
    const { tab } = await world({ post_logout_redirect_uris: listed })
    const path = '/logout?return_to=/bye%3Ffrom%3Dapp'
    expect(await bodyOf(await call(tab, `${path}&return_to=/`))).toEqual({ location: null, return_to: false })
    expect(await bodyOf(await call(tab, path))).toEqual({ location: listed[1] })
    expect(await bodyOf(await call(tab, `${path}&local=true`))).toEqual({ location: null })
  })

  it('goes to the provider once, by a navigation', async () => {
    const { tab, bff, browser } = await world()
    await signIn(tab)
    await call(tab, '/logout')
    const Cookie = browser.jar.header(`${APP}/`) ?? ''
    const jump = (headers: Record<string, string>) => bff.fetch(new Request(`${APP}/bff/logout/continue`, { headers }))
    expect((await jump({ Cookie, 'Sec-Fetch-Mode': 'cors' })).status).toBe(403)
    expect((await jump({ Cookie, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' })).status).toBe(403)
    expect((await jump({ Cookie, 'Sec-Purpose': 'prefetch' })).status).toBe(403)
    const first = await jump({ Cookie, 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' })
    expect(first.headers.get('location')).toContain(ISSUER)
    expect((await jump({})).headers.get('location')).toBe(`${APP}/`)
    expect((await jump({ Cookie })).headers.get('location')).toBe(`${APP}/`)
  })

  it('[B-05] refuses a copied cookie after sign-out', async () => {
    const { tab, browser } = await world()
    await signIn(tab)
    const copy = browser.jar.all()
    await call(tab, '/logout')
    for (const { name, value } of copy)
      browser.jar.set(`${APP}/`, `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect(await bodyOf(await call(tab, '/session'))).toEqual({
      mode: 'token-mediating',
      user: null,
      expires_at: null,
      reason: 'logged_out',
    })
    for (const { name, value } of copy)
      browser.jar.set(`${APP}/`, `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect((await bodyOf(await refresh(tab))).error).toBe('invalid_grant')
  })

  it('[B-05 twin] honours it before, and says in describe() what a restart forgets', async () => {
    const { tab, browser, bff } = await world()
    await signIn(tab)
    const copy = browser.jar.all()
    browser.jar.clear()
    for (const { name, value } of copy)
      browser.jar.set(`${APP}/`, `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect((await bodyOf(await call(tab, '/session'))).user.sub).toBe('alice')
    if (home === 'sealed cookies') expect((await bff.describe()).limits.join(' ')).toContain('copied cookie')
  })

  it('[S-67][S-67 twin] is harmless without a session, and twice', async () => {
    const { tab } = await world()
    expect(await bodyOf(await call(tab, '/logout'))).toEqual({ location: null })
    await signIn(tab)
    expect((await call(tab, '/logout')).status).toBe(200)
    expect((await call(tab, '/logout')).status).toBe(200)
  })

  it('[S-65][S-66] signs out here though the provider is out of reach', async () => {
    const { tab, as, restart, eventTypes } = await world()
    await signIn(tab)
    as.fail('discovery', 'refused', { times: 9 })
    as.fail('revocation', { status: 500 }, { times: 9 })
    restart()
    const answer = await bodyOf(await call(tab, '/logout'))
    expect(answer).toEqual({ location: null, op_session: 'unknown' })
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
    expect(eventTypes()).toContain('revocation_failed')
  })

  it('[S-65] sends nobody to a provider that has just not answered, and everybody to one that has, with whatever words', async () => {
    const { tab, as, eventTypes } = await world()
    for (const fault of ['refused', 'network', { status: 503 }] as const) {
      await signIn(tab)
      as.fail('revocation', fault)
      expect(await bodyOf(await call(tab, '/logout'))).toEqual({ location: null, op_session: 'unknown' })
      expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
    }
    await signIn(tab)
    as.fail('revocation', {
      status: 400,
      body: '{"error":"unsupported_token_type"}',
      headers: { 'Content-Type': 'application/json' },
    })
    expect((await bodyOf(await call(tab, '/logout'))).location).toBe('/bff/logout/continue')
    expect(eventTypes().filter((type) => type === 'revocation_failed')).toHaveLength(4)
  })

  it('[B-37] signs out whatever stands in the body, of whatever type and size', async () => {
    const { bff, tab, browser, as } = await world()
    const form = 'application/x-www-form-urlencoded'
    const multipart = new FormData()
    multipart.set('everywhere', 'true')
    const bodies: [string | undefined, RequestInit['body']][] = [
      ['application/json', '{"everywhere":true}'],
      ['text/plain', 'goodbye'],
      [undefined, new Uint8Array([0, 255, 254])],
      [undefined, multipart],
      [form, `everywhere=true&x=${'y'.repeat(20_000)}`],
      [form, 'a=1&a=2'],
      [form, 'everywhere=&everywhere=&%zz=%'],
      [form, 'unknown=1'],
      [form, undefined],
      ['no type at all', 'x'],
    ]
    let revoked = 0
    for (const [type, body] of bodies) {
      await signIn(tab)
      const Cookie = browser.jar.header(`${APP}/`) ?? ''
      const headers = { 'Sallyport-CSRF': '1', Origin: APP, Cookie, ...(type && { 'Content-Type': type }) }
      const answer = await bff.fetch(new Request(`${APP}/bff/logout`, { method: 'POST', headers, body: body ?? null }))
      expect(answer.status, type).toBe(200)
      expect(await bodyOf(answer)).toEqual({ location: '/bff/logout/continue' })
      expect(answer.headers.getSetCookie().join('\n')).toContain('__Host-Http-sallyport=; Path=/')
      // The cookie of before serves nobody any more.
      expect(await bodyOf(await look(tab, '/session'))).toMatchObject({ user: null, reason: 'logged_out' })
      expect(as.requests.revocation).toBe(++revoked)
    }
  })

  it('[B-37] reads no more than 16 kB, and waits for no end', async () => {
    const { bff, tab, browser } = await world()
    await signIn(tab)
    let pulled = 0
    const body = new ReadableStream(
      {
        pull(controller) {
          pulled += 1024
          controller.enqueue(new Uint8Array(1024).fill(97))
        },
        // Somebody who is not told that nobody listens any more.
        cancel: () => new Promise(() => {}),
      },
      { highWaterMark: 0 },
    )
    const headers = {
      'Sallyport-CSRF': '1',
      'Content-Type': 'application/x-www-form-urlencoded',
      Cookie: browser.jar.header(`${APP}/`) ?? '',
    }
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit
    expect((await bff.fetch(new Request(`${APP}/bff/logout`, init))).status).toBe(200)
    expect(pulled).toBeLessThanOrEqual(17 * 1024)
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
  })

  it('[B-37] takes any 2xx of the revocation endpoint for done', async () => {
    const { tab, as, eventTypes } = await world()
    for (const status of [200, 202, 204]) {
      await signIn(tab)
      as.fail('revocation', { status, ...(status !== 204 && { body: 'done' }) })
      expect(await bodyOf(await call(tab, '/logout'))).toEqual({ location: '/bff/logout/continue' })
    }
    expect(eventTypes()).not.toContain('revocation_failed')
  })

  it('[B-37 twin] tells of one that refuses, and does not sign out whom another site sends', async () => {
    const { tab, as, eventTypes, browser, bff } = await world()
    await signIn(tab)
    const headers = { Cookie: browser.jar.header(`${APP}/`) ?? '', Origin: 'https://evil.example' }
    expect((await bff.fetch(new Request(`${APP}/bff/logout`, { method: 'POST', headers }))).status).toBe(403)
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
    as.fail('revocation', { status: 302, headers: { Location: `${ISSUER}/` } })
    expect((await call(tab, '/logout')).status).toBe(200)
    expect(eventTypes()).toContain('revocation_failed')
  })

  it('[S-65 twin][F-67 twin] stays here when the provider has no page for it', async () => {
    const { tab, as } = await world()
    as.tamper.metadata = ({ end_session_endpoint: _, ...metadata }) => metadata
    await signIn(tab)
    expect(await bodyOf(await call(tab, '/logout'))).toEqual({ location: null })
  })
})

describe.each(homes)('what leaves the backend, with %s', (_home, world) => {
  it('[C-22][C-22 twin][S-79][F-96][F-96 twin] is never a code, a verifier, a token or a cookie: not in errors, not in events', async () => {
    const { tab, as, events, advance, bff, client_secret, browser } = await world()
    const answers: string[] = []
    const keep = async (response: Response) => answers.push(await response.text())
    as.fail('token', {
      status: 400,
      body: '{"error":"invalid_grant"}',
      headers: { 'Content-Type': 'application/json' },
    })
    await keep(await signIn(tab))
    as.fail('token', 'network')
    await keep(await signIn(tab))
    as.tamper.idToken = (claims, header) => ({ claims, header, signature: 'broken' })
    await keep(await signIn(tab))
    as.tamper.idToken = undefined
    await signIn(tab)
    const cookies = browser.jar.all().map(({ value }) => value)
    advance(301)
    as.fail('token', 'lost')
    await keep(await refresh(tab))
    advance(60)
    await keep(await refresh(tab))
    const said = JSON.stringify([answers, events, await bff.describe()])
    for (const secret of [...as.issued, ...cookies, client_secret]) expect(said).not.toContain(secret)
    expect(as.issued.length).toBeGreaterThan(3)
  })
})
