import { decodeJwt, exportJWK, generateKeyPair } from 'jose'
import { generateKeys, type SigningKey } from 'sallyport/testing'
import { describe, expect, it } from 'vitest'
import {
  APP,
  bodyOf,
  signIn as byPage,
  call,
  ISSUER,
  look,
  type Tab,
  type World,
  type WorldOptions,
  world,
} from '../world.js'

/**
 * The relying-party modules of the OpenID conformance suite, by their names, with the outcome that it demands or a stricter
 * one. Where it says that nothing more may be called after a bad answer, that is counted.
 */
type Tampered = ReturnType<NonNullable<World['as']['tamper']['idToken']>>
type IdToken = (claims: Tampered['claims'], header: Tampered['header']) => Tampered

const who = async (tab: Tab) => (await bodyOf(await look(tab, '/session'))).user
const change =
  (changes: Record<string, unknown>): IdToken =>
  (claims, header) => ({ claims: { ...claims, ...changes }, header })
const without =
  (name: string): IdToken =>
  ({ [name]: _, ...claims }, header) => ({ claims, header })
const unsigned: IdToken = (claims, header) => ({ claims, header: { ...header, alg: 'none' }, signature: 'none' })
const broken: IdToken = (claims, header) => ({ claims, header, signature: 'broken' })
const unnamed: IdToken = (claims, header) => ({ claims, header: { ...header, kid: '' } })

const keys = await generateKeys()
const oneKey = [keys.find(({ alg }) => alg === 'RS256')] as SigningKey[]

/** UserInfo is asked where the token is not for an API. */
const plain = { resources: {} } satisfies WorldOptions

/** One relying party: how it is set up, and how a person signs in there. */
const parties: Record<string, { options: WorldOptions; signIn(here: World): Promise<unknown> }> = {
  'Basic, by the page': { options: plain, signIn: ({ tab }) => byPage(tab) },
  'Basic, by the backend': {
    options: { ...plain, mode: 'proxy' },
    signIn: ({ tab }) => tab.navigate(`${APP}/bff/login`),
  },
  'Form Post': {
    options: { ...plain, mode: 'proxy', response_mode: 'form_post' },
    signIn: ({ tab }) => tab.navigate(`${APP}/bff/login`),
  },
}

