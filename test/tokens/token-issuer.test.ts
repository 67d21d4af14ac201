import { generateKeyPairSync } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { accessToken, createGuard } from 'sallyport/guard'
import { memoryStore, type RecordStore, StoreError } from 'sallyport/store'
import {
  createTokenIssuer,
  type SigningAlg,
  type SigningKey,
  type TokenIssuerEvent,
  type TokenIssuerOptions,
} from 'sallyport/tokens'
import { describe, expect, it, vi } from 'vitest'
import { randomKey } from '../keys.js'

const ISSUER = 'https://notes.example.com'
const API = 'https://api.example.com'

async function keyOf(alg: SigningAlg): Promise<SigningKey> {
  if (alg === 'HS256') return { alg, key: randomKey() }
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, key: JSON.stringify(await exportJWK(privateKey)) }
}
const es256 = await keyOf('ES256')

/** An issuer with a store of its own, and a guard that verifies in the same process; the clock stands still. */
function scene(options: Partial<TokenIssuerOptions> = {}) {
  let time = 1_790_000_000
  const now = () => time
  const store = memoryStore({ now })
  const events: TokenIssuerEvent[] = []
  const open = (more: Partial<TokenIssuerOptions> = {}) =>
    createTokenIssuer({
      issuer: ISSUER,
      audience: API,
      keys: [es256],
      store,
      now,
      onEvent: (event) => events.push(event),
      ...options,
      ...more,
    })
  const tokens = open()
  const protect = createGuard({
    resource: API,
    accept: [accessToken({ issuer: ISSUER, algs: tokens.algs, keys: tokens.keys })],
    now,
  })
  return {
    tokens,
    open,
    store,
    events,
    now,
    advance: (seconds: number) => {
      time += seconds
    },
    issue: (more: object = {}) =>
      tokens.issue({ sub: 'alice', client_id: 'cli', scopes: ['notes:read', 'notes:write'], ...more }),
    async call(token: string, requirements = {}) {
      const outcome = await protect(new Request(API, { headers: { Authorization: `Bearer ${token}` } }), requirements)
      return outcome.ok ? outcome.principal : outcome.response.status
    },
  }
}

