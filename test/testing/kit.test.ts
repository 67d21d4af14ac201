import { decodeJwt } from 'jose'
import { generateKeys, mockAuthorizationServer, mockBrowser } from 'sallyport/testing'
import { createTestAuth } from 'sallyport/testing/auth'
import { describe, expect, it, vi } from 'vitest'
import { calculateCodeChallenge, generateCodeVerifier } from '../../src/protocol/pkce.js'
import { API, APP, bodyOf, formOf, ISSUER, randomKey, signIn, world } from '../world.js'

describe('the provider', () => {
  const client = { client_id: 'app', client_secret: randomKey(), redirect_uris: [`${APP}/callback`] }
  const shared = generateKeys()

  const another = { client_id: 'another', client_secret: randomKey(), redirect_uris: [`${APP}/callback`] }

  interface ProviderOptions {
    leeway?: number
    accessTokenFormat?: 'jwt' | 'opaque'
    par?: boolean
    grantPerSession?: boolean
  }

  async function provider(options: ProviderOptions = {}) {
    let time = 1_790_000_000
    const as = await mockAuthorizationServer({
      issuer: ISSUER,
      clients: [client, another],
      users: [{ sub: 'alice' }],
      keys: await shared,
      now: () => time,
      ...options,
    })
    as.signIn('alice')
    const verifier = generateCodeVerifier()
    const challenge = await calculateCodeChallenge(verifier)
    const authorize = async (changes: Record<string, string | undefined> = {}) => {
      const query = formOf({
        client_id: 'app',
        redirect_uri: `${APP}/callback`,
        response_type: 'code',
        scope: 'openid offline_access',
        state: 's',
        nonce: 'n',
        code_challenge: challenge,
        code_challenge_method: 'S256',
        ...changes,
      })
      const response = await as.fetch(`${ISSUER}/authorize?${query}`)
      return { response, back: new URL(response.headers.get('location') ?? `${APP}/`).searchParams }
    }
    const token = (fields: Record<string, string | undefined>, secret = client.client_secret) =>
      as.fetch(`${ISSUER}/token`, {
        method: 'POST',
        body: formOf(fields),
        headers: { Authorization: `Basic ${btoa(`app:${secret}`)}` },
      })
    const redeem = (code: string | null, changes: Record<string, string | undefined> = {}) =>
      token({
        grant_type: 'authorization_code',
        code: code ?? '',
        redirect_uri: `${APP}/callback`,
        code_verifier: verifier,
        ...changes,
      })
    const refresh = (refresh_token: string, changes: Record<string, string> = {}) =>
      token({ grant_type: 'refresh_token', refresh_token, ...changes })
    return { as, authorize, token, redeem, refresh, advance: (seconds: number) => (time += seconds) }
  }

  it.each([
    ['a foreign redirect_uri', { redirect_uri: `${APP}/callback/x` }, undefined],
    ['an unknown client', { client_id: 'other' }, undefined],
    ['another response_type', { response_type: 'token' }, 'unsupported_response_type'],
    ['plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['no PKCE', { code_challenge: undefined }, 'invalid_request'],
    ['no openid', { scope: 'profile' }, 'invalid_scope'],
    ['a resource with a fragment', { resource: `${API}#x` }, 'invalid_target'],
  ])('[T-04] refuses %s at the authorization endpoint', async (_name, changes, error) => {
    const { authorize, as } = await provider()
    const { response, back } = await authorize(changes)
    if (error === undefined) expect([response.status, response.headers.get('location')]).toEqual([400, null])
    else expect(back.get('error')).toBe(error)
    expect(as.issued).toEqual([])
  })

  it('[T-04] refuses a wrong verifier, a used, old or foreign code, a wrong secret, and another redirect_uri', async () => {
    const { authorize, redeem, token, advance, as } = await provider()
    const code = async () => (await authorize()).back.get('code')
    const errorOf = async (response: Promise<Response>) => (await bodyOf(await response)).error
    expect(await errorOf(redeem(await code(), { code_verifier: generateCodeVerifier() }))).toBe('invalid_grant')
    expect(await errorOf(redeem(await code(), { redirect_uri: `${APP}/other` }))).toBe('invalid_grant')
    expect(await errorOf(redeem('unknown'))).toBe('invalid_grant')
    expect(await errorOf(token({ grant_type: 'password' }))).toBe('unsupported_grant_type')
    expect(await errorOf(token({ grant_type: 'authorization_code', code: 'x' }, 'wrong'))).toBe('invalid_client')
    const late = await code()
    advance(61)
    expect(await errorOf(redeem(late))).toBe('invalid_grant')
    const used = await code()
    const { refresh_token } = await bodyOf(await redeem(used))
    expect(await errorOf(redeem(used))).toBe('invalid_grant')
    // Its reuse took back what it had brought.
    expect(await errorOf(token({ grant_type: 'refresh_token', refresh_token }))).toBe('invalid_grant')
    expect(as.grants).toMatchObject({ authorization_code: 1, refresh_token: 0 })
  })

  describe('where requests are pushed', () => {
    async function pushing() {
      const { as, advance } = await provider({ par: true })
      const push = (changes: Record<string, string | undefined> = {}) =>
        as.fetch(`${ISSUER}/par`, {
          method: 'POST',
          headers: { Authorization: `Basic ${btoa(`app:${client.client_secret}`)}` },
          body: formOf({
            client_id: 'app',
            redirect_uri: `${APP}/callback`,
            response_type: 'code',
            scope: 'openid',
            code_challenge: 'c'.repeat(43),
            code_challenge_method: 'S256',
            ...changes,
          }),
        })
      const authorize = (request_uri: string, client_id = 'app') =>
        as.fetch(`${ISSUER}/authorize?${formOf({ client_id, request_uri })}`)
      const pushed = async (): Promise<string> => (await bodyOf(await push())).request_uri
      return { as, advance, push, pushed, authorize }
    }

    it.each<[string, (world: Awaited<ReturnType<typeof pushing>>) => Promise<Response>]>([
      [
        'after its time',
        async ({ pushed, authorize, advance }) => {
          const request_uri = await pushed()
          advance(61)
          return authorize(request_uri)
        },
      ],
      ['of another client', async ({ pushed, authorize }) => authorize(await pushed(), 'another')],
      ['that nobody has made', async ({ authorize }) => authorize('urn:ietf:params:oauth:request_uri:unknown')],
      [
        'twice',
        async ({ pushed, authorize }) => {
          const request_uri = await pushed()
          await authorize(request_uri)
          return authorize(request_uri)
        },
      ],
    ])('[T-04] refuses a request_uri %s, and sends nobody anywhere', async (_name, attempt) => {
      const response = await attempt(await pushing())
      expect([response.status, response.headers.get('location')]).toEqual([400, null])
    })

    it.each([
      ['a request_uri', { request_uri: 'urn:ietf:params:oauth:request_uri:x' }, [400, 'invalid_request']],
      ['the client_id of another client', { client_id: 'another' }, [401, 'invalid_client']],
    ])('[T-04] refuses %s inside a pushed request', async (_name, changes, refused) => {
      const response = await (await pushing()).push(changes)
      expect([response.status, (await bodyOf(response)).error]).toEqual(refused)
    })

    it('[T-04 twin] takes a request_uri once, in time, of its client, whatever others have tried with it', async () => {
      const { as, pushed, authorize, advance } = await pushing()
      const request_uri = await pushed()
      expect((await authorize(request_uri, 'another')).status).toBe(400)
      advance(59)
      expect((await authorize(request_uri)).headers.get('location')).toMatch(/[?&]code=/)
      expect(as.issued).toHaveLength(1)
    })
  })

  it.each([
    ['is no base64', 'Basic %%%'],
    ['is empty', 'Basic'],
    ['has no colon', `Basic ${btoa('app')}`],
    ['has two', `Basic ${btoa('app:a:b')}`],
    ['is no percent-encoding', `Basic ${btoa(`app:%zz`)}`],
    ['is of another scheme', 'Digest app'],
  ])(
    '[T-04] answers 401 to an Authorization that %s, wherever a client authenticates',
    async (_name, Authorization) => {
      const { as } = await provider({ par: true })
      for (const endpoint of ['token', 'par', 'revoke', 'introspect']) {
        const body = formOf({ grant_type: 'client_credentials', token: 'x' })
        const response = await as.fetch(`${ISSUER}/${endpoint}`, { method: 'POST', headers: { Authorization }, body })
        expect([response.status, (await bodyOf(response)).error], endpoint).toEqual([401, 'invalid_client'])
        expect(response.headers.get('www-authenticate'), endpoint).toMatch(/^Basic /)
      }
    },
  )

  it('[T-04 twin] takes a name and a secret that are encoded as RFC 6749 has it', async () => {
    const odd = { client_id: 'a:b', client_secret: `${randomKey()}:+ %`, redirect_uris: [`${APP}/callback`] }
    const as = await mockAuthorizationServer({ issuer: ISSUER, clients: [odd], users: [], keys: await shared })
    const [name, secret] = [odd.client_id, odd.client_secret].map((text) =>
      `${new URLSearchParams([[text, '']])}`.slice(0, -1),
    )
    const response = await as.fetch(`${ISSUER}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa(`${name}:${secret}`)}` },
      body: formOf({ grant_type: 'client_credentials' }),
    })
    expect(response.status).toBe(200)
  })

  it('[T-04] rotates refresh tokens, and revokes the family when one comes twice', async () => {
    const { authorize, redeem, refresh } = await provider()
    const first = await bodyOf(await redeem((await authorize()).back.get('code')))
    const second = await bodyOf(await refresh(first.refresh_token))
    expect(second.refresh_token).not.toBe(first.refresh_token)
    expect((await bodyOf(await refresh(second.refresh_token, { scope: 'openid admin' }))).error).toBe('invalid_scope')
    expect((await bodyOf(await refresh(first.refresh_token))).error).toBe('invalid_grant')
    expect((await bodyOf(await refresh(second.refresh_token))).error).toBe('invalid_grant')
  })

  it.each([true, false])('has one grant for each session and client, or one for each sign-in (%s)', async (shared) => {
    const { as, authorize, redeem, refresh } = await provider({ grantPerSession: shared })
    const signIn = async () => bodyOf(await redeem((await authorize()).back.get('code')))
    const post = (path: string, token: string) =>
      as.fetch(`${ISSUER}${path}`, {
        method: 'POST',
        body: formOf({ token }),
        headers: { Authorization: `Basic ${btoa(`app:${client.client_secret}`)}` },
      })
    const [first, second] = [await signIn(), await signIn()]
    expect((await post('/revoke', first.refresh_token)).status).toBe(200)
    expect((await refresh(first.refresh_token)).status).toBe(400)
    expect((await refresh(second.refresh_token)).status).toBe(shared ? 400 : 200)
    expect((await bodyOf(await post('/introspect', second.access_token))).active).toBe(!shared)
    // The next sign-in has a new grant, in the same session at the provider or in another one.
    const third = await signIn()
    expect(decodeJwt(third.id_token)['sid']).toBe(decodeJwt(second.id_token)['sid'])
    expect((await refresh(third.refresh_token)).status).toBe(200)
    as.signIn('alice')
    const fourth = await signIn()
    expect(decodeJwt(fourth.id_token)['sid'] === decodeJwt(third.id_token)['sid']).toBe(shared)
    as.signOut()
    as.signIn('alice')
    const fifth = await signIn()
    expect(decodeJwt(fifth.id_token)['sid']).not.toBe(decodeJwt(fourth.id_token)['sid'])
    await post('/revoke', fourth.refresh_token)
    expect((await refresh(fifth.refresh_token)).status).toBe(200)
  })

  it('[T-04 twin] does what it should for a client that does what it should', async () => {
    const { authorize, redeem, refresh } = await provider({ leeway: 10 })
    const { back } = await authorize()
    expect(Object.fromEntries(back)).toMatchObject({ state: 's', iss: ISSUER })
    const tokens = await bodyOf(await redeem(back.get('code')))
    expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: 300 })
    expect(decodeJwt(tokens.id_token)).toMatchObject({ iss: ISSUER, aud: 'app', sub: 'alice', nonce: 'n' })
    expect((await refresh(tokens.refresh_token)).status).toBe(200)
    // Within the leeway it bears a second use.
    expect((await refresh(tokens.refresh_token)).status).toBe(200)
  })

  it.each(['jwt', 'opaque'] as const)(
    '[T-04] says of %s tokens what they are worth, to a client alone',
    async (format) => {
      const { as, authorize, redeem, refresh, token, advance } = await provider({ accessTokenFormat: format })
      const ask = (text: string, secret = client.client_secret) =>
        as.fetch(`${ISSUER}/introspect`, {
          method: 'POST',
          body: formOf({ token: text }),
          headers: { Authorization: `Basic ${btoa(`app:${secret}`)}` },
        })
      const code = (await authorize()).back.get('code')
      const { access_token, refresh_token } = await bodyOf(await redeem(code))
      expect(access_token.split('.')).toHaveLength(format === 'jwt' ? 3 : 1)
      expect(await bodyOf(await ask(access_token))).toMatchObject({
        active: true,
        iss: ISSUER,
        aud: 'app',
        sub: 'alice',
        client_id: 'app',
        token_type: 'Bearer',
      })
      expect((await ask(access_token, 'wrong')).status).toBe(401)
      expect((await ask('')).status).toBe(400)
      expect((await as.fetch(`${ISSUER}/introspect?token=${access_token}`)).status).toBe(405)
      expect(await bodyOf(await ask(refresh_token))).not.toHaveProperty('aud')
      await refresh(refresh_token)
      for (const worthless of [refresh_token, 'unknown'])
        expect(await bodyOf(await ask(worthless))).toEqual({ active: false })
      const whole = { headers: { Authorization: `Bearer ${access_token}` } }
      expect(await bodyOf(await as.fetch(`${ISSUER}/userinfo`, whole))).toEqual({ sub: 'alice' })
      await as.fetch(`${ISSUER}/revoke`, {
        method: 'POST',
        body: formOf({ token: access_token }),
        headers: { Authorization: `Basic ${btoa(`app:${client.client_secret}`)}` },
      })
      expect(await bodyOf(await ask(access_token))).toEqual({ active: false })
      expect((await as.fetch(`${ISSUER}/userinfo`, whole)).status).toBe(401)
      const { access_token: own } = await bodyOf(await token({ grant_type: 'client_credentials' }))
      expect((await bodyOf(await ask(own))).active).toBe(true)
      advance(300)
      expect(await bodyOf(await ask(own))).toEqual({ active: false })
    },
  )

  it('[T-05][T-05 twin] opens no port: it answers requests that are handed to it', async () => {
    const listening = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length
    const before = listening()
    const { as } = await provider()
    expect((await as.fetch(`${ISSUER}/jwks`)).status).toBe(200)
    expect(listening()).toBe(before)
    expect((await as.fetch(`${ISSUER}/nothing`)).status).toBe(404)
  })

  it('says who cannot sign in', async () => {
    const { as } = await provider()
    expect(() => as.signIn('mallory')).toThrow(/"users"/)
  })

  it('is the network of a backend through msw as well, faults included', async () => {
    const { tab, as, bff } = await world()
    expect((await bff.describe()).providers[0]?.capabilities).toBeNull()
    expect((await bodyOf(await signIn(tab))).user.name).toBe('Alice Adams')
    // Nothing was handed to the backend: what it fetched, msw answered.
    expect((await fetch(`${ISSUER}/jwks`).then(bodyOf)).keys).toHaveLength(2)
    as.fail('token', 'network')
    expect((await signIn(tab)).status).toBe(503)
    as.fail('jwks', 'refused')
    await expect(fetch(`${ISSUER}/jwks`)).rejects.toThrow(TypeError)
  })
})

