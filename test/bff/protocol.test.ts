import { generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, type JWK } from 'jose'
import { withPeer } from 'sallyport/bff'
import { mutualTls } from 'sallyport/node'
import { mockAuthorizationServer, mockBrowser } from 'sallyport/testing'
import { generate } from 'selfsigned'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../services/programs.js'
import { API, APP, bodyOf, call, ISSUER, look, randomKey, type Tab, type WorldOptions, world } from '../world.js'

const CALLBACK = `${APP}/bff/callback`
const who = async (tab: Tab) => bodyOf(await look(tab, '/session'))

/** A private key as the options take it, and the public half as a provider knows it. */
async function keyOf(alg: string) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const kid = `key-${alg}`
  return {
    secret: JSON.stringify({ ...(await exportJWK(privateKey)), alg, kid }),
    jwk: { ...(await exportJWK(publicKey)), alg, kid } as JWK,
  }
}

/** What a client of the provider is registered with beside its name. */
const clientOf = (more: Record<string, unknown>) => ({
  clients: [
    {
      client_id: 'notes',
      redirect_uris: [`${APP}/callback`, CALLBACK],
      post_logout_redirect_uris: [`${APP}/`],
      ...more,
    },
  ],
})

const proxied = (options: WorldOptions, provider: Record<string, unknown> = {}) =>
  world({ mode: 'proxy', ...options }, provider)

const weak = JSON.stringify(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'jwk' }))
const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })

describe('a client that signs', () => {
  it.each(['ES256', 'EdDSA', 'PS256', 'RS256'])(
    '[F-99 twin] proves by %s who it is, at every endpoint',
    async (alg) => {
      const { secret, jwk } = await keyOf(alg)
      const assertions: string[] = []
      const here = await world(
        {
          mode: 'proxy',
          client_secret: undefined as never,
          clientAuthentication: 'private_key_jwt',
          clientKey: secret,
          fetch: async (input, init) => {
            const asked = new Request(input, init)
            const assertion = new URLSearchParams(await asked.clone().text()).get('client_assertion')
            if (assertion) assertions.push(assertion)
            return here.as.fetch(asked)
          },
        },
        { ...clientOf({ jwks: { keys: [jwk] } }), par: true },
      )
      await here.tab.navigate(`${APP}/bff/login`)
      expect((await who(here.tab)).user.sub).toBe('alice')
      await call(here.tab, '/logout')
      // Pushed request, code, and revocation.
      expect(assertions).toHaveLength(3)
      for (const assertion of assertions) {
        const { aud, exp = 0, iat = 0, iss, sub } = decodeJwt(assertion)
        expect(aud).toBe(ISSUER)
        expect(exp - iat).toBeLessThanOrEqual(60)
        expect([iss, sub]).toEqual(['notes', 'notes'])
        expect(decodeProtectedHeader(assertion)).toMatchObject({ kid: `key-${alg}` })
      }
      expect(new Set(assertions.map((assertion) => decodeJwt(assertion).jti)).size).toBe(3)
    },
  )

  it('[F-99] names each of several issuers alone, and a provider that finds another audience is not served', async () => {
    const { secret, jwk } = await keyOf('ES256')
    const { secret: another } = await keyOf('ES256')
    const options = { clientAuthentication: 'private_key_jwt', client_secret: undefined as never } as const
    const here = await proxied({ ...options, clientKey: another }, clientOf({ jwks: { keys: [jwk] } }))
    await here.tab.navigate(`${APP}/bff/login`)
    expect((await who(here.tab)).user).toBeNull()
    expect(here.events).toContainEqual(expect.objectContaining({ type: 'operator_error' }))
    const fine = await proxied({ ...options, clientKey: async () => secret }, clientOf({ jwks: { keys: [jwk] } }))
    await fine.tab.navigate(`${APP}/bff/login`)
    expect((await who(fine.tab)).user.sub).toBe('alice')
  })

  it('[F-99][F-99 twin] signs for the URL of each request, if the provider accepts nothing else', async () => {
    const { secret, jwk } = await keyOf('ES256')
    const audiences: unknown[] = []
    const here = await world(
      {
        mode: 'proxy',
        client_secret: undefined as never,
        clientAuthentication: 'private_key_jwt',
        clientKey: async () => secret,
        assertionAudience: 'endpoint',
        fetch: async (input, init) => {
          const asked = new Request(input, init)
          const assertion = new URLSearchParams(await asked.clone().text()).get('client_assertion')
          if (assertion) {
            expect(decodeProtectedHeader(assertion)).toMatchObject({ alg: 'ES256', kid: 'key-ES256' })
            audiences.push([asked.url, decodeJwt(assertion).aud])
          }
          return here.as.fetch(asked)
        },
      },
      { ...clientOf({ jwks: { keys: [jwk] } }), par: true, assertionAudience: 'endpoint' },
    )
    await here.tab.navigate(`${APP}/bff/login`)
    expect((await who(here.tab)).user.sub).toBe('alice')
    await call(here.tab, '/logout')
    expect(audiences).toEqual(['par', 'token', 'revoke'].map((path) => [`${ISSUER}/${path}`, `${ISSUER}/${path}`]))
    expect(here.as.requests.revocation).toBe(1)
  })

  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'an audience, but no assertion',
      { assertionAudience: 'endpoint' },
      /"assertionAudience" needs clientAuthentication: "private_key_jwt"/,
    ],
    [
      'an audience that is none',
      { clientAuthentication: 'private_key_jwt', clientKey: JSON.stringify(curve), assertionAudience: 'x' as never },
      /"assertionAudience" must be/,
    ],
    ...['client_id', 'post_logout_redirect_uri', 'state', 'id_token_hint'].map(
      (name): [string, Record<string, unknown>, RegExp] => [
        `its own parameter ${name} in endSessionParams`,
        { endSessionParams: { [name]: 'x' } },
        new RegExp(`"endSessionParams" must not have ${name}`),
      ],
    ),
    [
      'such a parameter at a further issuer',
      {
        mode: 'proxy',
        issuers: {
          b: { issuer: 'https://b.example', client_id: 'b', client_secret: 'b', endSessionParams: { state: 'x' } },
        },
      },
      /"endSessionParams" must not have state/,
    ],
    ['no key', { clientAuthentication: 'private_key_jwt', clientKey: undefined }, /"clientKey" is missing/],
    [
      'a public key',
      { clientAuthentication: 'private_key_jwt', clientKey: '{"kty":"EC"}' },
      /"clientKey" must be a private/,
    ],
    ['no JSON', { clientAuthentication: 'private_key_jwt', clientKey: 'PEM' }, /"clientKey" must be a private/],
    ['no certificate', { clientAuthentication: 'tls_client_auth', fetch: undefined }, /"fetch" must send/],
    ['a method that is none', { clientAuthentication: 'none' as never }, /"clientAuthentication" must be/],
    [
      'a key that is weak',
      { clientAuthentication: 'private_key_jwt', clientKey: weak },
      /"clientKey" must be a stronger key/,
    ],
    [
      'a key that cannot do what it says',
      { clientAuthentication: 'private_key_jwt', clientKey: JSON.stringify({ ...curve, alg: 'ES384' }) },
      /"clientKey" must match its "alg": this key is for ES256/,
    ],
    [
      'half a key',
      { clientAuthentication: 'private_key_jwt', clientKey: JSON.stringify({ ...curve, x: undefined }) },
      /"clientKey" must be a complete key/,
    ],
    [
      'a key to encrypt with',
      { clientAuthentication: 'private_key_jwt', clientKey: JSON.stringify({ ...curve, use: 'enc' }) },
      /"clientKey" must be a key for signing/,
    ],
    ['a bad dpopKey', { mode: 'proxy', dpopKey: '{}' }, /"dpopKey" must be a private/],
    ['a dpopKey for a page', { dpopKey: '{"kty":"EC","d":"x"}' }, /"dpopKey" needs mode/],
    ['signed answers for a page', { response_mode: 'jwt' }, /"response_mode" can be "jwt"/],
    [
      'several issuers for a page',
      { issuers: { b: { issuer: 'https://b.example', client_id: 'b', client_secret: 'b' } } },
      /"issuers" needs mode/,
    ],
  ])('is refused with %s, by name', async (_name, options, message) => {
    await expect(world(options as WorldOptions)).rejects.toThrow(message)
  })
})