describe.each(Object.entries(parties))('%s', (_name, { options, signIn }) => {
  const open = (more: WorldOptions = {}, provider: Record<string, unknown> = {}) =>
    world({ ...options, ...more }, provider)

  async function accepted(here: World): Promise<void> {
    await signIn(here)
    expect(await who(here.tab)).toMatchObject({ sub: 'alice' })
  }
  /** Nobody is signed in, no cookie is left, and nothing was asked of the provider after its bad answer. */
  async function refused(here: World, userinfo = 0): Promise<void> {
    await signIn(here)
    expect(await who(here.tab)).toBeNull()
    expect(here.browser.jar.all()).toEqual([])
    expect(here.as.requests).toMatchObject({ token: 1, userinfo })
  }
  async function withIdToken(tamper: IdToken, provider: Record<string, unknown> = {}): Promise<World> {
    const here = await open({}, provider)
    here.as.tamper.idToken = tamper
    return here
  }

  it('oidcc-client-test', async () => {
    const here = await open()
    await accepted(here)
    expect(here.as.requests).toMatchObject({ authorize: 1, token: 1, userinfo: 1 })
  })
  it.each<[string, IdToken]>([
    ['oidcc-client-test-invalid-iss', change({ iss: `${ISSUER}/` })],
    ['oidcc-client-test-missing-sub', without('sub')],
    ['oidcc-client-test-invalid-aud', change({ aud: 'another' })],
    ['oidcc-client-test-missing-iat', without('iat')],
    ['oidcc-client-test-idtoken-sig-none', unsigned],
    ['oidcc-client-test-invalid-sig-rs256', broken],
    ['oidcc-client-test-nonce-invalid', change({ nonce: 'another' })],
  ])('%s: refused', async (_module, tamper) => refused(await withIdToken(tamper)))

  it('oidcc-client-test-kid-absent-single-jwks', async () => accepted(await withIdToken(unnamed, { keys: oneKey })))
  it('oidcc-client-test-kid-absent-multiple-jwks: refused where more than one key fits', async () => {
    const two = [...oneKey, ...(await generateKeys()).filter(({ alg }) => alg === 'RS256')]
    await refused(await withIdToken(unnamed, { keys: two }))
    // Of several keys one alone may fit the algorithm.
    await accepted(await withIdToken(unnamed, { keys }))
  })
  it('oidcc-client-test-idtoken-sig-rs256', async () =>
    accepted(await withIdToken((claims, header) => ({ claims, header: { ...header, alg: 'RS256' } }))))
  it('oidcc-client-test-userinfo-invalid-sub: refused', async () => {
    const here = await open()
    here.as.tamper.userinfo = (claims) => ({ ...claims, sub: 'bob' })
    await refused(here, 1)
  })
  it('oidcc-client-test-scope-userinfo-claims', async () => {
    const here = await open({ scope: 'openid profile email phone', claims: ['sub', 'name', 'email', 'phone_number'] })
    here.as.tamper.idToken = ({ name: _n, email: _e, phone_number: _p, ...claims }, header) => ({ claims, header })
    const begun: string[] = []
    here.as.tamper.authorizationResponse = (response) => {
      begun.push(`${response}`)
      return response
    }
    if (options.mode === 'proxy') await signIn(here)
    else await byPage(here.tab, { scope: 'openid profile email phone' })
    expect(begun).toHaveLength(1)
    expect(await who(here.tab)).toEqual({
      sub: 'alice',
      name: 'Alice Adams',
      email: 'alice@example.com',
      phone_number: '+1 555 0100',
    })
  })
  it('oidcc-client-test-client-secret-basic', async () => {
    const sent: (string | null)[] = []
    const here: World = await open({
      fetch: async (input, init) => {
        const request = new Request(input, init)
        if (request.url === `${ISSUER}/token`) sent.push(request.headers.get('authorization'))
        return here.as.fetch(request)
      },
    })
    await accepted(here)
    expect(sent).toEqual([expect.stringMatching(/^Basic [\w+/]+=*$/)])
  })

  describe('Config', () => {
    it('oidcc-client-test-discovery-openid-config', async () => {
      const here = await open()
      await accepted(here)
      expect(here.as.requests.discovery).toBe(1)
    })
    it('oidcc-client-test-discovery-jwks-uri-keys', async () => {
      const here = await open({}, { keys: await generateKeys() })
      await accepted(here)
      expect(here.as.requests.jwks).toBe(1)
    })
    it('oidcc-client-test-discovery-issuer-mismatch: refused, nobody is sent anywhere', async () => {
      const here = await open()
      here.as.tamper.metadata = (json) => ({ ...json, issuer: 'https://evil.example' })
      await signIn(here).catch(() => {})
      expect(await who(here.tab)).toBeNull()
      expect(here.as.requests).toMatchObject({ authorize: 0, token: 0 })
    })
    it('oidcc-client-test-idtoken-sig-none: refused', async () => refused(await withIdToken(unsigned)))
    it('oidcc-client-test-signing-key-rotation-just-before-signing', async () => {
      const here = await open()
      // Before the first sign-in nothing is known; the key changes between the redirect and the token.
      here.as.tamper.authorizationResponse = (response) => response
      const gate = here.as.delay('token')
      const going = accepted(here)
      await here.as.rotateKeys()
      gate.release()
      await going
    })
    it('oidcc-client-test-signing-key-rotation', async () => {
      const here = await open()
      await accepted(here)
      await call(here.tab, '/logout')
      here.as.signIn('alice')
      await here.as.rotateKeys()
      await accepted(here)
      expect(here.as.requests.jwks).toBe(2)
    })
  })
})

