import { createLocalJWKSet, jwtVerify } from 'jose'
import { jwksCache, validateJwtAccessToken } from 'oauth4webapi'
import { accessToken, createGuard } from 'sallyport/guard'
import { generateKeys, type MockTokenOptions, mockAuthorizationServer } from 'sallyport/testing'
import { describe, expect, it } from 'vitest'
import { randomKey } from '../keys.js'
import { API, APP, bodyOf, ISSUER } from '../world.js'

const NOW = 1_790_000_000
const client = { client_id: 'notes', client_secret: randomKey(), redirect_uris: [`${APP}/callback`] }
const keys = await generateKeys()

const provider = (changes: { accessTokenFormat?: 'opaque' } = {}) =>
  mockAuthorizationServer({
    issuer: ISSUER,
    clients: [client],
    users: [{ sub: 'alice' }],
    keys,
    now: () => NOW,
    ...changes,
  })

const as = await provider()
const protect = createGuard({
  resource: API,
  accept: [accessToken({ issuer: ISSUER, fetch: as.fetch as typeof fetch })],
  now: () => NOW,
})
const guard = async (token: string) => {
  const outcome = await protect(new Request(API, { headers: { Authorization: `Bearer ${token}` } }))
  return outcome.ok ? outcome.principal : outcome.response.status
}
const bad = await as.badTokens({ audience: API, scope: 'notes:read' })

describe('badTokens()', () => {
  it('names each once', () => {
    expect(bad.length).toBeGreaterThan(20)
    expect(new Set(bad.map(({ name }) => name)).size).toBe(bad.length)
    expect(new Set(bad.map(({ token }) => token)).size).toBe(bad.length)
  })

  it('names each in words, for a test’s title', () => {
    for (const { name } of bad) expect(name).not.toMatch(/[a-z][A-Z]/)
  })

  it.each(bad)('is refused by our guard: $name', async ({ token }) => {
    expect(await guard(token)).toBe(401)
  })

  it.each(bad)('is refused by jose: $name', async ({ token }) => {
    const jwks = createLocalJWKSet(await bodyOf(await as.fetch(`${ISSUER}/jwks`)))
    const options = {
      issuer: ISSUER,
      audience: API,
      typ: 'at+jwt',
      requiredClaims: ['exp'],
      currentDate: new Date(NOW * 1000),
    }
    await expect(jwtVerify(token, jwks, options)).rejects.toThrow()
  })

  it.each([...bad, { name: undefined, token: '' }])(
    'is judged alike by oauth4webapi: $name',
    async ({ name, token }) => {
      const outside = { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` }
      const cache = { jwks: await bodyOf(await as.fetch(`${ISSUER}/jwks`)), uat: Math.floor(Date.now() / 1000) }
      const good = name === undefined ? await as.token({ audience: API }) : token
      const request = new Request(API, { headers: { Authorization: `Bearer ${good}` } })
      const judged = validateJwtAccessToken(outside, request, API, {
        [jwksCache]: cache,
        // Its clock cannot be handed over, only set off.
        ...({ [(await import('oauth4webapi')).clockSkew]: NOW - Math.floor(Date.now() / 1000) } as object),
      })
      if (name === undefined) await expect(judged).resolves.toMatchObject({ sub: 'alice' })
      else await expect(judged).rejects.toThrow()
    },
  )
})

describe('token()', () => {
  it('is taken by our guard, with what it was asked to say', async () => {
    expect(
      await guard(await as.token({ audience: API, scope: 'notes:read', claims: { tenant: 'acme' } })),
    ).toMatchObject({
      claims: { sub: 'alice', client_id: 'notes', scope: 'notes:read', tenant: 'acme', exp: NOW + 300 },
    })
    const other = await as.token({ audience: [API, 'x'], sub: 'service', client_id: 'service', lifetime: 60 })
    expect(await guard(other)).toMatchObject({ claims: { sub: 'service', exp: NOW + 60 } })
    expect(as.issued).toContain(other)
  })

  it('can be bound to a key: without its proof it is worth nothing', async () => {
    expect(await guard(await as.token({ audience: API, cnf: { jkt: 'x'.repeat(43) } }))).toBe(401)
  })

  it('can lack a claim', async () => {
    expect(await guard(await as.token({ audience: API, claims: { sub: undefined } }))).toBe(401)
  })

  it('is known at introspection where tokens are opaque', async () => {
    const opaque = await provider({ accessTokenFormat: 'opaque' })
    const token = await opaque.token({ audience: API })
    const answer = await opaque.fetch(`${ISSUER}/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ token }),
      headers: { Authorization: `Basic ${btoa(`notes:${client.client_secret}`)}` },
    })
    expect(await bodyOf(answer)).toMatchObject({ active: true, aud: API, sub: 'alice' })
  })

  it.each([
    [{ audiance: API }, /"audiance".*did you mean "audience"/],
    [{ lifetime: '60' }, /"lifetime"/],
    [{ scope: ['a'] }, /"scope"/],
  ])('examines what it is asked for: %o', async (options, words) => {
    await expect(as.token(options as unknown as MockTokenOptions)).rejects.toThrow(words)
    await expect(as.badTokens(options as unknown as MockTokenOptions)).rejects.toThrow(words)
  })
})