describe('a client with a secret', () => {
  it('leaves unreserved characters alone in Basic credentials, as form encoding does (RFC 6749 appendix B)', async () => {
    const client_id = 'my-app_1.a*'
    const client_secret = 'a-b_c.d* ~!:%é'
    const sent: (string | null)[] = []
    const here = await world(
      {
        client_id,
        client_secret,
        mode: 'proxy',
        fetch: async (input, init) => {
          const asked = new Request(input, init)
          if (asked.method === 'POST') sent.push(asked.headers.get('authorization'))
          return here.as.fetch(asked)
        },
      },
      clientOf({ client_id, client_secret }),
    )
    await here.tab.navigate(`${APP}/bff/login`)
    expect((await who(here.tab)).user.sub).toBe('alice')
    expect(sent.map((header) => atob(`${header}`.slice('Basic '.length)))).toEqual([
      'my-app_1.a*:a-b_c.d*+%7E%21%3A%25%C3%A9',
    ])
  })
})

describe('a client with a certificate', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close().closeAllConnections()
  })

  it('is known by it at a real provider’s socket, and by nothing else', async () => {
    const certificate = async (commonName: string) =>
      generate([{ name: 'commonName', value: commonName }], {
        keyType: 'ec',
        extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
      })
    const [server, client, stranger] = await Promise.all(['localhost', 'notes', 'mallory'].map(certificate))
    if (!server || !client || !stranger) throw new Error('no certificates')
    const port = await freePort()
    const issuer = `https://localhost:${port}`
    const der = new Uint8Array(Buffer.from(client.cert.replace(/-----.*?-----|\s/g, ''), 'base64'))
    const as = await mockAuthorizationServer({
      issuer,
      users: [{ sub: 'alice', name: 'Alice' }],
      clients: [{ client_id: 'notes', certificate: der, redirect_uris: [CALLBACK] }],
    })
    as.signIn('alice')
    const options = { key: server.private, cert: server.cert, requestCert: true, rejectUnauthorized: false }
    const socket = createServer(options, async (incoming, outgoing) => {
      let body = ''
      for await (const part of incoming) body += part
      const headers = incoming.headers as Record<string, string>
      const request = new Request(issuer + incoming.url, {
        method: incoming.method ?? 'GET',
        headers,
        ...(body && { body }),
      })
      const { raw } = (incoming.socket as import('node:tls').TLSSocket).getPeerCertificate()
      const peer = { address: '127.0.0.1', encrypted: true, ...(raw && { certificate: new Uint8Array(raw) }) }
      const answer = await as.fetch(withPeer(request, peer) as Request)
      outgoing.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
    })
    servers.push(socket)
    await new Promise<void>((resolve) => socket.listen(port, '127.0.0.1', resolve))
    const signedIn = async ({ cert, private: key }: { cert: string; private: string }) => {
      const here = await world({
        issuer,
        mode: 'proxy',
        now: () => Date.now() / 1000,
        client_secret: undefined as never,
        clientAuthentication: 'tls_client_auth',
        fetch: mutualTls({ cert, key, ca: server.cert }),
      })
      const browser = mockBrowser({ origins: { [APP]: here.bff.fetch, [issuer]: (request) => as.fetch(request) } })
      const tab = browser.newTab(`${APP}/`)
      await tab.navigate(`${APP}/bff/login`)
      return (await bodyOf(await tab.fetch(`${APP}/bff/session`, { headers: { 'Sallyport-CSRF': '1' } }))).user
    }
    expect(await signedIn(client)).toMatchObject({ sub: 'alice' })
    expect(await signedIn(stranger)).toBeNull()
  })
})