describe('RP-initiated logout', () => {
  it.each<[string, ((location: URL) => void) | undefined]>([
    ['oidcc-client-test-rp-init-logout', undefined],
    ['oidcc-client-test-rp-init-logout-other-state', (location) => location.searchParams.set('state', 'another')],
    ['oidcc-client-test-rp-init-logout-no-state', (location) => location.searchParams.delete('state')],
  ])('%s', async (_module, tamper) => {
    const here = await world(plain)
    await byPage(here.tab)
    const { location } = await bodyOf(await call(here.tab, '/logout'))
    const { url } = await here.tab.navigate(APP + location)
    expect(new URL(url).origin + new URL(url).pathname).toBe(`${APP}/`)
    expect(here.as.requests.end_session).toBe(1)
    // Back with whatever state: nobody is signed in, and signing in works.
    const back = new URL(url)
    expect(back.searchParams.get('state')).toMatch(/^sallyport\.[\w-]{43}$/)
    tamper?.(back)
    await here.tab.navigate(back.href)
    expect(await who(here.tab)).toBeNull()
    here.as.signIn('alice')
    await byPage(here.tab)
    expect(await who(here.tab)).toMatchObject({ sub: 'alice' })
  })
})

describe('Back-channel logout', () => {
  const module = 'oidcc-client-test-rp-backchannel-rpinitlogout'
  type Tampering = NonNullable<Parameters<World['as']['logoutToken']>[1]['tamper']>
  const event = 'http://schemas.openid.net/event/backchannel-logout'
  const es256: Tampering = (claims, header) => ({ claims, header: { ...header, alg: 'ES256' } })

  async function told(tamper?: Tampering) {
    const here = await world({ ...plain, store: 'memory', idTokenAlgs: ['RS256'] })
    // Another device of the same person: signed out here, it is the provider's message that ends it there.
    const other = here.device()
    await byPage(here.tab)
    await byPage(other)
    const { location } = await bodyOf(await call(here.tab, '/logout'))
    const token = await here.as.logoutToken('notes', { sub: 'alice', tamper })
    const answer = await here.bff.fetch(
      new Request(`${APP}/bff/backchannel-logout`, {
        method: 'POST',
        body: new URLSearchParams({ logout_token: token }),
      }),
    )
    // The way back after the sign-out is not disturbed by it.
    const { url } = await here.tab.navigate(APP + location)
    expect(url.startsWith(`${APP}/`)).toBe(true)
    expect(await who(here.tab)).toBeNull()
    return { status: answer.status, other: await who(other) }
  }

  it(module, async () => {
    expect(await told()).toEqual({ status: 200, other: null })
  })
  it.each<[string, Tampering]>([
    ['alg-none', unsigned as Tampering],
    ['no-event', without('events') as Tampering],
    ['with-nonce', change({ nonce: 'n' }) as Tampering],
    ['wrong-alg', es256],
    ['wrong-aud', change({ aud: 'another' }) as Tampering],
    ['wrong-event', change({ events: { [`${event}s`]: {} } }) as Tampering],
    ['wrong-iss', change({ iss: 'https://evil.example' }) as Tampering],
  ])(`${module}-%s: refused`, async (_suffix, tamper) => {
    expect(await told(tamper)).toMatchObject({ status: 400, other: { sub: 'alice' } })
  })
})

describe('Refresh', () => {
  async function renewed(tamper?: IdToken) {
    const here = await world()
    await byPage(here.tab)
    here.as.tamper.idToken = tamper
    here.advance(400)
    const response = await call(here.tab, '/token', { grant_type: 'refresh_token' })
    return { here, status: response.status, body: await bodyOf(response) }
  }
  it('oidcc-client-test-refresh-token', async () => {
    const { status, body, here } = await renewed()
    expect([status, body.access_token, here.as.grants.refresh_token]).toEqual([200, expect.any(String), 1])
  })
  it.each<[string, IdToken]>([
    ['oidcc-client-test-refresh-token-invalid-issuer', change({ iss: 'https://evil.example' })],
    ['oidcc-client-test-refresh-token-invalid-sub', change({ sub: 'bob' })],
  ])('%s: refused, and no token of it is handed out', async (_module, tamper) => {
    const { status, body, here } = await renewed(tamper)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(body.access_token).toBeUndefined()
    expect((await who(here.tab))?.sub).not.toBe('bob')
  })
})