describe('the browser', () => {
  const echo = (request: Request) => Response.json(Object.fromEntries(request.headers))

  it('keeps cookies as browsers do', () => {
    let time = 0
    const { jar } = mockBrowser({ origins: {}, now: () => time })
    const kept = (header: string, url = 'https://app.example.com/a/b') => jar.set(url, header)
    expect(kept('__Host-x=1; Secure; Path=/')).toBe(true)
    expect(kept('__Host-x=1; Path=/')).toBe(false)
    expect(kept('__Host-x=1; Secure; Path=/a')).toBe(false)
    expect(kept('__Host-x=1; Secure; Path=/; Domain=example.com')).toBe(false)
    expect(kept('__Host-Http-x=1; Secure; Path=/')).toBe(false)
    expect(kept('__Host-Http-x=1; Secure; Path=/; HttpOnly')).toBe(true)
    expect(kept('__Secure-x=1')).toBe(false)
    expect(kept('x=1; SameSite=None')).toBe(false)
    expect(kept('x=1; Secure', 'http://app.example.com/')).toBe(false)
    expect(kept('x=1; Domain=other.example')).toBe(false)
    expect(kept('local=1; Secure; Path=/', 'http://localhost:5173/')).toBe(true)
    jar.clear()
    kept('a=1; Max-Age=10; Path=/')
    kept('b=2; HttpOnly; Path=/')
    kept('c=3; Path=/other')
    kept('d=4; Domain=example.com; Path=/')
    expect(jar.header('https://app.example.com/')).toBe('a=1; b=2; d=4')
    expect(jar.header('https://www.example.com/')).toBe('d=4')
    expect(jar.script('https://app.example.com/')).toBe('a=1; d=4')
    time = 11
    expect(jar.header('https://app.example.com:8443/')).toBe('b=2; d=4')
  })

  it('keeps names and values of cookies byte for byte, and refuses what no browser keeps', () => {
    const { jar } = mockBrowser({ origins: {} })
    const kept = (header: string) =>
      jar.set('https://blog.example.com/', `${header}; Domain=example.com; Path=/; Secure`)
    for (const byte of ['\xa0', '\x85', 'x']) {
      expect(kept(`${byte}__Host-x=1`)).toBe(true)
      expect(jar.header('https://app.example.com/')).toBe(`${byte}__Host-x=1`)
      jar.clear()
    }
    expect(kept(' \ta\t = \t1 ')).toBe(true)
    expect(jar.header('https://app.example.com/')).toBe('a=1')
    for (const odd of [
      '\0__Host-x=1',
      '__Host-x\0=1',
      '\x0b__Host-x=1',
      '__host-x=1',
      '__HTTP-x=1',
      'a=\x7f',
      '=',
      ' ;',
    ])
      expect(kept(odd), JSON.stringify(odd)).toBe(false)
    // Without a name it is sent as its value, which must not look like another one's name.
    jar.clear()
    expect([kept('plain'), kept('=__Host-x=1'), kept('__Host-Http-x')]).toEqual([true, false, false])
    expect(jar.header('https://app.example.com/')).toBe('plain')
  })

  it('withholds Strict cookies from what another site began, and Lax ones from its posts and frames', async () => {
    const { jar, newTab } = mockBrowser({
      origins: {
        [APP]: echo,
        [ISSUER]: () => new Response(null, { status: 302, headers: { Location: `${APP}/bff/x` } }),
      },
    })
    for (const [name, sameSite] of [
      ['s', 'Strict'],
      ['l', 'Lax'],
      ['n', 'None'],
    ])
      jar.set(`${APP}/`, `${name}=1; Secure; Path=/; SameSite=${sameSite}`)
    const cookies = async (response: Response) => (await bodyOf(response)).cookie
    const home = newTab(`${APP}/`)
    expect(await cookies(await home.fetch('/'))).toBe('s=1; l=1; n=1')
    const back = await home.navigate(`${ISSUER}/authorize`)
    expect(await cookies(back.response)).toBe('l=1; n=1')
    const abroad = newTab('https://evil.example/')
    expect(await cookies((await abroad.navigate(`${APP}/bff/x`)).response)).toBe('l=1; n=1')
    await expect(newTab('https://evil.example/').fetch(`${APP}/`, { credentials: 'include' })).rejects.toThrow(
      TypeError,
    )
  })

  it('says where requests come from, and asks before it sends what is not simple', async () => {
    const asked: string[] = []
    const { newTab } = mockBrowser({
      origins: {
        'https://api.example.com': (request) => {
          asked.push(request.method)
          const headers = {
            'Access-Control-Allow-Origin': request.headers.get('origin') ?? '',
            'Access-Control-Allow-Headers': 'authorization',
          }
          return new Response(request.headers.get('sec-fetch-site'), { headers })
        },
        [APP]: echo,
      },
    })
    const tab = newTab(`${APP}/x`)
    expect(await bodyOf(await tab.fetch('/y', { method: 'POST' }))).toMatchObject({
      origin: APP,
      'sec-fetch-site': 'same-origin',
      'sec-fetch-mode': 'cors',
    })
    const answer = await tab.fetch('https://api.example.com/', { headers: { Authorization: 'x' } })
    expect(await answer.text()).toBe('same-site')
    expect(asked).toEqual(['OPTIONS', 'GET'])
    await expect(tab.fetch('https://api.example.com/', { headers: { 'X-Other': 'x' } })).rejects.toThrow(TypeError)
    expect(asked).toEqual(['OPTIONS', 'GET', 'OPTIONS'])
  })

  it('hides HttpOnly cookies from scripts', async () => {
    const { tab, browser } = await world()
    await signIn(tab)
    expect(browser.jar.all().length).toBeGreaterThan(0)
    expect(tab.scriptCookies()).toBe('')
  })
})

