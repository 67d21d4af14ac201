import { describe, expect, it } from 'vitest'
import readme from '../../../README.md?raw'
import { generateCodeVerifier } from '../../../src/protocol/pkce.js'
import { API, APP, begin, bodyOf, call, follow, homes, ISSUER, look, redeem, signIn } from '../../world.js'

describe.each(homes)('beginning a sign-in, with %s', (_home, world) => {
  it('binds the request to this browser and answers where to go', async () => {
    const { tab, browser } = await world()
    const { response, location, fields } = await begin(tab, { prompt: 'login', login_hint: 'alice', max_age: '60' })
    expect(response.status).toBe(200)
    const url = new URL(location)
    expect(url.origin).toBe(ISSUER)
    for (const name of ['state', 'nonce', 'code_challenge', 'redirect_uri', 'prompt', 'login_hint', 'max_age', 'scope'])
      expect(url.searchParams.get(name), name).toBe(fields[name])
    expect(url.searchParams.getAll('resource')).toEqual([API])
    const cookie =
      response.headers.get('set-cookie') ?? browser.jar.all().find(({ name }) => name.includes('.tx.'))?.name
    expect(cookie).toContain('__Host-Http-sallyport.tx.')
  })

  it.each([
    ['another response_type', { response_type: 'token' }, 'response_type'],
    ['another client_id', { client_id: 'mine' }, 'client_id'],
    ['a redirect_uri that is not configured', { redirect_uri: `${APP}/callback/` }, 'redirect_uris'],
    ['plain PKCE', { code_challenge_method: 'plain' }, 'S256'],
    ['no code_challenge', { code_challenge: undefined }, 'code_challenge'],
    ['a short state', { state: 'short' }, 'state'],
    ['no nonce', { nonce: undefined }, 'nonce'],
    ['no openid in the scope', { scope: 'profile' }, 'openid'],
    ['a parameter of the provider that is not listed', { organization: 'acme' }, 'unknown'],
    ['a request object', { request: 'e30.e30.' }, 'unknown'],
    ['a client_secret', { client_secret: 'x' }, 'unknown'],
  ])('refuses %s', async (_name, changes, words) => {
    const { tab } = await world()
    const { response } = await begin(tab, changes)
    expect(response.status).toBe(400)
    const body = await bodyOf(response)
    expect(body.error).toBe('invalid_request')
    expect(body.error_description).toContain(words)
  })

  it('sends a listed parameter of the provider on', async () => {
    const { tab } = await world({ authorizationParams: ['organization'] })
    expect(new URL((await begin(tab, { organization: 'acme' })).location).searchParams.get('organization')).toBe('acme')
  })

  it('refuses scopes and resources that are not configured, and accepts those that are', async () => {
    const { tab } = await world()
    expect((await bodyOf((await begin(tab, { scope: 'openid admin' })).response)).error).toBe('invalid_scope')
    expect((await bodyOf((await begin(tab, { resource: 'https://evil.example' })).response)).error).toBe(
      'invalid_target',
    )
    expect(
      (await begin(tab, { scope: 'openid other:read', resource: 'https://other.example.com' })).response.status,
    ).toBe(200)
  })

  it('[F-38][F-38 twin] keeps five sign-ins under way at most: the oldest makes room', async () => {
    const { tab, browser, advance } = await world()
    const begun = []
    for (let at = 0; at < 12; at++) {
      begun.push(await begin(tab))
      advance(1)
    }
    const names = browser.jar.all().filter(({ name }) => name.includes('.tx.'))
    expect(names).toHaveLength(5)
    const newest = begun[11]
    if (!newest) throw new Error('none')
    expect((await redeem(tab, newest, await follow(tab, newest))).status).toBe(200)
    const oldest = begun[0]
    if (!oldest) throw new Error('none')
    expect((await redeem(tab, oldest, await follow(tab, oldest))).status).toBe(400)
  })

  it('[C-10][F-98] refuses a provider whose metadata names another issuer, before any redirect', async () => {
    const { tab, as, eventTypes } = await world()
    as.tamper.metadata = (metadata) => ({ ...metadata, issuer: 'https://as.example.com/' })
    for (const response of [await look(tab, '/.well-known/openid-configuration'), (await begin(tab)).response]) {
      expect(response.status).toBe(400)
      expect((await bodyOf(response)).error).toBe('issuer_mismatch')
    }
    expect(eventTypes()).toContain('operator_error')
  })

  it('[C-10 twin][F-98 twin][S-40] starts once the metadata is right: the failure was not remembered', async () => {
    const { tab, as } = await world()
    as.fail('discovery', { status: 500 })
    expect((await begin(tab)).response.status).toBe(503)
    expect((await begin(tab)).response.status).toBe(200)
  })
})