describe('access tokens', () => {
  it.each(['ES256', 'EdDSA', 'RS256', 'HS256'] as const)(
    'are RFC 9068 tokens, signed with %s, and the guard takes them',
    async (alg) => {
      const { issue, call } = scene({ keys: [await keyOf(alg)] })
      const { access_token, token_type, expires_in, scope, refresh_token } = await issue({
        claims: { tenant: 'acme', roles: ['editor'] },
      })
      expect(decodeProtectedHeader(access_token)).toEqual({ alg, typ: 'at+jwt', kid: expect.any(String) })
      expect(decodeJwt(access_token)).toEqual({
        iss: ISSUER,
        aud: API,
        sub: 'alice',
        client_id: 'cli',
        scope: 'notes:read notes:write',
        tenant: 'acme',
        roles: ['editor'],
        iat: 1_790_000_000,
        exp: 1_790_000_900,
        jti: expect.any(String),
      })
      expect([token_type, expires_in, scope, refresh_token]).toEqual([
        'Bearer',
        900,
        'notes:read notes:write',
        undefined,
      ])
      expect(await call(access_token, { scopes: ['notes:read'], tenant: 'acme' })).toMatchObject({
        sub: 'alice',
        client_id: 'cli',
      })
    },
  )

  it('end after fifteen minutes, and are for one audience', async () => {
    const { issue, call, advance } = scene()
    const { access_token } = await issue()
    expect(await call((await issue({ audience: 'https://other.example.com' })).access_token)).toBe(401)
    advance(900 + 31)
    expect(await call(access_token)).toBe(401)
  })

  it('can live shorter, one by one, and never longer', async () => {
    const { issue, call, advance } = scene()
    const { access_token, expires_in } = await issue({ lifetime: 60 })
    expect([expires_in, (await issue({ lifetime: 9000 })).expires_in]).toEqual([60, 900])
    for (const lifetime of [0, -1, 1.5, Number.NaN]) await expect(issue({ lifetime })).rejects.toThrow('"lifetime"')
    advance(60 + 30)
    expect(await call(access_token)).toBe(401)
  })

  it.each(['email', 'phone_number', 'address', 'profile', '__proto__x'])(
    'do not say %s, unless somebody decided that they may',
    async (name) => {
      await expect(scene().issue({ claims: { [name]: 'x' } })).rejects.toThrow(`"${name}"`)
      const { access_token } = await scene({ disclose: [name] }).issue({ claims: { [name]: 'x' } })
      expect(decodeJwt(access_token)[name]).toBe('x')
    },
  )

  it.each(['iss', 'aud', 'sub', 'exp', 'jti', 'scope', 'client_id'])('leave %s to the issuer', async (name) => {
    await expect(scene({ disclose: [name] }).issue({ claims: { [name]: 'x' } })).rejects.toThrow(`"${name}"`)
  })

  it('are verified with the algorithm of the key: no confusion of one with another', async () => {
    const { tokens, issue, call } = scene({ keys: [await keyOf('RS256'), await keyOf('HS256')] })
    const { access_token } = await issue()
    const [publicJwk] = (await tokens.jwks()).keys
    const { kid } = decodeProtectedHeader(access_token)
    const claims = decodeJwt(access_token)
    const forge = (key: Uint8Array) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: `${kid}` }).sign(key)
    for (const text of [JSON.stringify(publicJwk), `${publicJwk?.n}`, ''.padEnd(32, 'x')])
      expect(await call(await forge(new TextEncoder().encode(text)))).toBe(401)
    const unknown = await scene({ keys: [await keyOf('ES256')] }).issue()
    expect(await call(unknown.access_token)).toBe(401)
    expect(await call(access_token)).toMatchObject({ sub: 'alice' })
  })

  it('go on being good while keys change over, and the JWKS shows public halves only', async () => {
    const [old, fresh] = [await keyOf('ES256'), await keyOf('EdDSA')]
    const before = await scene({ keys: [old] }).issue()
    const after = scene({ keys: [fresh, old] })
    expect(await after.call(before.access_token)).toMatchObject({ sub: 'alice' })
    expect(decodeProtectedHeader((await after.issue()).access_token).alg).toBe('EdDSA')
    const { keys } = await after.tokens.jwks()
    expect(keys.map(({ alg }) => alg)).toEqual(['EdDSA', 'ES256'])
    expect(JSON.stringify(keys)).not.toMatch(/"(d|p|q|dp|dq|qi|k|oth)"/)
    expect((await scene({ keys: [await keyOf('HS256')] }).tokens.jwks()).keys).toEqual([])
    expect(await scene({ keys: [fresh] }).call(before.access_token)).toBe(401)
  })

  it('can be bound to a key, which their type then says', async () => {
    expect((await scene().issue({ claims: { cnf: { jkt: 'x' } } })).token_type).toBe('DPoP')
  })
})