describe('signed answers', () => {
  it('are opened, and the sign-in is finished by what stands in them', async () => {
    const { tab, as } = await proxied({ response_mode: 'jwt' })
    const { url } = await tab.navigate(`${APP}/bff/login?return_to=/notes`)
    expect(url).toBe(`${APP}/notes`)
    expect((await who(tab)).user.sub).toBe('alice')
    expect(as.grants.authorization_code).toBe(1)
  })

  it('are demanded: parameters beside them count for nothing', async () => {
    const { tab, as, browser } = await proxied({ response_mode: 'jwt' })
    const begun = await tab.fetch(`${APP}/bff/login`, { redirect: 'manual' })
    expect(begun.status).toBe(403)
    as.tamper.metadata = undefined
    const { response } = await tab.navigate(`${CALLBACK}?code=x&state=y`)
    expect(response.status).toBe(400)
    expect(as.requests.token).toBe(0)
    expect(browser.jar.all()).toEqual([])
  })

  it('that refuse are refusals, also of a silent sign-in', async () => {
    const { tab, as, events } = await proxied({ response_mode: 'jwt' })
    as.deny({ error: 'access_denied' })
    const { response } = await tab.navigate(`${APP}/bff/login`)
    expect(response.status).toBe(400)
    expect(events).toContainEqual({ type: 'sign_in_refused', error: 'access_denied' })
    as.signOut()
    const silent = await tab.navigate(`${APP}/bff/login?prompt=none&return_to=/notes`)
    expect(silent.url).toBe(`${APP}/notes?error=login_required`)
  })

  it('whose keys cannot be had are tried again: the sign-in is not spent', async () => {
    const { tab, as } = await proxied({ response_mode: 'jwt' })
    as.fail('jwks', { status: 503 }, { times: 1 })
    const { response, url } = await tab.navigate(`${APP}/bff/login`)
    expect(response.status).toBe(503)
    expect((await tab.navigate(url)).url).toBe(`${APP}/`)
    expect((await who(tab)).user.sub).toBe('alice')
  })
})

describe('UserInfo that is signed', () => {
  const registered = (client_secret: string) => clientOf({ client_secret, userinfo_signed_response_alg: 'ES256' })

  it('is believed when its signature holds, and is not when it does not', async () => {
    const client_secret = randomKey()
    const options = { client_secret, resources: {}, claims: ['sub', 'badge'], userinfo_signed_response_alg: 'ES256' }
    const here = await proxied(options, registered(client_secret))
    here.as.tamper.userinfo = (claims) => ({ ...claims, badge: 7 })
    await here.tab.navigate(`${APP}/bff/login`)
    expect((await who(here.tab)).user).toMatchObject({ sub: 'alice', badge: 7 })
    for (const signature of ['broken', 'none', 'other-key'] as const) {
      here.as.tamper.signed = (claims, header) => ({ claims, header, signature })
      await here.tab.navigate(`${APP}/bff/login`)
      expect((await who(here.tab)).user, signature).toEqual({ sub: 'alice' })
      expect(here.eventTypes()).toContain('userinfo_failed')
    }
  })

  it('is verified also where the backend was not told that it is signed', async () => {
    const client_secret = randomKey()
    const options = { client_secret, resources: {}, claims: ['sub', 'badge'] }
    const here = await proxied(options, registered(client_secret))
    here.as.tamper.userinfo = (claims) => ({ ...claims, badge: 7 })
    await here.tab.navigate(`${APP}/bff/login`)
    expect((await who(here.tab)).user).toMatchObject({ sub: 'alice', badge: 7 })
    for (const signature of ['broken', 'none', 'other-key'] as const) {
      here.as.tamper.signed = (claims, header) => ({ claims, header, signature })
      await here.tab.navigate(`${APP}/bff/login`)
      expect((await who(here.tab)).user, signature).toEqual({ sub: 'alice' })
    }
  })

  it('is not taken unsigned where it was to be signed', async () => {
    const client_secret = randomKey()
    const here = await proxied(
      { client_secret, resources: {}, claims: ['sub', 'badge'], userinfo_signed_response_alg: 'ES256' },
      clientOf({ client_secret }),
    )
    here.as.tamper.userinfo = (claims) => ({ ...claims, badge: 7 })
    await here.tab.navigate(`${APP}/bff/login`)
    expect(here.as.requests.userinfo).toBe(1)
    expect((await who(here.tab)).user).toEqual({ sub: 'alice' })
  })
})

