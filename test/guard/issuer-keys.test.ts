import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { type AccessTokenOptions, accessToken, createGuard } from 'sallyport/guard'
import { describe, expect, it } from 'vitest'
import { ISSUER } from '../world.js'
import { goodClaims } from './claims.js'

const API = 'https://api.example.com'
const NOW = 1_790_000_000

const pair = async (alg: string, kid: string, options: object = {}) => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, ...options })
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } as JWK }
}
const good = await pair('RS256', 'good')
const other = await pair('ES256', 'other')
const twin = await pair('RS256', 'good')
/** WebCrypto makes and signs with what nobody should take. */
const weakPair = (await crypto.subtle.generateKey(
  { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 1024, publicExponent: Uint8Array.of(1, 0, 1) },
  true,
  ['sign', 'verify'],
)) as CryptoKeyPair
const weak = { ...((await crypto.subtle.exportKey('jwk', weakPair.publicKey)) as JWK), kid: 'weak', alg: 'RS256' }

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

function scene(keys: unknown, metadata: object = {}, options: Partial<AccessTokenOptions> = {}) {
  const asked: string[] = []
  const fetch = (async (input: RequestInfo | URL) => {
    const url = `${input instanceof Request ? input.url : input}`
    asked.push(url)
    return url.endsWith('openid-configuration')
      ? Response.json({ issuer: ISSUER, jwks_uri: `${ISSUER}/jwks`, ...metadata })
      : Response.json({ keys })
  }) as typeof globalThis.fetch
  const protect = createGuard({
    resource: API,
    accept: [accessToken({ issuer: ISSUER, fetch, ...options })],
    now: () => NOW,
  })
  return {
    asked,
    async call(token: string) {
      const outcome = await protect(new Request(API, { headers: { Authorization: `Bearer ${token}` } }))
      return outcome.ok ? outcome.principal : outcome.response.status
    },
  }
}

const tokenOf = (
  { alg, kid, privateKey }: Pick<typeof good, 'alg' | 'kid' | 'privateKey'>,
  claims: object = {},
  header: object = {},
) =>
  new SignJWT({ ...goodClaims(ISSUER, API, NOW), ...claims })
    .setProtectedHeader({ alg, typ: 'at+jwt', kid, ...header } as never)
    .sign(privateKey)

async function weakToken(): Promise<string> {
  const input = `${encode({ alg: 'RS256', typ: 'at+jwt', kid: 'weak' })}.${encode(goodClaims(ISSUER, API, NOW))}`
  const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', weakPair.privateKey, Buffer.from(input))
  return `${input}.${Buffer.from(signature).toString('base64url')}`
}

const off = { x: 'AAAA', y: 'AAAA' }
const odd: Array<[string, unknown]> = [
  ['null', null],
  ['text', 'key'],
  ['a list', []],
  ['an empty object', {}],
  ['of an unknown kind', { kty: 'AKP', kid: 'x', alg: 'ML-DSA-44', pub: 'AAAA' }],
  ['symmetric', { kty: 'oct', kid: 'x', k: 'AAAA' }],
  ['of an unknown curve', { kty: 'EC', kid: 'x', crv: 'P-1', ...off }],
  ['on no curve', { kty: 'EC', kid: 'x', crv: 'P-256', alg: 'ES256', ...off }],
  ['without its members', { kty: 'RSA', kid: 'x', alg: 'RS256' }],
  ['with members of other types', { kty: 'RSA', kid: 'x', n: 7, e: {} }],
  ['with a name that is none', { ...good.jwk, kid: { toString: 1 } }],
  ['weak', weak],
  ['there twice', good.jwk],
  ['of the same name, another one', twin.jwk],
]

