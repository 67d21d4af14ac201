import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { type AccessTokenOptions, accessToken, createGuard } from 'sallyport/guard'
import { describe, expect, it } from 'vitest'
import { goodClaims } from './claims.js'

const NOW = 1_790_000_000
const HOST = 'https://login.example.net'
const GUID = '1f0c1d8e-5b7a-4f5e-9f3a-2d6b8c4e7a90'
const OTHER_GUID = '2f0c1d8e-5b7a-4f5e-9f3a-2d6b8c4e7a90'

const { publicKey, privateKey } = await generateKeyPair('RS256')
const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }

/** A guard for `resource`, whose issuer is asked for its keys and nothing else. */
function scene(resource: string, options: Partial<AccessTokenOptions> = {}, active: object = {}) {
  const asked: string[] = []
  const fetch = (async (input: RequestInfo | URL) => {
    const url = input instanceof Request ? input.url : `${input}`
    asked.push(url)
    if (url.endsWith('/introspect')) return Response.json({ active: true, sub: 'alice', ...active })
    return Response.json({ keys: [jwk], issuer: HOST, jwks_uri: `${HOST}/jwks` })
  }) as typeof globalThis.fetch
  const issuer = options.issuer ?? HOST
  const protect = createGuard({
    resource,
    accept: [accessToken({ issuer, fetch, jwksUri: `${HOST}/jwks`, ...options })],
    metadata: {},
    now: () => NOW,
  })
  const call = async (token: string) => {
    const outcome = await protect(
      new Request('https://api.example.com', { headers: { Authorization: `Bearer ${token}` } }),
    )
    return outcome.ok ? outcome.principal.sub : outcome.response.status
  }
  return {
    asked,
    protect,
    /** A token for an audience. Three times: from the third on, it is cached. */
    async accepts(aud: unknown, iss = issuer) {
      const token = await new SignJWT({ ...goodClaims(iss, '', NOW), aud } as never)
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'one' })
        .sign(privateKey)
      const results = [await call(token), await call(token), await call(token)]
      expect(new Set(results).size).toBe(1)
      return results[0]
    },
    opaque: () => call('opaque'),
  }
}

describe('the audience of an API', () => {
  it.each([
    [
      'the bare GUID of Entra',
      GUID,
      [GUID, [GUID], ['x', GUID]],
      [OTHER_GUID, GUID.toUpperCase(), `${GUID}/`, `api://${GUID}`],
    ],
    ['one of several', [GUID, `api://${GUID}`], [GUID, `api://${GUID}`], ['api://other', 'https://api.example.com']],
    ['a word', 'notes', ['notes', ['notes']], ['Notes', 'notes ', ['notes2'], [], undefined, 7, { notes: true }]],
    ['the resource', undefined, ['https://api.example.com'], [GUID, 'https://api.example.org']],
  ])('[J-04 twin][J-04] is %s: exactly that is accepted', async (_what, audience, good, bad) => {
    const { accepts } = scene('https://api.example.com', audience === undefined ? {} : { audience })
    for (const aud of good) expect(await accepts(aud), JSON.stringify(aud)).toBe('alice')
    for (const aud of bad) expect(await accepts(aud), JSON.stringify(aud)).toBe(401)
  })

  it('[J-04] replaces the resource, which is then no audience', async () => {
    expect(await scene('https://api.example.com', { audience: GUID }).accepts('https://api.example.com')).toBe(401)
  })

  it('is that of each issuer', async () => {
    const fetch = (async () => Response.json({ keys: [jwk] })) as unknown as typeof globalThis.fetch
    const here = { fetch, jwksUri: `${HOST}/jwks` }
    const protect = createGuard({
      resource: 'https://api.example.com',
      accept: [accessToken({ issuer: HOST, ...here }, { issuer: 'urn:entra', audience: GUID, ...here })],
      now: () => NOW,
    })
    const status = async (iss: string, aud: string) => {
      const token = await new SignJWT(goodClaims(iss, aud, NOW) as never)
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'one' })
        .sign(privateKey)
      const outcome = await protect(new Request(HOST, { headers: { Authorization: `Bearer ${token}` } }))
      return outcome.ok || outcome.response.status
    }
    expect(await status('urn:entra', GUID)).toBe(true)
    expect(await status(HOST, 'https://api.example.com')).toBe(true)
    expect(await status('urn:entra', 'https://api.example.com')).toBe(401)
    expect(await status(HOST, GUID)).toBe(401)
  })

  it('counts for opaque tokens, too', async () => {
    const introspection = { client_id: 'api', client_secret: 'x'.repeat(40), endpoint: `${HOST}/introspect` }
    const open = (aud: unknown) =>
      scene('https://api.example.com', { audience: [GUID], introspection }, { aud }).opaque()
    expect([
      await open(GUID),
      await open([GUID, 'x']),
      await open('https://api.example.com'),
      await open(undefined),
    ]).toEqual(['alice', 'alice', 401, 401])
  })

  it.each([[''], [[]], [['']], [7], [[GUID, 7]], [null], [{}]])('cannot be %j', (audience) => {
    expect(() => accessToken({ issuer: HOST, audience: audience as never })).toThrow(/accessToken: "audience/)
  })
})