describe('several providers', () => {
  const OTHER = 'https://id.example.org'

  async function two(mode: WorldOptions['store'] | undefined = undefined, more: WorldOptions = {}) {
    const client_secret = randomKey()
    const other = await mockAuthorizationServer({
      issuer: OTHER,
      now: () => 1_790_000_000,
      users: [{ sub: 'alice', name: 'Another Alice' }],
      clients: [
        {
          client_id: 'their-notes',
          client_secret,
          redirect_uris: [`${CALLBACK}/partner`],
          post_logout_redirect_uris: [`${APP}/`],
        },
      ],
    })
    other.signIn('alice')
    const sent: { url: string; body: string }[] = []
    const here = await world({
      mode: 'proxy',
      issuers: { partner: { issuer: OTHER, client_id: 'their-notes', client_secret } },
      ...(mode && { store: mode }),
      fetch: async (input, init) => {
        const request = new Request(input, init)
        sent.push({ url: request.url, body: await request.clone().text() })
        return (request.url.startsWith(OTHER) ? other : here.as).fetch(request)
      },
      ...more,
    })
    const newTab = () =>
      mockBrowser({
        now: here.now,
        origins: { [APP]: here.bff.fetch, [ISSUER]: here.as.fetch, [OTHER]: other.fetch },
      }).newTab(`${APP}/`)
    return { here, other, sent, tab: newTab(), newTab }
  }
  const session = async (tab: Tab) =>
    bodyOf(await tab.fetch(`${APP}/bff/session`, { headers: { 'Sallyport-CSRF': '1' } }))
  const login = `${APP}/bff/login?iss=${encodeURIComponent(OTHER)}`

  it.each([undefined, 'memory'] as const)(
    'are chosen by their issuer, each with a way back of its own (%s)',
    async (store) => {
      const { here, other, sent, tab } = await two(store)
      await tab.navigate(login)
      expect((await session(tab)).user.name).toBe('Another Alice')
      expect(other.grants.authorization_code).toBe(1)
      expect(here.as.grants.authorization_code).toBe(0)
      here.advance(280)
      expect(here.as.requests.token).toBe(0)
      const out = await bodyOf(
        await tab.fetch(`${APP}/bff/logout`, { method: 'POST', headers: { 'Sallyport-CSRF': '1' }, body: '' }),
      )
      expect((await tab.navigate(`${APP}${out.location}`)).url).toMatch(`${APP}/?state=`)
      expect([other.requests.end_session, here.as.requests.end_session]).toEqual([1, 0])
      expect([other.requests.revocation, here.as.requests.revocation]).toEqual([1, 0])
      for (const { url, body } of sent) if (url.startsWith(ISSUER)) expect(body).toBe('')
    },
  )

  it('are not mixed up: an answer at another’s way back, or in another’s name, is none', async () => {
    const { here, other, tab } = await two()
    const began = async (query: string) => {
      const response = await here.bff.fetch(new Request(`${APP}/bff/login${query}`))
      const cookie = response.headers.getSetCookie().map((line) => line.split(';')[0])
      return { to: new URL(response.headers.get('location') ?? ''), cookie: cookie.join('; ') }
    }
    const { to, cookie } = await began('')
    const honest = new URL((await here.as.fetch(to, { redirect: 'manual' })).headers.get('location') ?? '')
    const arrive = (url: string) => here.bff.fetch(new Request(url, { headers: { Cookie: cookie } }))
    const moved = await arrive(honest.href.replace('/callback', '/callback/partner'))
    expect(moved.status).toBe(400)
    expect(await moved.text()).toContain('issuer_mismatch')
    expect([here.as.requests.token, other.requests.token]).toEqual([0, 0])
    // In the other’s name, at the right place.
    const again = await began('')
    const named = new URL((await here.as.fetch(again.to, { redirect: 'manual' })).headers.get('location') ?? '')
    named.searchParams.set('iss', OTHER)
    const renamed = await here.bff.fetch(new Request(named, { headers: { Cookie: again.cookie } }))
    expect(await renamed.text()).toContain('issuer_mismatch')
    expect([here.as.requests.token, other.requests.token]).toEqual([0, 0])
    const unknown = await tab.navigate(`${APP}/bff/login?iss=https://evil.example`)
    expect(unknown.response.status).toBe(400)
  })

  it('sign out their own people only, though the names are the same', async () => {
    const { here, other, tab, newTab } = await two('memory')
    const second = newTab()
    await tab.navigate(`${APP}/bff/login`)
    await second.navigate(login)
    const post = async (logout_token: string) =>
      here.bff.fetch(
        new Request(`${APP}/bff/backchannel-logout`, { method: 'POST', body: new URLSearchParams({ logout_token }) }),
      )
    // In the name of one, by the key of the other.
    const forged = await other.logoutToken('notes', {
      sub: 'alice',
      tamper: (claims, header) => ({ claims: { ...claims, iss: ISSUER }, header }),
    })
    expect((await post(forged)).status).toBe(400)
    expect((await post(await other.logoutToken('their-notes', { sub: 'alice' }))).status).toBe(200)
    expect((await session(second)).user).toBeNull()
    expect((await session(tab)).user.name).toBe('Alice Adams')
  })

  it('[B-34] are left alone each by itself: an outage of one stops nobody of the other', async () => {
    let down = false
    const { here, other, tab, newTab } = await two('memory', {
      routes: { notes: { upstream: 'https://api.example.com' } },
      fetch: async (input, init) => {
        const request = new Request(input, init)
        if (request.url.startsWith('https://api.')) return new Response('ok')
        if (request.url.startsWith(OTHER) && down) throw new TypeError('fetch failed')
        return (request.url.startsWith(OTHER) ? other : here.as).fetch(request)
      },
    })
    const theirs = [newTab(), newTab(), newTab(), newTab()]
    await tab.navigate(`${APP}/bff/login`)
    for (const one of theirs) await one.navigate(login)
    here.advance(400)
    down = true
    const ask = async (one: Tab) =>
      (await one.fetch(`${APP}/bff/api/notes/x`, { headers: { 'Sallyport-CSRF': '1' } })).status
    for (const one of theirs) expect(await ask(one)).toBe(503)
    expect(await ask(tab)).toBe(200)
  })

  it('that are not configured any more get nothing of what others have issued', async () => {
    const { here, tab, sent } = await two('memory')
    await tab.navigate(login)
    here.restart({ issuers: {} })
    const gone = mockBrowser({ now: here.now, origins: { [APP]: here.bff.fetch } }).newTab(`${APP}/`)
    expect((await session(gone)).user).toBeNull()
    here.advance(400)
    sent.length = 0
    expect((await session(tab)).user).not.toBeUndefined()
    expect(sent.filter(({ url }) => url.startsWith(ISSUER))).toEqual([])
  })
})