describe('Front-channel logout and third-party-initiated login', () => {
  it('oidcc-client-test-rp-frontchannel-rpinitlogout', async () => {
    const here = await world({ ...plain, store: 'memory' })
    let sid = ''
    here.as.tamper.idToken = (claims, header) => {
      sid = `${claims['sid']}`
      return { claims, header }
    }
    await byPage(here.tab)
    const query = new URLSearchParams({ iss: ISSUER, sid })
    const headers = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Dest': 'iframe' }
    const answer = await here.bff.fetch(new Request(`${APP}/bff/frontchannel-logout?${query}`, { headers }))
    expect(answer.status).toBe(200)
    expect(await who(here.tab)).toBeNull()
  })
  it('oidcc-client-test-3rd-party-init-login', async () => {
    const here = await world({ ...plain, mode: 'proxy' })
    const query = new URLSearchParams({ iss: ISSUER, target_link_uri: `${APP}/notes` })
    const { url } = await here.tab.navigate(`${APP}/bff/login?${query}`, { from: 'https://portal.example.org/' })
    expect(url).toBe(`${APP}/notes`)
    expect(await who(here.tab)).toMatchObject({ sub: 'alice' })
  })
})

describe('FAPI 2.0 Security Profile, client', () => {
  const RESOURCE = 'https://api.example.com'
  interface Setting {
    /** The nonce that API and provider demand. */
    nonce?: string
    /** How the API names the scheme when it refuses. */
    scheme?: string
    jarm?: boolean
  }

  /** private_key_jwt, DPoP, PAR throughout; what was asked of the API is kept. */
  async function client({ nonce, scheme = 'DPoP', jarm }: Setting = {}) {
    const pair = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(pair.publicKey)), alg: 'ES256', kid: 'client' }
    const clientKey = JSON.stringify({ ...(await exportJWK(pair.privateKey)), alg: 'ES256', kid: 'client' })
    const dpopKey = JSON.stringify(await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey))
    const api: Headers[] = []
    const here: World = await world(
      {
        mode: 'proxy',
        clientAuthentication: 'private_key_jwt',
        client_secret: undefined as never,
        clientKey,
        dpopKey,
        idTokenAlgs: ['RS256'],
        ...(jarm && { response_mode: 'jwt' as const }),
        routes: { accounts: { upstream: RESOURCE } },
        fetch: async (input, init) => {
          const request = new Request(input, init)
          if (request.url.startsWith(ISSUER)) return here.as.fetch(request)
          api.push(request.headers)
          const proof = request.headers.get('dpop')
          if (nonce === undefined || (proof && decodeJwt(proof)['nonce'] === nonce)) return new Response('accounts')
          const headers = { 'DPoP-Nonce': nonce, 'WWW-Authenticate': `${scheme} error="use_dpop_nonce"` }
          return new Response(null, { status: 401, headers })
        },
      },
      {
        par: true,
        ...(nonce !== undefined && { dpopNonce: nonce }),
        clients: [{ client_id: 'notes', redirect_uris: [`${APP}/bff/callback`], jwks: { keys: [jwk] } }],
      },
    )
    const resource = async () =>
      (await here.tab.fetch(`${APP}/bff/api/accounts/x`, { headers: { 'Sallyport-CSRF': '1' } })).text()
    return { here, api, resource, signIn: () => here.tab.navigate(`${APP}/bff/login`) }
  }
  const fapi = 'fapi2-security-profile-final-client-test'

  it.each<[string, Setting]>([
    [`${fapi}-happy-path`, { nonce: 'n-1' }],
    [`${fapi}-happy-path-no-dpop-nonce`, {}],
    [`${fapi}-rs-dpop-auth-scheme-case-insensitivity`, { nonce: 'n-1', scheme: 'dPoP' }],
  ])('%s', async (_module, setting) => {
    const { here, api, resource, signIn } = await client(setting)
    await signIn()
    expect(await resource()).toBe('accounts')
    expect(api.at(-1)?.get('authorization')).toMatch(/^DPoP /)
    expect(here.as.requests).toMatchObject({ discovery: 1, push: 1, token: setting.nonce === undefined ? 1 : 2 })
    expect(api).toHaveLength(setting.nonce === undefined ? 1 : 2)
  })
  it(`${fapi}-discovery-issuer-mismatch: refused`, async () => {
    const { here, signIn } = await client()
    here.as.tamper.metadata = (json) => ({ ...json, issuer: 'https://evil.example' })
    expect((await signIn()).response.status).toBe(400)
    expect(here.as.requests).toMatchObject({ push: 0, authorize: 0 })
  })
  it.each<[string, IdToken]>([
    ['invalid-iss', change({ iss: 'https://evil.example' })],
    ['invalid-missing-iss', without('iss')],
    ['invalid-aud', change({ aud: 'another' })],
    ['invalid-missing-aud', without('aud')],
    ['invalid-secondary-aud', change({ aud: ['notes', 'another'] })],
    ['invalid-null-alg', unsigned],
    ['invalid-alternate-alg', (claims, header) => ({ claims, header: { ...header, alg: 'ES256' } })],
    ['invalid-expired-exp', change({ exp: 1_790_000_000 - 301 })],
    ['invalid-missing-exp', without('exp')],
    ['invalid-nonce', change({ nonce: 'another' })],
    ['invalid-missing-nonce', without('nonce')],
  ])(`${fapi}-%s: refused`, async (_suffix, tamper) => {
    const { here, api, resource, signIn } = await client()
    here.as.tamper.idToken = tamper
    expect((await signIn()).response.status).toBe(400)
    expect(await who(here.tab)).toBeNull()
    await resource()
    expect(api).toEqual([])
  })
  it(`${fapi}-valid-aud-as-array`, async () => {
    const { here, signIn } = await client()
    here.as.tamper.idToken = change({ aud: ['notes'] })
    await signIn()
    expect(await who(here.tab)).toMatchObject({ sub: 'alice' })
  })
  it.each<[string, (response: URLSearchParams) => void]>([
    ['invalid-authorization-response-iss', (response) => response.set('iss', 'https://evil.example')],
    ['remove-authorization-response-iss', (response) => response.delete('iss')],
    ['ensure-authorization-response-with-invalid-state-fails', (response) => response.set('state', 'another')],
    ['ensure-authorization-response-with-invalid-missing-state-fails', (response) => response.delete('state')],
  ])(`${fapi}-%s: refused, the code is sent nowhere`, async (_suffix, tamper) => {
    const { here, signIn } = await client()
    here.as.tamper.authorizationResponse = (response) => {
      tamper(response)
      return response
    }
    const { response } = await signIn()
    expect(response.status).toBe(400)
    expect(await response.text()).toContain('role="alert"')
    expect(here.as.requests.token).toBe(0)
    expect(await who(here.tab)).toBeNull()
  })
  it.each<[string, (json: Record<string, unknown>) => Record<string, unknown>]>([
    ['token-endpoint-response-without-expires_in', ({ expires_in: _, ...json }) => json],
    ['token-type-case-insensitivity', (json) => ({ ...json, token_type: 'dPOp' })],
  ])(`${fapi}-%s`, async (_suffix, tamper) => {
    const { here, resource, signIn } = await client()
    here.as.tamper.tokenResponse = tamper
    await signIn()
    expect(await resource()).toBe('accounts')
  })
  it('fapi2-security-profile-final-client-refresh-token-test', async () => {
    const { here, resource, signIn } = await client()
    await signIn()
    for (const grants of [1, 2]) {
      here.advance(400)
      expect(await resource()).toBe('accounts')
      expect(here.as.grants.refresh_token).toBe(grants)
    }
  })

  describe('Message Signing', () => {
    const jarm = 'fapi2-message-signing-final-client-test-ensure-jarm'
    it.each<[string, IdToken]>([
      ['without-iss-fails', without('iss')],
      ['with-invalid-iss-fails', change({ iss: 'https://evil.example' })],
      ['without-aud-fails', without('aud')],
      ['with-invalid-aud-fails', change({ aud: 'another' })],
      ['without-exp-fails', without('exp')],
      ['with-expired-exp-fails', change({ exp: 1_790_000_000 - 301 })],
      ['with-invalid-sig-fails', broken],
      ['signature-is-not-none', unsigned],
    ])(`${jarm}-%s: refused, the code is sent nowhere`, async (_suffix, tamper) => {
      const { here, signIn } = await client({ jarm: true })
      here.as.tamper.signed = tamper
      expect((await signIn()).response.status).toBe(400)
      expect(here.as.requests.token).toBe(0)
      expect(await who(here.tab)).toBeNull()
    })
    it('fapi2-message-signing-final-client-test-happy-path', async () => {
      const { here, resource, signIn } = await client({ jarm: true })
      await signIn()
      expect(await who(here.tab)).toMatchObject({ sub: 'alice' })
      expect(await resource()).toBe('accounts')
    })
  })
})