describe('a resource', () => {
  it.each([
    ['https://api.example.com', 'https://api.example.com/', 'alice'],
    ['https://api.example.com/', 'https://api.example.com', 'alice'],
    ['https://api.example.com:8443', 'https://api.example.com:8443/', 'alice'],
    ['https://api.example.com?x=1', 'https://api.example.com/?x=1', 'alice'],
    ['http://localhost:3000/', 'http://localhost:3000', 'alice'],
    ['https://api.example.com/v1', 'https://api.example.com/v1', 'alice'],
    ['https://api.example.com/v1', 'https://api.example.com/v1/', 401],
    ['https://api.example.com/v1/', 'https://api.example.com/v1', 401],
    ['https://api.example.com', 'https://api.example.com//', 401],
    ['https://api.example.com', 'https://API.example.com', 401],
    ['https://api.example.com', 'https://api.example.com:443', 401],
    ['https://api.example.com', 'http://api.example.com', 401],
    ['urn:example:notes', 'urn:example:notes/', 401],
    ['api://notes', 'api://notes/', 401],
  ])('[J-04 twin][J-04] %s and the audience %s: %s', async (resource, aud, expected) => {
    expect(await scene(resource).accepts(aud)).toBe(expected)
  })
})

describe('an issuer that is never fetched', () => {
  it.each(['http://adfs.example.com/adfs/services/trust', 'urn:example:issuer', 'accounts.google.com', 'x'])(
    '[J-05 twin][J-05] may be any text: %s, character for character',
    async (issuer) => {
      const { accepts, asked, protect } = scene('https://api.example.com', { issuer })
      expect(await accepts('https://api.example.com')).toBe('alice')
      for (const other of [`${issuer}/`, issuer.toUpperCase(), HOST])
        expect(await accepts('https://api.example.com', other), other).toBe(401)
      expect(asked).toEqual([`${HOST}/jwks`])
      // It is no authorization server whose metadata anybody could find. RFC 9728 section 2.
      const document = await protect
        .metadata(new Request('https://api.example.com/.well-known/oauth-protected-resource'))
        ?.json()
      expect(document).not.toHaveProperty('authorization_servers')
    },
  )

  it.each([
    ['its metadata would be fetched', {}],
    ['its introspection endpoint is in its metadata', { jwksUri: `${HOST}/jwks`, introspection: {} }],
    ['JWTs would be verified with keys of its metadata', { introspection: { endpoint: `${HOST}/introspect` } }],
  ])('must be a URL if %s', (_why, { introspection, ...options }: { introspection?: object }) => {
    const client = { client_id: 'api', client_secret: 'x'.repeat(40) }
    const open = (issuer: string) =>
      accessToken({ issuer, ...options, ...(introspection && { introspection: { ...client, ...introspection } }) })
    for (const issuer of ['urn:example:issuer', 'http://adfs.example.com/adfs/services/trust', 'x'])
      expect(() => open(issuer)).toThrow('accessToken: "issuer" must be an https: URL')
    expect(() => open(HOST)).not.toThrow()
  })
})