describe('refresh tokens', () => {
  const secrets = (store: RecordStore) => {
    const write = vi.spyOn(store, 'write')
    return () => JSON.stringify(write.mock.calls)
  }

  it('are opaque, kept as digests, and give new tokens for what was granted', async () => {
    const { issue, tokens, store, call } = scene()
    const kept = secrets(store)
    const { refresh_token = '' } = await issue({ refresh: true, claims: { tenant: 'acme' } })
    expect(refresh_token).toMatch(/^[\w-]{51}$/)
    expect(kept()).not.toContain(refresh_token)
    const next = await tokens.refresh(refresh_token)
    expect(next.refresh_token).not.toBe(refresh_token)
    expect(await call(next.access_token, { scopes: ['notes:write'] })).toMatchObject({ sub: 'alice', tenant: 'acme' })
    const fewer = await tokens.refresh(`${next.refresh_token}`, { scopes: ['notes:read'] })
    expect(fewer.scope).toBe('notes:read')
    // The grant is as it was: the next one may ask for all of it again.
    expect((await tokens.refresh(`${fewer.refresh_token}`)).scope).toBe('notes:read notes:write')
  })

  it('give no more than was granted, and are not spent by asking', async () => {
    const { issue, tokens } = scene()
    const { refresh_token = '' } = await issue({ refresh: true })
    await expect(tokens.refresh(refresh_token, { scopes: ['admin'] })).rejects.toThrow('"scopes"')
    expect(await tokens.refresh(refresh_token)).toMatchObject({ token_type: 'Bearer' })
  })

  it('are good once: one that comes again ends everything from its sign-in, in every process', async () => {
    const { issue, tokens, open, events, advance } = scene()
    const { refresh_token: first = '' } = await issue({ refresh: true })
    const other = await issue({ refresh: true })
    const { refresh_token: second = '' } = await tokens.refresh(first)
    advance(60)
    await expect(open().refresh(first)).rejects.toMatchObject({ code: 'refresh_reused', retryable: false })
    await expect(tokens.refresh(second)).rejects.toMatchObject({ code: 'refresh_invalid' })
    expect(events).toEqual([{ type: 'refresh_reused', sub: 'alice' }])
    expect(await tokens.refresh(`${other.refresh_token}`)).toBeTruthy()
  })

  it('used twenty times at once give one successor, and nobody is signed out by it', async () => {
    const { issue, tokens, open } = scene()
    const { refresh_token = '' } = await issue({ refresh: true })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) => (at % 2 ? tokens : open()).refresh(refresh_token)),
    )
    const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.refresh_token] : []))
    expect([won.length, new Set(won).size]).toEqual([20, 1])
    expect(await tokens.refresh(`${won[0]}`)).toBeTruthy()
    // Somebody has gone on with it: whoever still has the old one has a copy.
    await expect(tokens.refresh(refresh_token)).rejects.toMatchObject({ code: 'refresh_reused' })
  })

  it('[K-16] are not told as theft where nobody stole: an answer of the store is lost, and the caller asks again', async () => {
    const { issue, tokens, store, events, advance } = scene()
    const { refresh_token = '' } = await issue({ refresh: true })
    const [write, get] = [store.write, store.get]
    store.write = async (changes) => {
      await write.call(store, changes)
      store.get = () => Promise.reject(new StoreError())
      throw new StoreError()
    }
    // The database is down for longer than the call waits.
    await expect(tokens.refresh(refresh_token)).rejects.toMatchObject({ code: 'store_unavailable', retryable: true })
    Object.assign(store, { write, get })
    advance(59)
    const again = await tokens.refresh(refresh_token)
    expect((await tokens.refresh(refresh_token)).refresh_token).toBe(again.refresh_token)
    expect(await tokens.refresh(`${again.refresh_token}`)).toBeTruthy()
    expect(events).toEqual([])
  })

  it('[K-16] give the answer itself where the store can be asked what was written', async () => {
    const { issue, tokens, store } = scene()
    const { refresh_token = '' } = await issue({ refresh: true })
    const { write } = store
    store.write = async (changes) => {
      store.write = write
      await store.write(changes)
      throw new StoreError()
    }
    const { refresh_token: next } = await tokens.refresh(refresh_token)
    expect(await tokens.refresh(`${next}`)).toBeTruthy()
  })

  it('[K-16 twin] are spent by nothing that was not written', async () => {
    const { issue, tokens, store } = scene()
    const { refresh_token = '' } = await issue({ refresh: true })
    const { write } = store
    store.write = () => Promise.reject(new StoreError())
    await expect(tokens.refresh(refresh_token)).rejects.toMatchObject({ code: 'store_unavailable' })
    store.write = write
    expect(await tokens.refresh(refresh_token)).toBeTruthy()
  })

  it('[K-17][K-17 twin] stay ended as long as what was issued would have lived, whatever is issued now', async () => {
    const day = 86_400
    const { open, issue, advance } = scene({ refreshTokenLifetime: 30 * day, refreshTokenAbsoluteLifetime: 60 * day })
    const [first, kept] = [await issue({ refresh: true }), await issue({ refresh: true })]
    // Twice as long as its own life: the successor of what is ended here lives longer than what is shown.
    const { refresh_token = '' } = await open().refresh(`${first.refresh_token}`)
    const today = open({ refreshTokenLifetime: day, refreshTokenAbsoluteLifetime: day })
    await today.revoke(`${first.refresh_token}`)
    for (let at = 0; at < 29; at++) {
      await expect(open().refresh(refresh_token)).rejects.toMatchObject({ code: 'refresh_invalid' })
      await expect(today.refresh(refresh_token)).rejects.toMatchObject({ code: 'refresh_invalid' })
      advance(day)
    }
    // Twin: what was not ended.
    expect(await open().refresh(`${kept.refresh_token}`)).toBeTruthy()
  })

  it('are not spent where the key that signs cannot be had', async () => {
    let down = false
    const key = async () => {
      if (down) throw new Error('the secret manager is down')
      return `${es256.key}`
    }
    const { issue, open } = scene({ keys: [{ alg: 'ES256', key }] })
    const { refresh_token = '' } = await issue({ refresh: true })
    down = true
    await expect(open().refresh(refresh_token)).rejects.toThrow()
    down = false
    expect(await open().refresh(refresh_token)).toMatchObject({ token_type: 'Bearer' })
  })

  it('end after seven days unused, and when they are revoked', async () => {
    const { issue, tokens, advance } = scene()
    const [late, gone] = [await issue({ refresh: true }), await issue({ refresh: true })]
    await tokens.revoke(`${gone.refresh_token}`)
    await tokens.revoke('unknown')
    await expect(tokens.refresh(`${gone.refresh_token}`)).rejects.toMatchObject({ code: 'refresh_invalid' })
    advance(7 * 86_400)
    await expect(tokens.refresh(`${late.refresh_token}`)).rejects.toMatchObject({ code: 'refresh_invalid' })
    for (const junk of ['', 'x', 'x'.repeat(51), 'x'.repeat(10_000), '../../etc/passwd'])
      await expect(tokens.refresh(junk)).rejects.toMatchObject({ code: 'refresh_invalid' })
  })
})