describe('createTestAuth()', () => {
  it('is whoever a test says', async () => {
    const fetch = vi.fn(async () => new Response())
    const auth = createTestAuth({ user: { sub: 'alice' }, token: 't', fetch })
    const heard: string[] = []
    const stop = auth.subscribe(({ status }) => heard.push(status))
    expect(await auth.getToken({ scope: 'x' })).toBe('t')
    await auth.fetch('/api')
    expect(new Headers((fetch.mock.calls[0] as unknown as [string, RequestInit])[1].headers).get('authorization')).toBe(
      'Bearer t',
    )
    await auth.login({ returnTo: '/a' })
    await auth.logout()
    expect(auth.calls).toEqual({ login: [{ returnTo: '/a' }], logout: [{}], getToken: [{ scope: 'x' }, {}], extend: 0 })
    auth.set({ status: 'signed-out', reason: 'expired' })
    await expect(auth.getToken()).rejects.toMatchObject({ code: 'login_required' })
    stop()
    auth.set({ status: 'pending' })
    expect(heard).toEqual(['signed-in', 'signed-out'])
    expect(createTestAuth().session).toEqual({ status: 'signed-out', reason: 'none' })
    expect(() => createTestAuth({ status: 'signed-in' })).toThrow(/"user"/)
  })

  it('[T-04] sends its token where createAuth() would, and nowhere else', async () => {
    const fetch = vi.fn(async () => new Response())
    const options = { user: { sub: 'alice' }, fetch, apis: { [`${API}/v1`]: {} } }
    const auth = createTestAuth(options)
    for (const url of [
      `${API}/v1x`,
      'https://other.example',
      '/bff/session',
      'http://a@localhost/',
      `${API}.evil.example/v1`,
    ])
      await expect(auth.fetch(url), url).rejects.toMatchObject({ code: 'origin_not_allowed' })
    expect(fetch).not.toHaveBeenCalled()
    expect(auth.calls.getToken).toEqual([])
    await expect(createTestAuth({ ...options, bff: '/backend' }).fetch('/backend/x')).rejects.toMatchObject({
      code: 'origin_not_allowed',
    })
    expect(() => createTestAuth({ apis: { '/v1': {} } })).toThrow(/"apis"/)
  })

  it('[T-04 twin] sends it to the page’s own origin and to its APIs', async () => {
    const fetch = vi.fn(async () => new Response())
    const auth = createTestAuth({ user: { sub: 'alice' }, fetch, apis: { [`${API}/v1`]: {} } })
    for (const url of ['/api', `${API}/v1/notes`, `${API}/v1`]) await auth.fetch(url)
    expect(fetch).toHaveBeenCalledTimes(3)
  })
})