describe('a key set', () => {
  it.each(odd)('[J-24][J-24 twin] with a key that is %s serves with the good ones', async (_, key) => {
    for (const keys of [
      [key, good.jwk, other.jwk],
      [good.jwk, other.jwk, key],
    ]) {
      const { call } = scene(keys)
      expect(await call(await tokenOf(good))).toMatchObject({ sub: 'alice' })
      expect(await call(await tokenOf(other))).toMatchObject({ sub: 'alice' })
    }
  })

  it('[J-24] refuses the tokens of its bad keys, and asks nobody to come back later', async () => {
    const { call } = scene([weak, { ...other.jwk, x: 'AAAA' }, good.jwk])
    expect(await call(await weakToken())).toBe(401)
    expect(await call(await tokenOf(other))).toBe(401)
    expect(await call(await tokenOf(twin))).toBe(401)
  })

  it('[J-24] is none where it is none: nothing can be said of any token', async () => {
    for (const keys of [undefined, null, {}, 'keys']) expect(await scene(keys).call(await tokenOf(good))).toBe(503)
  })

  it('[J-24] refuses a token of a weak key also where the key was handed in', async () => {
    const { call } = scene([], {}, { keys: async () => weakPair.publicKey as never })
    expect(await call(await weakToken())).toBe(401)
  })

  it('[J-24][J-24 twin] with two keys of one name takes a token of either, and of no third', async () => {
    const third = await pair('RS256', 'good')
    const { call } = scene([twin.jwk, good.jwk])
    for (const key of [good, twin]) expect(await call(await tokenOf(key))).toMatchObject({ sub: 'alice' })
    expect(await call(await tokenOf(third))).toBe(401)
    // Without a name it could be anybody's.
    expect(await call(await tokenOf(good, {}, { kid: undefined }))).toBe(401)
  })

  it.each([
    'http://login.example.net/jwks',
    'http://10.0.0.1/jwks',
    'ftp://login.example.net/jwks',
    'file:///etc/passwd',
    'data:application/json,{"keys":[]}',
    '//login.example.net/jwks',
    '/jwks',
    '',
    7,
    null,
  ])('[J-21] that is said to be at %s is not fetched', async (jwks_uri) => {
    const { call, asked } = scene([good.jwk], { jwks_uri })
    expect(await call(await tokenOf(good))).toBe(503)
    expect(asked).toEqual([`${ISSUER}/.well-known/openid-configuration`])
  })

  it.each(['https://keys.example.org/jwks', 'http://127.0.0.1:8080/jwks', 'http://localhost/jwks'])(
    '[J-21 twin] that is said to be at %s is fetched',
    async (jwks_uri) => {
      const { call, asked } = scene([good.jwk], { jwks_uri })
      expect(await call(await tokenOf(good))).toMatchObject({ sub: 'alice' })
      expect(asked[1]).toBe(jwks_uri)
    },
  )

  it('[J-21] is as it is for introspection: a discovered endpoint with plain http is asked nothing', async () => {
    const introspection = { client_id: 'api', client_secret: 'x'.repeat(40) }
    for (const [issuer, introspection_endpoint] of [
      [ISSUER, 'http://login.example.net/introspect'],
      ['http://localhost:8080', 'http://login.example.net/introspect'],
    ]) {
      const asked: string[] = []
      const fetch = (async (input: RequestInfo | URL) => {
        asked.push(`${input instanceof Request ? input.url : input}`)
        return Response.json({ issuer, introspection_endpoint, active: true, aud: API, sub: 'alice' })
      }) as typeof globalThis.fetch
      const protect = createGuard({
        resource: API,
        accept: [accessToken({ issuer: `${issuer}`, fetch, introspection })],
        now: () => NOW,
      })
      const outcome = await protect(new Request(API, { headers: { Authorization: 'Bearer opaque' } }))
      expect(outcome.ok || outcome.response.status).toBe(503)
      expect(asked).toEqual([`${issuer}/.well-known/openid-configuration`])
    }
  })
})