const weakRsaKey = JSON.stringify(
  generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'jwk' }),
)

describe('createTokenIssuer()', () => {
  it.each([
    ['issuer', { issuer: 'notes' }],
    ['audience', { audience: '' }],
    ['keys', { keys: [] }],
    ['keys.0.alg', { keys: [{ alg: 'none', key: 'x' }] }],
    ['keys.0.kid', { keys: [{ alg: 'ES256', key: 'x', kid: '1' }] }],
    ['accessTokenLifetime', { accessTokenLifetime: '900' }],
    ['refreshTokenLifetime', { refreshTokenLifetime: Number.NaN }],
    ['accessTokenLifetimes', { accessTokenLifetimes: 900 }],
    ['store', { store: undefined }],
  ])('names the option that cannot be used: %s', (option, wrong) => {
    expect(() =>
      createTokenIssuer({ issuer: ISSUER, audience: API, keys: [es256], store: memoryStore(), ...wrong } as never),
    ).toThrow(`"${option}"`)
  })

  it.each([
    ['a short secret', { alg: 'HS256', key: 'x'.repeat(31) }],
    ['no JWK', { alg: 'ES256', key: 'nonsense' }],
    ['a public key', { alg: 'ES256', key: '' }],
    ['a key of another kind', { alg: 'RS256', key: es256.key }],
    ['an RSA key of 1024 bits', { alg: 'RS256', key: weakRsaKey }],
  ] as const)('refuses %s as a key, without repeating it', async (name, key) => {
    const { publicKey } = await generateKeyPair('ES256', { extractable: true })
    const real = name === 'a public key' ? { ...key, key: JSON.stringify(await exportJWK(publicKey)) } : key
    const error = await Promise.resolve()
      .then(() => scene({ keys: [real] }))
      .catch((error) => error)
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain('"keys"')
    expect(error.message).not.toContain(real.key)
  })
})