describe.each(homes)('the provider’s metadata, with %s', (_home, world) => {
  it('is read once, again after an hour, and the old one serves while that fails', async () => {
    const { tab, as, advance } = await world()
    for (let at = 0; at < 5; at++) await begin(tab)
    expect(as.requests.discovery).toBe(1)
    advance(3601)
    as.fail('discovery', { status: 500 }, { times: 5 })
    for (let at = 0; at < 5; at++) expect((await begin(tab)).response.status).toBe(200)
    expect(as.requests.discovery).toBe(2)
    advance(61)
    await begin(tab)
    expect(as.requests.discovery).toBe(3)
  })
})

describe.each(homes)('a provider that offers pushed requests, with %s', (_home, world) => {
  it('is sent the request first, and the browser only a reference to it', async () => {
    const { tab, as } = await world({}, { par: true })
    const begun = await begin(tab)
    const { searchParams } = new URL(begun.location)
    expect([...searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
    expect(as.requests.push).toBe(1)
    expect((await redeem(tab, begun, await follow(tab, begun))).status).toBe(200)
  })

  it.each([
    ['is down', 'refused' as const, 'temporarily_unavailable'],
    ['fails', { status: 500 }, 'temporarily_unavailable'],
    [
      'does not know the client',
      { status: 401, body: '{"error":"invalid_client"}', headers: { 'Content-Type': 'application/json' } },
      'operator_error',
    ],
    [
      'does not know the client, and says by which scheme',
      {
        status: 401,
        body: '{"error":"invalid_client"}',
        headers: { 'Content-Type': 'application/json', 'WWW-Authenticate': 'Basic realm="par"' },
      },
      'operator_error',
    ],
    [
      'refuses the scope',
      { status: 400, body: '{"error":"invalid_scope"}', headers: { 'Content-Type': 'application/json' } },
      'invalid_scope',
    ],
    [
      'refuses the request',
      { status: 400, body: '{"error":"invalid_request"}', headers: { 'Content-Type': 'application/json' } },
      'invalid_request',
    ],
  ])('sends nobody anywhere when it %s', async (_name, fault, error) => {
    const { tab, as, browser } = await world({}, { par: true })
    as.fail('push', fault)
    const { response } = await begin(tab)
    expect((await bodyOf(response)).error).toBe(error)
    expect(browser.jar.all()).toEqual([])
    expect((await begin(tab)).response.status).toBe(200)
  })
})

describe.each(homes)('redeeming a code, with %s', (_home, world) => {
  /** The token is then for UserInfo, and not for an API. */
  const noApis = { resources: {} }

  it('leaves UserInfo alone where the token is for an API', async () => {
    const { tab, as } = await world()
    expect((await signIn(tab)).status).toBe(200)
    expect(as.requests.userinfo).toBe(0)
  })

  it('answers with a token, the user and the end of the session, and nothing more', async () => {
    const { tab, as, now } = await world()
    const response = await signIn(tab)
    expect(response.status).toBe(200)
    const body = await bodyOf(response)
    expect(Object.keys(body).sort()).toEqual([
      'access_token',
      'expires_at',
      'expires_in',
      'scope',
      'session_expires_in',
      'token_type',
      'user',
      'user_digest',
    ])
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 300, user: { sub: 'alice', name: 'Alice Adams' } })
    expect([body.expires_at, body.session_expires_in]).toEqual([now() + 86_400, 86_400])
    expect(as.grants.authorization_code).toBe(1)
  })

  it('[B-01][B-27][F-18] refuses a browser that did not begin it, without asking the provider', async () => {
    const { tab, as, browser } = await world()
    const begun = await begin(tab)
    const callback = await follow(tab, begun)
    browser.jar.clear()
    const response = await redeem(tab, begun, callback)
    expect(response.status).toBe(400)
    expect((await bodyOf(response)).error).toBe('invalid_grant')
    expect(browser.jar.all()).toEqual([])
    expect(as.requests.token ?? 0).toBe(0)
  })

  it('[B-01 twin][B-27 twin] accepts the browser that did', async () => {
    const { tab } = await world()
    const begun = await begin(tab)
    expect((await redeem(tab, begun, await follow(tab, begun))).status).toBe(200)
  })

  it('[B-29][B-29 twin] accepts a code that another browser got for a sign-in begun here: the documented residual', async () => {
    const { tab, as, bff } = await world()
    const begun = await begin(tab)
    // Another browser, with another person signed in at the provider, runs the provider's half.
    const { mockBrowser } = await import('sallyport/testing')
    as.signIn('bob')
    const victim = mockBrowser({ origins: { [ISSUER]: as.fetch, [APP]: bff.fetch } }).newTab(`${APP}/`)
    const callback = new URL((await victim.navigate(begun.location)).url).searchParams
    const response = await redeem(tab, begun, callback)
    expect(response.status).toBe(200)
    expect((await bodyOf(response)).user.sub).toBe('bob')
    expect(readme).toContain('starts a sign-in in their own browser')
    expect((await bff.describe()).deviations.join(' ')).toContain('the page begins the code flow')
  })

  it('[B-02] refuses a state that is not the sealed one, and clears its cookie', async () => {
    const { tab, as, browser } = await world()
    const begun = await begin(tab)
    const other = await begin(tab)
    const callback = await follow(tab, begun)
    // The transaction of one state under the name of another, as a script with a copied value could not even set it.
    const [first, second] = browser.jar.all().filter(({ name }) => name.includes('.tx.'))
    if (!first || !second) throw new Error('no transactions')
    browser.jar.set(`${APP}/`, `${first.name}=${second.value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    browser.jar.set(`${APP}/`, `${second.name}=${first.value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    const response = await redeem(tab, begun, callback)
    expect(response.status).toBe(400)
    expect((await bodyOf(response)).error).toBe('state_mismatch')
    expect(as.requests.token ?? 0).toBe(0)
    expect(browser.jar.all().filter(({ name }) => name.includes('.tx.'))).toHaveLength(1)
    expect(other.response.status).toBe(200)
  })

  it('[B-02 twin][S-13][F-20] lets two sign-ins finish in reverse order, each with its own state', async () => {
    const { tab, browser } = await world()
    const second = browser.newTab(`${APP}/`)
    const a = await begin(tab)
    const b = await begin(second)
    const callbackB = await follow(second, b)
    expect((await redeem(second, b, callbackB)).status).toBe(200)
    expect((await redeem(tab, a, await follow(tab, a))).status).toBe(200)
  })

  it('[C-02] redeems a code once: the second time is refused here, and the session stays', async () => {
    const { tab, as } = await world()
    const begun = await begin(tab)
    const callback = await follow(tab, begun)
    const [first, second] = await Promise.all([redeem(tab, begun, callback), redeem(tab, begun, callback)])
    expect([first.status, second.status].sort()).toEqual([200, 400])
    const third = await redeem(tab, begun, callback)
    expect((await bodyOf(third)).error).toBe('transaction_consumed')
    expect(as.requests.token).toBe(1)
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })

  it('[C-02 twin] redeems another code of another sign-in', async () => {
    const { tab, as } = await world()
    await signIn(tab)
    expect((await signIn(tab)).status).toBe(200)
    expect(as.grants.authorization_code).toBe(2)
  })

  it('refuses a verifier that does not fit, without asking the provider', async () => {
    const { tab, as } = await world()
    const begun = await begin(tab)
    const response = await redeem(tab, begun, await follow(tab, begun), { code_verifier: generateCodeVerifier() })
    expect((await bodyOf(response)).error).toBe('invalid_grant')
    expect(as.requests.token ?? 0).toBe(0)
  })

  it('[F-28][F-28 twin] refuses a transaction after ten minutes, and accepts one before', async () => {
    const { tab, advance, browser } = await world()
    const early = await begin(tab)
    const callback = await follow(tab, early)
    advance(599)
    const inTime = await redeem(tab, early, callback)
    // The provider's own code has expired by now: what is refused is the code, not the transaction.
    expect((await bodyOf(inTime)).error_description).toContain('provider refused')
    const late = await begin(tab)
    const lateCallback = await follow(tab, late)
    const cookie = browser.jar.all().find(({ name }) => name.includes('.tx.'))
    advance(601)
    expect((await bodyOf(await redeem(tab, late, lateCallback))).error).toBe('invalid_grant')
    // A browser that keeps the cookie longer than it was told to gains nothing.
    browser.jar.set(`${APP}/`, `${cookie?.name}=${cookie?.value}; Path=/; Secure; HttpOnly; SameSite=Strict`)
    expect((await bodyOf(await redeem(tab, late, lateCallback))).error).toBe('state_mismatch')
  })

  it.each([
    ['of another issuer', { iss: 'https://evil.example' }],
    ['with a slash too many', { iss: `${ISSUER}/` }],
    ['that is missing though advertised', { iss: undefined }],
  ])('[S-7][S-8][F-23][F-24] refuses an iss %s', async (_name, changes) => {
    const { tab, as } = await world()
    const begun = await begin(tab)
    const response = await redeem(tab, begun, await follow(tab, begun), changes)
    expect(response.status).toBe(400)
    expect((await bodyOf(response)).error).toBe('issuer_mismatch')
    expect(as.requests.token ?? 0).toBe(0)
  })

  it('[S-7 twin][S-8 twin] needs no iss from a provider that does not advertise it', async () => {
    const { tab, as } = await world()
    as.tamper.metadata = ({ authorization_response_iss_parameter_supported: _, ...metadata }) => metadata
    const begun = await begin(tab)
    expect((await redeem(tab, begun, await follow(tab, begun), { iss: undefined })).status).toBe(200)
  })

  it.each([
    ['500', { status: 500 }],
    ['HTML', { status: 502, body: '<h1>Bad gateway</h1>', headers: { 'Content-Type': 'text/html' } }],
    ['a reset', 'network' as const],
  ])(
    '[S-21][F-29] says temporarily_unavailable when the token endpoint answers %s, and makes no session',
    async (_name, fault) => {
      const { tab, as, browser } = await world()
      const begun = await begin(tab)
      const callback = await follow(tab, begun)
      as.fail('token', fault)
      const response = await redeem(tab, begun, callback)
      expect(response.status).toBe(503)
      expect(response.headers.get('retry-after')).toBeTruthy()
      expect((await bodyOf(response)).error).toBe('temporarily_unavailable')
      expect(browser.jar.all()).toEqual([])
    },
  )

  it('[F-59] calls the operator when the provider does not know the client', async () => {
    const { tab, eventTypes } = await world({ client_secret: 'not-the-one' })
    const response = await signIn(tab)
    expect(response.status).toBe(503)
    expect((await bodyOf(response)).error).toBe('operator_error')
    expect(eventTypes()).toContain('operator_error')
  })

  it('[C-09] refuses UserInfo of another subject, and merges nothing', async () => {
    const { tab, as, browser } = await world(noApis)
    as.tamper.userinfo = (claims) => ({ ...claims, sub: 'mallory' })
    const response = await signIn(tab)
    expect(response.status).toBe(400)
    expect((await bodyOf(response)).error).toBe('subject_mismatch')
    expect(browser.jar.all()).toEqual([])
  })

  it('[C-09 twin] takes from UserInfo what the ID Token lacks', async () => {
    const { tab, as } = await world(noApis)
    as.tamper.idToken = ({ name: _, ...claims }, header) => ({ claims, header })
    expect((await bodyOf(await signIn(tab))).user.name).toBe('Alice Adams')
  })

  it('signs in without UserInfo when that is out of order', async () => {
    const { tab, as, eventTypes } = await world(noApis)
    as.fail('userinfo', { status: 500 })
    expect((await bodyOf(await signIn(tab))).user.sub).toBe('alice')
    expect(eventTypes()).toContain('userinfo_failed')
  })

  it('[F-100] refuses tokens that are bound to a key of ours: a page cannot use them', async () => {
    const { tab, as, eventTypes } = await world()
    as.tamper.tokenResponse = (json) => ({ ...json, token_type: 'DPoP' })
    const response = await signIn(tab)
    expect((await bodyOf(response)).error).toBe('operator_error')
    expect(eventTypes()).toContain('operator_error')
  })

  it.each(['bEARER', 'bearer', 'BEARER'])(
    '[C-20][C-20 twin] takes token_type %s for what it is',
    async (token_type) => {
      const { tab, as } = await world()
      as.tamper.tokenResponse = (json) => ({ ...json, token_type })
      expect((await bodyOf(await signIn(tab))).token_type).toBe('Bearer')
    },
  )

  it('[C-19][C-19 twin][S-33] takes an answer without expires_in for five minutes, and asks nobody meanwhile', async () => {
    const { tab, as, advance } = await world()
    as.tamper.tokenResponse = ({ expires_in: _, ...json }) => json
    expect((await bodyOf(await signIn(tab))).expires_in).toBe(300)
    advance(200)
    for (let at = 0; at < 20; at++) expect((await bodyOf(await call(tab, '/session'))).token.expires_in).toBe(100)
    expect(as.grants.refresh_token ?? 0).toBe(0)
  })

  it('[S-34] reads expires_in where the provider writes it as text', async () => {
    const { tab, as } = await world()
    as.tamper.tokenResponse = (json) => ({ ...json, expires_in: '120' })
    expect((await bodyOf(await signIn(tab))).expires_in).toBe(120)
  })
})

describe.each(homes)('the ID Token, with %s', (_home, world) => {
  type Tamper = NonNullable<Awaited<ReturnType<typeof world>>['as']['tamper']['idToken']>
  const changed =
    (changes: Record<string, unknown>): Tamper =>
    (claims, header) => ({ claims: { ...claims, ...changes }, header })
  const without =
    (name: string): Tamper =>
    ({ [name]: _, ...claims }, header) => ({ claims, header })
  const now = 1_790_000_000

  const cases: Array<[ids: string, name: string, claim: string, tamper: Tamper]> = [
    ['[C-03][S-9]', 'another iss', 'iss', changed({ iss: 'https://evil.example' })],
    ['[C-04][S-9]', 'another aud', 'aud', changed({ aud: 'another-client' })],
    ['[S-10]', 'several aud and no azp', 'aud', changed({ aud: ['notes', 'another'] })],
    ['[S-9]', 'another azp', 'azp', changed({ azp: 'another' })],
    ['[C-05][S-9]', 'another nonce', 'nonce', changed({ nonce: 'another-nonce-than-sent' })],
    ['[C-05][S-9]', 'no nonce', 'nonce', without('nonce')],
    [
      '[C-06]',
      'alg none',
      'alg',
      (claims, header) => ({ claims, header: { ...header, alg: 'none' }, signature: 'none' }),
    ],
    [
      '[C-06]',
      'HS256 with the public key',
      'alg',
      (claims, header) => ({ claims, header: { ...header, alg: 'HS256' }, signature: 'hs256-with-public-key' }),
    ],
    ['[C-07]', 'a broken signature', 'signature', (claims, header) => ({ claims, header, signature: 'broken' })],
    [
      '[C-07]',
      'a signature by another key',
      'signature',
      (claims, header) => ({ claims, header, signature: 'other-key' }),
    ],
    ['[C-08]', 'no sub', 'sub', without('sub')],
    ['[C-08]', 'no iat', 'iat', without('iat')],
    ['[C-08]', 'no exp', 'exp', without('exp')],
    ['[C-08]', 'no aud', 'aud', without('aud')],
    ['[S-9]', 'an exp that is past', 'exp', changed({ exp: now - 61 })],
    ['[C-08]', 'an iat of the future', 'iat', changed({ iat: now + 61 })],
    ['[C-08]', 'an iat of long ago', 'iat', changed({ iat: now - 601 })],
    [
      '[C-08]',
      'the type of a logout token',
      'typ',
      (claims, header) => ({ claims, header: { ...header, typ: 'logout+jwt' } }),
    ],
    [
      '[C-08]',
      'the type of an access token, spelt out',
      'typ',
      (claims, header) => ({ claims, header: { ...header, typ: 'application/AT+JWT' } }),
    ],
    ['[C-08]', 'another at_hash', 'at_hash', changed({ at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' })],
  ]

  it.each(cases)('%s refuses %s', async (_ids, _name, claim, tamper) => {
    const { tab, as, browser, events } = await world()
    as.tamper.idToken = tamper
    const response = await signIn(tab)
    expect(response.status).toBe(400)
    const body = await bodyOf(response)
    expect(body).toMatchObject({ error: 'id_token_invalid', claim })
    expect(body.access_token).toBeUndefined()
    expect(browser.jar.all()).toEqual([])
    expect(as.requests.userinfo ?? 0).toBe(0)
    const detail = expect.stringMatching(/^"alg" is (none|HS256); idTokenAlgs has RS256, PS256, ES256, EdDSA$/)
    expect(events).toContainEqual({ type: 'id_token_refused', claim, ...(claim === 'alg' && { detail }) })
  })

  it('[C-03 twin][C-04 twin][C-05 twin][C-06 twin][C-07 twin][C-08 twin][S-9 twin] accepts it with nothing changed', async () => {
    const { tab, as } = await world()
    as.tamper.idToken = (claims, header) => ({ claims, header })
    expect((await signIn(tab)).status).toBe(200)
  })

  it.each(['JWT', 'jwt', 'application/jwt'])('accepts it with the type of any JWT: %s', async (typ) => {
    const { tab, as } = await world()
    as.tamper.idToken = (claims, header) => ({ claims, header: { ...header, typ } })
    expect((await signIn(tab)).status).toBe(200)
  })

  it('[S-10 twin] accepts our azp', async () => {
    const { tab, as } = await world()
    as.tamper.idToken = (claims, header) => ({ claims: { ...claims, aud: ['notes', 'another'], azp: 'notes' }, header })
    expect((await signIn(tab)).status).toBe(200)
  })

  it('bears clocks that differ by a minute', async () => {
    const { tab, as } = await world()
    as.tamper.idToken = (claims, header) => ({ claims: { ...claims, iat: now + 59, exp: now - 59 }, header })
    expect((await signIn(tab)).status).toBe(200)
  })

  it.each([
    ['is missing', without('auth_time')],
    ['is too old', changed({ auth_time: now - 200 })],
  ])('[S-11] refuses a sign-in with max_age when auth_time %s', async (_name, tamper) => {
    const { tab, as } = await world()
    as.tamper.idToken = tamper
    expect(await bodyOf(await signIn(tab, { max_age: '60' }))).toMatchObject({
      error: 'id_token_invalid',
      claim: 'auth_time',
    })
  })

  it('[S-11 twin] accepts one that is recent, and sends max_age=0', async () => {
    const { tab, as } = await world()
    expect(new URL((await begin(tab, { max_age: '0' })).location).searchParams.get('max_age')).toBe('0')
    as.tamper.idToken = changed({ auth_time: now - 10 })
    expect((await signIn(tab, { max_age: '60' })).status).toBe(200)
  })

  it('refuses another acr than one that was asked for, and accepts one of them', async () => {
    const { tab, as } = await world()
    as.tamper.idToken = changed({ acr: 'bronze' })
    expect(await bodyOf(await signIn(tab, { acr_values: 'gold silver' }))).toMatchObject({ claim: 'acr' })
    as.tamper.idToken = changed({ acr: 'silver' })
    expect((await signIn(tab, { acr_values: 'gold silver' })).status).toBe(200)
  })

  it('[S-12][S-12 twin] takes clockTolerance 0 for 0', async () => {
    const strict = await world({ clockTolerance: 0 })
    strict.as.tamper.idToken = changed({ exp: now - 1 })
    expect(await bodyOf(await signIn(strict.tab))).toMatchObject({ claim: 'exp' })
    strict.as.tamper.idToken = changed({ exp: now + 60 })
    expect((await signIn(strict.tab)).status).toBe(200)
  })

  it('refuses an algorithm that the configuration does not list, and accepts one that it does', async () => {
    const { tab, as } = await world({ idTokenAlgs: ['ES256'] })
    const response = await signIn(tab)
    expect(await bodyOf(response)).toMatchObject({ error: 'id_token_invalid', claim: 'alg' })
    as.tamper.idToken = (claims, header) => ({ claims, header: { ...header, alg: 'ES256' } })
    expect((await signIn(tab)).status).toBe(200)
  })
})