describe('a token', () => {
  it.each(['iss', 'foo', 'nonce', 'zip', 'enc', 'b64', 'https://example.com/x', 'jti', '__proto__'])(
    'may have a header member %s that nobody understands (RFC 7515 section 4)',
    async (name) => {
      const { call } = scene([good.jwk])
      const header = JSON.parse(`{"${name}":"x"}`)
      expect(await call(await tokenOf(good, {}, header))).toMatchObject({ sub: 'alice' })
    },
  )

  it('[J-13] may not say that they are critical, nor bring a key', async () => {
    const { call } = scene([good.jwk])
    const [, payload] = (await tokenOf(good)).split('.')
    for (const more of [{ crit: ['foo'], foo: 1 }, { crit: [] }, { jku: ISSUER }, { x5u: ISSUER }, { x5c: [] }]) {
      const input = `${encode({ alg: 'RS256', typ: 'at+jwt', kid: 'good', ...more })}.${payload}`
      const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', good.privateKey, Buffer.from(input))
      expect(await call(`${input}.${Buffer.from(signature).toString('base64url')}`), JSON.stringify(more)).toBe(401)
    }
  })

  it.each([
    ['Cognito’s ID token', { token_use: 'id' }, 401],
    ['a token of another use', { token_use: 'refresh' }, 401],
    ['a use that is no text', { token_use: ['access'] }, 401],
    ['Cognito’s access token', { token_use: 'access' }, 'ok'],
    ['Hydra’s access token', { token_use: 'access_token' }, 'ok'],
    ['Keycloak’s ID token', { typ: 'ID', nonce: 'n' }, 401],
    ['an ID token with a nonce', { nonce: 'n' }, 401],
    ['an ID token that says it is a bearer', { typ: 'Bearer', nonce: 'n', at_hash: 'h' }, 401],
    ['Keycloak’s access token with a nonce', { typ: 'Bearer', nonce: 'n' }, 'ok'],
    ['an access token with a nonce that says its use', { token_use: 'access', nonce: 'n' }, 'ok'],
    ['an ID token that says its use', { token_use: 'access', nonce: 'n', at_hash: 'h' }, 401],
    ['a DPoP token without its key', { typ: 'DPoP' }, 401],
    ['a DPoP token whose key is a certificate', { typ: 'DPoP', cnf: { 'x5t#S256': 'x' } }, 401],
    ['a type that is no text', { typ: ['Bearer'] }, 401],
    ['a refresh token of DPoP', { typ: 'Refresh', cnf: { jkt: 'x' } }, 401],
    ['a plain access token', {}, 'ok'],
  ])('[J-23][J-23 twin] of the profile jwt that is %s', async (_, claims, wanted) => {
    const { call } = scene([good.jwk], {}, { profile: 'jwt' })
    for (const typ of ['JWT', undefined]) {
      const answer = await call(await tokenOf(good, claims, { typ }))
      expect(typeof answer === 'object' ? 'ok' : answer).toBe(wanted)
    }
  })

  it('[J-23 twin] of the profile jwt with a nonce is taken if its header says at+jwt', async () => {
    const { call } = scene([good.jwk], {}, { profile: 'jwt' })
    for (const [typ, wanted] of [
      ['at+jwt', 'ok'],
      ['application/AT+JWT', 'ok'],
      ['JWT', 401],
    ] as const) {
      const answer = await call(await tokenOf(good, { nonce: 'n' }, { typ }))
      expect(typeof answer === 'object' ? 'ok' : answer, typ).toBe(wanted)
    }
  })

  it('of a service at Keycloak has the id of its service account as sub, and its client as azp', async () => {
    const { call } = scene([good.jwk], {}, { profile: 'jwt' })
    const claims = {
      typ: 'Bearer',
      sub: '0f3c2f0a-8f0b-4c55-9d5e-2f6f0a1b2c3d',
      azp: 'billing',
      client_id: undefined,
      preferred_username: 'service-account-billing',
    }
    const principal = await call(await tokenOf(good, claims, { typ: 'JWT' }))
    expect(principal).toMatchObject({ sub: claims.sub, client_id: 'billing', method: 'access_token' })
  })

  it('has claims that no handler can write, from its first use on, all the way down', async () => {
    const { call } = scene([good.jwk])
    const token = await tokenOf(good, { groups: [{ name: 'staff' }] })
    for (let use = 0; use < 4; use++) {
      const { claims } = (await call(token)) as unknown as { claims: { groups: [{ name: string }] } }
      expect(() => Object.assign(claims, { sub: 'bob' })).toThrow(TypeError)
      expect(() => claims.groups.push({ name: 'admins' })).toThrow(TypeError)
      expect(() => Object.assign(claims.groups[0], { name: 'admins' })).toThrow(TypeError)
    }
  })
})