describe('tokens that are bound to a key of the backend’s', () => {
  const calls: { url: string; method: string; headers: Headers }[] = []

  async function bound(nonce: boolean, provider: Record<string, unknown> = {}, scheme = 'DPoP') {
    calls.length = 0
    const { secret, jwk } = await keyOf('ES256')
    let wanted: () => string | undefined = () => (nonce ? 'api-1' : undefined)
    const here = await world(
      {
        mode: 'proxy',
        dpopKey: secret,
        resources: {},
        routes: { notes: { upstream: `${API}/v1` } },
        fetch: async (input, init) => {
          const request = new Request(input, init)
          if (request.url.startsWith(ISSUER)) return here.as.fetch(request)
          calls.push({ url: request.url, method: request.method, headers: request.headers })
          const proof = decodeJwt(request.headers.get('dpop') ?? 'e30.e30.')
          const demanded = wanted()
          if (demanded !== undefined && proof['nonce'] !== demanded)
            return new Response(null, {
              status: 401,
              headers: { 'DPoP-Nonce': demanded, 'WWW-Authenticate': `${scheme} error="use_dpop_nonce"` },
            })
          return Response.json({ got: await request.text() })
        },
      },
      { accessTokenLifetime: 300, ...provider },
    )
    await here.tab.navigate(`${APP}/bff/login`)
    const ask = (path: string, init: RequestInit = {}) =>
      here.tab.fetch(`${APP}/bff/api/notes${path}`, { ...init, headers: { 'Sallyport-CSRF': '1', ...init.headers } })
    return { here, jwk, ask, demand: (next: typeof wanted) => (wanted = next) }
  }

  it('[F-89 twin] are shown with a proof for exactly this call', async () => {
    const { ask, here } = await bound(false)
    expect(await (await ask('/x?y=1')).json()).toEqual({ got: '' })
    const [{ url, headers }] = calls as [(typeof calls)[number]]
    expect(url).toBe(`${API}/v1/x?y=1`)
    const [scheme, token = ''] = (headers.get('authorization') ?? '').split(' ')
    expect(scheme).toBe('DPoP')
    const proof = decodeJwt(headers.get('dpop') ?? '')
    const ath = Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))).toString(
      'base64url',
    )
    expect(proof).toMatchObject({ htm: 'GET', htu: `${API}/v1/x`, ath })
    expect(proof['nonce']).toBeUndefined()
    const { typ, jwk } = decodeProtectedHeader(headers.get('dpop') ?? '')
    expect(typ).toBe('dpop+jwt')
    expect(jwk).not.toHaveProperty('d')
    expect(decodeJwt(token)['cnf']).toHaveProperty('jkt')
    expect(here.as.grants.refresh_token).toBeLessThanOrEqual(1)
  })

  it.each(['DPoP', 'dpop', 'DPOP'])('[F-89] take the API’s nonce, once, and keep it (%s)', async (scheme) => {
    const { ask, demand } = await bound(true, {}, scheme)
    const response = await ask('/x', {
      method: 'POST',
      body: 'hello',
      headers: { 'Content-Type': 'text/plain', 'Content-Length': '5' },
    })
    expect(await response.json()).toEqual({ got: 'hello' })
    expect(calls).toHaveLength(2)
    const proofs = calls.map(({ headers }) => decodeJwt(headers.get('dpop') ?? ''))
    expect(proofs.map((proof) => proof['nonce'])).toEqual([undefined, 'api-1'])
    expect(proofs[0]?.jti).not.toBe(proofs[1]?.jti)
    await ask('/y')
    expect(calls).toHaveLength(3)
    // A new one is taken likewise.
    demand(() => 'api-2')
    expect((await ask('/z')).status).toBe(200)
    expect(calls).toHaveLength(5)
  })

  it('[F-89] do not go round in circles with an API that is never content', async () => {
    const { ask, demand, here } = await bound(true)
    // A new nonce with every answer, and none of them is ever taken.
    let count = 0
    demand(() => `api-${count++}`)
    here.advance(60)
    const response = await ask('/x')
    expect(response.status).toBe(401)
    // With the nonce, and with another token: three at most.
    expect(calls).toHaveLength(3)
    expect(here.as.grants.refresh_token).toBe(1)
  })

  it('[F-89 twin] satisfy a provider that demands nonces itself, at sign-in, renewal and UserInfo', async () => {
    const { here, ask } = await bound(false, { dpopNonce: 'as-1' })
    expect((await who(here.tab)).user.sub).toBe('alice')
    here.advance(290)
    expect((await ask('/x')).status).toBe(200)
    expect(here.as.requests.userinfo).toBeGreaterThan(0)
    expect(here.eventTypes()).not.toContain('userinfo_failed')
  })

  it('are not taken unbound: a provider that ignores the proof is a fault of the operator’s', async () => {
    const { here } = await bound(false)
    here.as.tamper.tokenResponse = (json) => ({ ...json, token_type: 'Bearer' })
    const second = here.device()
    await second.navigate(`${APP}/bff/login`)
    expect((await who(second)).user).toBeNull()
    expect(here.events).toContainEqual(expect.objectContaining({ type: 'operator_error' }))
  })
})
