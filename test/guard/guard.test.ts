import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import {
  type Authenticator,
  accessToken,
  createGuard,
  type GuardEvent,
  type GuardOptions,
  type Requirements,
} from 'sallyport/guard'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { parseChallenges } from '../../src/protocol/http/challenge.js'
import { bodyOf, ISSUER, signIn, world } from '../world.js'
import { goodClaims } from './claims.js'

const API = 'https://api.example.com'
const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
const stranger = await generateKeyPair('RS256', { extractable: true })
const publicJwk: JWK = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }

/** An issuer with one key, and a guard before it; the clock stands still. */
function setUp(options: Partial<Parameters<typeof accessToken>[0]> = {}, guard: Partial<GuardOptions> = {}) {
  let time = 1_790_000_000
  const events: GuardEvent[] = []
  const issuer = {
    keys: [publicJwk] as JWK[],
    down: false,
    fetched: 0,
    metadata: { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` },
  }
  const fetch = (async (input: RequestInfo | URL) => {
    const { pathname } = new URL(input instanceof Request ? input.url : `${input}`)
    if (issuer.down) throw new TypeError('fetch failed')
    if (pathname.endsWith('openid-configuration')) return Response.json(issuer.metadata)
    issuer.fetched++
    return Response.json({ keys: issuer.keys })
  }) as typeof globalThis.fetch
  const protect = createGuard({
    resource: API,
    accept: [accessToken({ issuer: ISSUER, fetch, ...options })],
    onEvent: (event) => events.push(event),
    now: () => time,
    ...guard,
  })
  const claims = () => goodClaims(ISSUER, API, time)
  return {
    issuer,
    events,
    protect,
    claims,
    advance(seconds: number) {
      time += seconds
    },
    /** A token as it should be, with changes; `undefined` takes a member out. */
    async token(
      changes: Record<string, unknown> = {},
      header: Record<string, unknown> = {},
      key: CryptoKey = privateKey,
    ) {
      const protectedHeader = { alg: 'RS256', typ: 'at+jwt', kid: 'one', ...header }
      return new SignJWT(JSON.parse(JSON.stringify({ ...claims(), ...changes })))
        .setProtectedHeader(JSON.parse(JSON.stringify(protectedHeader)))
        .sign(key)
    },
  }
}

const request = (authorization?: string, init: RequestInit & { url?: string } = {}) =>
  new Request(init.url ?? `${API}/notes`, {
    ...init,
    headers: {
      ...(authorization !== undefined && { Authorization: authorization }),
      ...(init.headers as Record<string, string>),
    },
  })

const encode = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

type It = ReturnType<typeof setUp>

/** What the guard says of a token, as status and error. */
async function callWith(it: It, token: string) {
  const outcome = await it.protect(request(`Bearer ${token}`))
  return outcome.ok ? 200 : `${outcome.response.status} ${((await outcome.response.json()) as { error: string }).error}`
}

describe('a good access token', () => {
  it('[A-38 twin][A-44 twin][J-01 twin][J-03 twin][J-04 twin][J-05 twin][J-06 twin][J-07 twin][J-09 twin][J-13 twin][J-18 twin][J-19 twin][J-20 twin] is accepted, and says who calls', async () => {
    const it = setUp()
    const outcome = await it.protect(request(`Bearer ${await it.token({ tenant: 'acme' })}`), {
      scopes: ['notes:read'],
      tenant: 'acme',
    })
    expect(outcome).toMatchObject({
      ok: true,
      principal: {
        method: 'access_token',
        sub: 'alice',
        iss: ISSUER,
        client_id: 'notes',
        scopes: ['notes:read'],
        tenant: 'acme',
        expiresAt: 1_790_000_300,
      },
    })
    expect(it.events).toEqual([{ type: 'accepted', method: 'access_token', sub: 'alice' }])
  })
})

describe('a refused access token', () => {
  const refusals: Array<[ids: string, name: string, make: (it: It) => Promise<string> | string]> = [
    ...['none', 'None', 'nOnE', 'NONE', ''].map((alg): (typeof refusals)[number] => [
      '[J-01][A-38]',
      `alg ${alg || 'empty'}`,
      (it) => `${encode({ alg, typ: 'at+jwt' })}.${encode(it.claims())}.`,
    ]),
    [
      '[J-01]',
      'alg none with a signature',
      async (it) =>
        `${encode({ alg: 'none', typ: 'at+jwt' })}.${encode(it.claims())}.${(await it.token()).split('.')[2]}`,
    ],
    [
      '[J-02][A-38]',
      'HS256 keyed with the public key as JWK',
      async (it) => {
        const key = await importJWK({ kty: 'oct', k: encode(publicJwk), alg: 'HS256' })
        return new SignJWT(it.claims()).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: 'one' }).sign(key)
      },
    ],
    [
      '[J-02]',
      'HS256 keyed with the modulus',
      async (it) => {
        const key = await importJWK({ kty: 'oct', k: publicJwk.n ?? '', alg: 'HS256' })
        return new SignJWT(it.claims()).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' }).sign(key)
      },
    ],
    [
      '[J-03][A-38]',
      'an algorithm that is allowed and not the key’s own',
      async (it) => {
        const key = await importJWK({ ...(await exportJWK(privateKey)), alg: 'PS256' }, 'PS256')
        return new SignJWT(it.claims())
          .setProtectedHeader({ alg: 'PS256', typ: 'at+jwt', kid: 'one' })
          .sign(key as CryptoKey)
      },
    ],
    ['[J-04]', 'another audience', (it) => it.token({ aud: 'https://other.example.com' })],
    ['[J-04][A-43]', 'no audience', (it) => it.token({ aud: undefined })],
    ['[J-04][A-43]', 'an audience with a slash too many', (it) => it.token({ aud: `${API}//` })],
    ['[A-43]', 'an audience that begins as ours', (it) => it.token({ aud: `${API}.evil.example` })],
    ['[A-43]', 'an audience that ours begins with', (it) => it.token({ aud: ['https://api.example'] })],
    ['[A-43]', 'an audience in capitals', (it) => it.token({ aud: API.toUpperCase() })],
    ['[A-43]', 'a list of audiences without ours', (it) => it.token({ aud: ['https://a.example', `${API}/notes`] })],
    ['[J-05]', 'another issuer', (it) => it.token({ iss: 'https://evil.example' })],
    ['[J-05]', 'an issuer with a slash too many', (it) => it.token({ iss: `${ISSUER}/` })],
    ['[J-05]', 'no issuer', (it) => it.token({ iss: undefined })],
    ['[J-06]', 'one that has expired', (it) => it.token({ exp: 1_790_000_000 - 31 })],
    ['[J-06][A-46]', 'no exp', (it) => it.token({ exp: undefined })],
    ['[J-06][A-46]', 'exp as text', (it) => it.token({ exp: '1890000000' })],
    ['[J-06]', 'nbf in the future', (it) => it.token({ nbf: 1_790_000_000 + 31 })],
    ['[J-06]', 'iat in the future', (it) => it.token({ iat: 1_790_000_000 + 31 })],
    ['[J-07][A-44]', 'an ID Token', (it) => it.token({ aud: 'notes', nonce: 'n' }, { typ: 'JWT' })],
    [
      '[J-07][A-44]',
      'an ID Token with our audience',
      (it) => it.token({ nonce: 'n', at_hash: 'h' }, { typ: undefined }),
    ],
    ['[J-07][A-44]', 'a logout token', (it) => it.token({ events: {} }, { typ: 'logout+jwt' })],
    ['[J-09]', 'a jku', (it) => it.token({}, { jku: 'https://evil.example/jwks' })],
    ['[J-09]', 'an x5u', (it) => it.token({}, { x5u: 'https://evil.example/x5u' })],
    ['[J-09]', 'an x5c', (it) => it.token({}, { x5c: ['MIIB'] })],
    [
      '[J-09]',
      'a jwk of its own',
      async (it) => it.token({}, { jwk: await exportJWK(stranger.publicKey), kid: undefined }, stranger.privateKey),
    ],
    [
      '[J-13]',
      'an unknown crit',
      async (it) =>
        `${encode({ alg: 'RS256', typ: 'at+jwt', kid: 'one', crit: ['exotic'], exotic: 1 })}.${(await it.token()).split('.').slice(1).join('.')}`,
    ],
    [
      '[J-13]',
      'b64: false',
      async (it) =>
        `${encode({ alg: 'RS256', typ: 'at+jwt', kid: 'one', crit: ['b64'], b64: false })}.${(await it.token()).split('.').slice(1).join('.')}`,
    ],
    ['[J-18]', '64 kB', (it) => it.token({ padding: 'x'.repeat(65_536) })],
    [
      '[J-18]',
      'a payload nested deep',
      (it) =>
        `${encode({ alg: 'RS256', typ: 'at+jwt', kid: 'one' })}.${encode('['.repeat(9000))}.${encode('x')}${it ? '' : ''}`,
    ],
    [
      '[J-19]',
      'a JWE that wants a long derivation',
      () => `${encode({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2147483647, p2s: 'x' })}.a.b.c.d`,
    ],
    ['[J-19]', 'a compressed JWE', () => `${encode({ alg: 'dir', enc: 'A256GCM', zip: 'DEF' })}..a.b.c`],
    ['', 'a signature of another key', (it) => it.token({}, {}, stranger.privateKey)],
    ['', 'no sub', (it) => it.token({ sub: undefined })],
    ['', 'no client_id', (it) => it.token({ client_id: undefined })],
    ['[J-14]', 'one that is bound to a key, as plain Bearer', (it) => it.token({ cnf: { jkt: 'x' } })],
    ['', 'junk', () => 'junk'],
    ['', 'three dots', () => '...'],
  ]

  it.each(refusals)('%s is %s: 401 invalid_token, one body for all', async (_ids, _name, make) => {
    const it = setUp()
    const token = await make(it)
    const outcome = await it.protect(request(`Bearer ${token}`))
    if (outcome.ok) throw new Error('accepted')
    expect(outcome.response.status).toBe(401)
    const body = await outcome.response.text()
    expect(JSON.parse(body)).toEqual({
      error: 'invalid_token',
      error_description: 'The access token cannot be used here.',
    })
    expect(outcome.response.headers.get('www-authenticate')).toBe(
      'Bearer error="invalid_token", error_description="The access token cannot be used here."',
    )
    expect(it.issuer.fetched).toBeLessThanOrEqual(1)
  })

  it('[A-43 twin][A-46 twin] is one only for what it is refused for: by the second, by the letter', async () => {
    const it = setUp()
    for (const [claims, says] of [
      [{ aud: ['https://other.example.com', API] }, 200],
      [{ exp: 1_790_000_000 - 29 }, 200],
      [{ exp: 1_790_000_000 - 30 }, '401 invalid_token'],
      [{ nbf: 1_790_000_000 + 30 }, 200],
      [{ nbf: 1_790_000_000 + 31 }, '401 invalid_token'],
      [{ nbf: `${1_790_000_000}` }, '401 invalid_token'],
    ] as const)
      expect(await callWith(it, await it.token(claims)), JSON.stringify(claims)).toBe(says)
  })

  it('[A-46] is so to the second, with the tolerance that was set', async () => {
    const it = setUp({ clockTolerance: 0 })
    expect(await callWith(it, await it.token({ exp: 1_790_000_000 }))).toBe('401 invalid_token')
    expect(await callWith(it, await it.token({ exp: 1_790_000_001 }))).toBe(200)
    expect(await callWith(it, await it.token({ nbf: 1_790_000_001 }))).toBe('401 invalid_token')
    expect(await callWith(it, await it.token({ nbf: 1_790_000_000 }))).toBe(200)
  })

  it('[A-45][A-45 twin] is that of another API, wherever it was good; and what a handler gets is nothing to pass on', async () => {
    const it = setUp()
    const other = createGuard({
      resource: 'https://b.example.com',
      accept: [accessToken({ issuer: ISSUER, keys: async () => publicKey })],
      now: () => 1_790_000_000,
    })
    const [ours, theirs] = [await it.token(), await it.token({ aud: 'https://b.example.com' })]
    expect(await callWith(it, theirs)).toBe('401 invalid_token')
    expect((await other(request(`Bearer ${theirs}`))).ok).toBe(true)
    expect((await other(request(`Bearer ${ours}`))).ok).toBe(false)
    const outcome = await it.protect(request(`Bearer ${ours}`))
    expect(outcome.ok).toBe(true)
    const [, , signature = ''] = ours.split('.')
    expect(JSON.stringify(outcome)).not.toContain(signature)
  })

  it('[J-03] cannot widen the algorithms, though the key names none', async () => {
    const { alg: _, ...anyAlg } = publicJwk
    const it = setUp({ algs: ['PS256'] })
    it.issuer.keys = [anyAlg]
    expect(await callWith(it, await it.token())).toBe('401 invalid_token')
    const wide = setUp({ algs: ['RS256'] })
    wide.issuer.keys = [anyAlg]
    expect(await callWith(wide, await wide.token())).toBe(200)
  })

  it('[J-20] tells the operator why, and the caller nothing: no token, no claim, no stack', async () => {
    const it = setUp()
    const token = await it.token({ aud: 'https://secret.example', sub: 'somebody-private' })
    const outcome = await it.protect(request(`Bearer ${token}`))
    if (outcome.ok) throw new Error('accepted')
    const said = `${await outcome.response.text()}${JSON.stringify([...outcome.response.headers])}`
    for (const secret of [token, 'secret.example', 'somebody-private', ' at ']) expect(said).not.toContain(secret)
    expect(it.events).toMatchObject([{ type: 'refused', status: 401, error: 'invalid_token', detail: 'aud' }])
    expect(JSON.stringify(it.events)).not.toContain(token)
  })
})

describe('the headers', () => {
  it('[J-02 twin][J-10 twin] accept Bearer in any case', async () => {
    const it = setUp()
    for (const scheme of ['Bearer', 'bearer', 'BEARER'])
      expect((await it.protect(request(`${scheme} ${await it.token()}`))).ok, scheme).toBe(true)
  })

  it('take a token by its bytes: one that has another at an end is another token', async () => {
    const it = setUp()
    const token = await it.token()
    for (const odd of [`${token}\xa0`, `\xa0${token}`, `${token}\x85`]) {
      const outcome = await it.protect(request(`Bearer ${odd}`))
      expect(outcome.ok ? 200 : outcome.response.headers.get('www-authenticate')).toContain('error="invalid_token"')
    }
    expect((await it.protect(request(`Bearer   ${token} \t`))).ok).toBe(true)
  })

  it.each(['Basic', 'Token', 'DPoP', 'MAC', ''])('[J-10] refuse the scheme “%s”', async (scheme) => {
    const it = setUp()
    const outcome = await it.protect(request(`${scheme} ${await it.token()}`.trim()))
    expect(outcome.ok ? 200 : outcome.response.status).toBe(401)
  })

  it('[J-11] tell 401 for nobody, with the challenge alone, from 403 for too little scope, naming all of it', async () => {
    const it = setUp()
    const nobody = await it.protect(request())
    if (nobody.ok) throw new Error('accepted')
    expect(nobody.response.status).toBe(401)
    expect(nobody.response.headers.get('www-authenticate')).toBe('Bearer')
    const little = await it.protect(request(`Bearer ${await it.token()}`), {
      scopes: ['notes:read', 'notes:write', 'admin'],
    })
    if (little.ok) throw new Error('accepted')
    expect(little.response.status).toBe(403)
    expect(little.response.headers.get('www-authenticate')).toContain('scope="notes:read notes:write admin"')
    expect(await bodyOf(little.response)).toMatchObject({ error: 'insufficient_scope' })
  })

  it('are told with a 401 what to ask a token for, unless it is the sign-in that will not do', async () => {
    const it = setUp()
    const requirements = { scopes: ['notes:read', 'notes:write'] }
    const said = async (authorization?: string, more = {}) => {
      const outcome = await it.protect(request(authorization), { ...requirements, ...more })
      return outcome.ok ? '' : outcome.response.headers.get('www-authenticate')
    }
    expect(await said()).toBe('Bearer scope="notes:read notes:write"')
    expect(await said('Bearer junk')).toMatch(/^Bearer error="invalid_token", .*, scope="notes:read notes:write"$/)
    const token = `Bearer ${await it.token()}`
    expect(await said(token, { acr: ['mfa'] })).toMatch(/acr_values="mfa"$/)
    expect(await said(token)).toMatch(/^Bearer error="insufficient_scope".* scope="notes:read notes:write"$/)
  })

  it('[J-11 twin] accept enough scope', async () => {
    const it = setUp()
    const token = await it.token({ scope: 'notes:read notes:write' })
    expect((await it.protect(request(`Bearer ${token}`), { scopes: ['notes:write'] })).ok).toBe(true)
  })

  it.each<[string, unknown, string[]]>([
    ['a list in one text', ['notes:read notes:write'], ['notes:read', 'notes:write']],
    ['another case', 'Notes:Read NOTES:WRITE', ['notes:read', 'notes:write']],
    ['tabs and line ends between', 'notes:read\tnotes:write\nadmin', ['notes:read', 'notes:write', 'admin']],
    ['commas between', 'notes:read,notes:write', ['notes:read', 'notes:write']],
    ['a beginning', 'notes: notes', ['notes:read']],
    ['a star', 'notes:* *', ['notes:read']],
    ['an object', { 'notes:read': true }, ['notes:read']],
    ['numbers', [1, null, ['notes:read']], ['notes:read']],
    ['nothing', undefined, ['notes:read']],
  ])('[A-50] give no scope by %s', async (_name, scope, wanted) => {
    const it = setUp()
    const token = await it.token({ scope })
    for (const one of wanted)
      expect((await it.protect(request(`Bearer ${token}`), { scopes: [one] })).ok, one).toBe(false)
  })

  it.each<[string, unknown]>([
    ['spaces, however many', '  notes:read   notes:write '],
    ['a list', ['notes:read', 'notes:write']],
  ])('[A-50 twin] give the scopes that are separated by %s', async (_name, scope) => {
    const it = setUp()
    const requirements = { scopes: ['notes:write', 'notes:read'] }
    expect((await it.protect(request(`Bearer ${await it.token({ scope })}`), requirements)).ok).toBe(true)
    expect((await it.protect(request(`Bearer ${await it.token({ scope })}`), { scopes: [''] })).ok).toBe(false)
  })

  it('[A-53] of a refusal hold whatever is said in them, and begin no other', async () => {
    const said = 'a"b\\c\r\nSet-Cookie: x=1\u0000, Basic realm="é'
    const rude: Authenticator = {
      method: 'access_token',
      explicit: true,
      challenge: { scheme: 'Bearer', parameters: { realm: said } },
      claims: () => true,
      verify: async () => ({
        ok: false,
        status: 401,
        error: said,
        error_description: said,
        challenge: { acr_values: said },
        detail: said,
      }),
    }
    const it = setUp()
    const outcomes = [
      await createGuard({ resource: API, accept: [rude] })(request('Bearer x')),
      await createGuard({ resource: API, accept: [{ ...rude, claims: () => false }] })(request()),
      await it.protect(request(`Bearer ${await it.token()}`), { scopes: [said] }),
      await it.protect(request(`Bearer ${await it.token()}`), { acr: [said], maxAge: 1 }),
    ]
    for (const outcome of outcomes) {
      if (outcome.ok) throw new Error('accepted')
      const { headers } = outcome.response
      const header = headers.get('www-authenticate') ?? ''
      expect(header).toMatch(/^[\x20-\x7e]+$/)
      expect(parseChallenges(header)).toHaveLength(1)
      expect(header).toContain('a\\"b\\\\c')
      expect(headers.getSetCookie()).toEqual([])
    }
  })

  it('[J-12] do not look at the query or the body', async () => {
    const it = setUp()
    const token = await it.token()
    const form = new URLSearchParams({ access_token: token })
    for (const odd of [
      request(undefined, { url: `${API}/notes?access_token=${token}` }),
      request(undefined, { method: 'POST', body: form }),
    ]) {
      const outcome = await it.protect(odd)
      expect(outcome.ok ? 200 : outcome.response.status).toBe(401)
      expect(odd.bodyUsed).toBe(false)
    }
    expect(JSON.stringify(it.events)).not.toContain(token)
  })

  it('[J-12 twin] look at Authorization', async () => {
    const it = setUp()
    expect(
      (await it.protect(request(`Bearer ${await it.token()}`, { url: `${API}/notes?access_token=junk` }))).ok,
    ).toBe(true)
  })

  it('refuse two credentials at once', async () => {
    const it = setUp()
    const token = await it.token()
    for (const two of [
      request(`Bearer ${token}`, { headers: { 'X-API-Key': 'k' } }),
      request(`Bearer ${token}, Bearer ${token}`),
    ]) {
      const outcome = await it.protect(two)
      expect(outcome.ok ? 200 : outcome.response.status).toBe(400)
    }
  })

  it('refuse another tenant with 403', async () => {
    const it = setUp()
    const outcome = await it.protect(request(`Bearer ${await it.token({ tenant: 'acme' })}`), { tenant: 'umbrella' })
    if (outcome.ok) throw new Error('accepted')
    expect(outcome.response.status).toBe(403)
    expect(await bodyOf(outcome.response)).toMatchObject({ error: 'tenant_mismatch' })
  })
})

describe('the keys', () => {
  it('[J-08] are fetched once for a flood of unknown ones', async () => {
    const it = setUp()
    await callWith(it, await it.token())
    expect(it.issuer.fetched).toBe(1)
    const flood = await Promise.all(Array.from({ length: 200 }, (_, at) => it.token({}, { kid: `k${at}` })))
    expect(new Set(await Promise.all(flood.map((token) => callWith(it, token))))).toEqual(
      new Set(['401 invalid_token']),
    )
    expect(it.issuer.fetched).toBeLessThanOrEqual(2)
  })

  it('[J-08 twin] are found after a rotation', async () => {
    const it = setUp()
    expect(await callWith(it, await it.token())).toBe(200)
    it.issuer.keys = [{ ...(await exportJWK(stranger.publicKey)), kid: 'two', alg: 'RS256' }]
    it.advance(601)
    expect(await callWith(it, await it.token({}, { kid: 'two' }, stranger.privateKey))).toBe(200)
  })

  it('[J-08 twin] are found at once if the issuer has just begun to use them, however often', async () => {
    const it = setUp()
    expect(await callWith(it, await it.token())).toBe(200)
    for (const kid of ['two', 'three', 'four']) {
      it.issuer.keys = [{ ...(await exportJWK(stranger.publicKey)), kid, alg: 'RS256' }]
      it.advance(2)
      const tokens = await Promise.all([1, 2, 3].map(() => it.token({}, { kid }, stranger.privateKey)))
      expect(await Promise.all(tokens.map((token) => callWith(it, token)))).toEqual([200, 200, 200])
    }
    expect(it.issuer.fetched).toBe(4)
  })

  it('[J-08] are fetched once in each cool-down for a flood that goes on, also while the issuer is down', async () => {
    for (const down of [false, true]) {
      const it = setUp()
      let tries = 0
      expect(await callWith(it, await it.token())).toBe(200)
      const answers = new Set<unknown>()
      const counted = () => {
        tries++
        return down
      }
      Object.defineProperty(it.issuer, 'down', { get: counted })
      for (let second = 0; second < 60; second++) {
        it.advance(1)
        for (let at = 0; at < 3; at++) answers.add(await callWith(it, await it.token({}, { kid: `k${second}.${at}` })))
      }
      expect(answers).toEqual(new Set([down ? '503 keys_unavailable' : '401 invalid_token']))
      expect(tries).toBe(2)
      expect(await callWith(it, await it.token())).toBe(200)
    }
  })

  it('[J-17] are used while the issuer is down, until their age; then 503, and nothing unverified', async () => {
    const it = setUp()
    expect(await callWith(it, await it.token())).toBe(200)
    it.issuer.down = true
    it.advance(599)
    expect(await callWith(it, await it.token())).toBe(200)
    it.advance(2)
    const outcome = await it.protect(request(`Bearer ${await it.token()}`))
    if (outcome.ok) throw new Error('accepted')
    expect(outcome.response.status).toBe(503)
    expect(outcome.response.headers.get('retry-after')).toBe('5')
    const cold = setUp()
    cold.issuer.down = true
    expect(await callWith(cold, await cold.token())).toBe('503 keys_unavailable')
  })

  it('[J-17 twin] are had again when the issuer is back', async () => {
    const it = setUp()
    it.issuer.down = true
    expect(await callWith(it, await it.token())).toBe('503 keys_unavailable')
    it.issuer.down = false
    it.advance(31)
    expect(await callWith(it, await it.token())).toBe(200)
  })

  it('are not taken from metadata of another issuer', async () => {
    const it = setUp()
    it.issuer.metadata.issuer = `${ISSUER}/`
    expect(await callWith(it, await it.token())).toBe('503 operator_error')
  })
})

describe('several issuers', () => {
  const OTHER = 'https://other-issuer.example.net'

  /** Two issuers, each with a key of its own under the same name, at one guard. */
  async function two() {
    const it = setUp()
    const otherKey = { ...(await exportJWK(stranger.publicKey)), kid: 'one', alg: 'RS256' }
    const down = new Set<string>()
    const asked: string[] = []
    const fetch = (async (input: RequestInfo | URL) => {
      const { origin, pathname } = new URL(`${input}`)
      asked.push(origin)
      if (down.has(origin)) throw new TypeError('fetch failed')
      if (!pathname.endsWith('/jwks')) return Response.json({ issuer: origin, jwks_uri: `${origin}/jwks` })
      return Response.json({ keys: [origin === OTHER ? otherKey : publicJwk] })
    }) as typeof globalThis.fetch
    const accept = [accessToken({ issuer: ISSUER, fetch }, { issuer: OTHER, profile: 'jwt', fetch })]
    const protect = createGuard({ resource: API, accept, metadata: {}, now: () => 1_790_000_000 })
    return { ...it, protect, down, asked }
  }

  it('[J-04 twin] are each taken with their own keys and settings, and told apart in the principal', async () => {
    const it = await two()
    const outcome = await it.protect(request(`Bearer ${await it.token()}`))
    expect(outcome).toMatchObject({ ok: true, principal: { iss: ISSUER } })
    const plain = await it.token({ iss: OTHER, client_id: undefined }, { typ: 'JWT' }, stranger.privateKey)
    expect(await it.protect(request(`Bearer ${plain}`))).toMatchObject({ ok: true, principal: { iss: OTHER } })
    const document = it.protect.metadata(new Request(`${API}/.well-known/oauth-protected-resource`))
    expect(await document?.json()).toMatchObject({ authorization_servers: [ISSUER, OTHER] })
  })

  it('[J-04] lend nobody their name: keys, profile and outage stay with the issuer that a token names', async () => {
    const it = await two()
    expect(await callWith(it, await it.token({}, {}, stranger.privateKey))).toBe('401 invalid_token')
    expect(await callWith(it, await it.token({ iss: OTHER }))).toBe('401 invalid_token')
    expect(await callWith(it, await it.token({}, { typ: 'JWT' }))).toBe('401 invalid_token')
    it.asked.length = 0
    for (const iss of ['https://evil.example', `${ISSUER}/`, '__proto__', undefined, 7, [ISSUER]])
      expect(await callWith(it, await it.token({ iss }))).toBe('401 invalid_token')
    expect(await callWith(it, 'x.y.z')).toBe('401 invalid_token')
    expect(it.asked).toEqual([])
  })

  it('[J-17] one that is down takes no other with it', async () => {
    const it = await two()
    it.down.add(OTHER)
    const other = await it.token({ iss: OTHER }, { typ: 'JWT' }, stranger.privateKey)
    expect(await callWith(it, other)).toBe('503 keys_unavailable')
    expect(await callWith(it, await it.token())).toBe(200)
  })

  it('are named once each', () => {
    expect(() => accessToken({ issuer: ISSUER }, { issuer: ISSUER })).toThrow('accessToken: "issuer"')
  })
})

describe('the memory of verified tokens', () => {
  /** Signatures that were verified since. */
  function counted() {
    const verify = vi.spyOn(crypto.subtle, 'verify')
    onTestFinished(() => verify.mockRestore())
    return () => verify.mock.calls.length
  }

  /** A guard that has its keys, and a token that it remembers. */
  async function remembering(claims: Record<string, unknown> = {}, options: Parameters<typeof setUp>[0] = {}) {
    const it = setUp(options)
    const token = await it.token(claims)
    // The first time the keys are fetched, the second time it is new, the third time it has been seen.
    for (let times = 0; times < 3; times++) await callWith(it, token)
    const verified = counted()
    expect(await callWith(it, token)).toBe(200)
    expect(verified()).toBe(0)
    return { it, token, verified }
  }

  it('verifies a signature twice; from then on it is the digest that is found', async () => {
    const { it, verified } = await remembering()
    expect(await callWith(it, await it.token({ jti: 'another' }))).toBe(200)
    expect(verified()).toBe(1)
  })

  it('keeps no time: what is remembered expires when it says', async () => {
    const { it, token } = await remembering({ exp: 1_790_000_100 })
    it.advance(129)
    expect(await callWith(it, token)).toBe(200)
    it.advance(1)
    expect(await callWith(it, token)).toBe('401 invalid_token')
  })

  it('keeps no scope and no tenant: each request is weighed', async () => {
    const { it, token } = await remembering({ tenant: 'acme' })
    const weighed = async (requirements: Parameters<typeof it.protect>[1]) =>
      (await it.protect(request(`Bearer ${token}`), requirements)).ok
    expect([await weighed({ tenant: 'acme', scopes: ['notes:read'] }), await weighed({ tenant: 'umbrella' })]).toEqual([
      true,
      false,
    ])
    expect(await weighed({ scopes: ['notes:write'] })).toBe(false)
  })

  it('[J-08] ends with the keys: a key that the issuer has taken back verifies nothing more', async () => {
    const { it, token } = await remembering({}, { cooldown: 0 })
    it.issuer.keys = [{ ...(await exportJWK(stranger.publicKey)), kid: 'two', alg: 'RS256' }]
    // A token with the new key makes the keys be fetched.
    expect(await callWith(it, await it.token({}, { kid: 'two' }, stranger.privateKey))).toBe(200)
    expect(await callWith(it, token)).toBe('401 invalid_token')
  })

  it('[J-17] ends with the age of the keys, while the issuer is down', async () => {
    const { it, token } = await remembering({ exp: 1_790_009_000 })
    it.issuer.down = true
    it.advance(599)
    expect(await callWith(it, token)).toBe(200)
    it.advance(2)
    expect(await callWith(it, token)).toBe('503 keys_unavailable')
  })

  it('[J-05] is of one audience, also where one authenticator serves two guards', async () => {
    const { it, token } = await remembering()
    const both = accessToken({
      issuer: ISSUER,
      fetch: (async (input: RequestInfo | URL) =>
        Response.json(`${input}`.endsWith('/jwks') ? { keys: it.issuer.keys } : it.issuer.metadata)) as typeof fetch,
    })
    const guard = (resource: string) => createGuard({ resource, accept: [both], now: () => 1_790_000_000 })
    const [own, other] = [guard(API), guard('https://other.example.com')]
    for (let times = 0; times < 3; times++) {
      expect((await own(request(`Bearer ${token}`))).ok).toBe(true)
      expect((await other(request(`Bearer ${token}`))).ok).toBe(false)
    }
  })

  it('gives nobody claims that another request could have changed', async () => {
    const { it, token } = await remembering({ roles: ['reader'] })
    const outcome = await it.protect(request(`Bearer ${token}`))
    if (!outcome.ok) throw new Error('refused')
    expect(() => (outcome.principal.claims['roles'] as string[]).push('admin')).toThrow(TypeError)
    expect(() => Object.assign(outcome.principal.claims, { sub: 'mallory' })).toThrow(TypeError)
    expect(await it.protect(request(`Bearer ${token}`))).toMatchObject({ principal: { claims: { roles: ['reader'] } } })
  })

  it('is bounded: a thousand others take the place of the oldest', async () => {
    const { it, token, verified } = await remembering()
    for (let made = 0; made < 1000; made++) {
      const other = await it.token({ jti: `${made}` })
      for (let times = 0; times < 2; times++) await callWith(it, other)
    }
    const before = verified()
    await callWith(it, token)
    expect(verified()).toBe(before + 1)
  })

  it('keeps what it has, however many come once', async () => {
    const { it, token, verified } = await remembering()
    for (let made = 0; made < 1000; made++) await callWith(it, await it.token({ jti: `${made}` }))
    expect(verified()).toBe(1000)
    await callWith(it, token)
    // Unless one of them has taken the place of its mark, which costs one more verification.
    expect(verified()).toBeLessThanOrEqual(1001)
    await callWith(it, token)
    expect(verified()).toBeLessThanOrEqual(1001)
  })
})

describe('a caller whose tokens are worth nothing up to an instant', () => {
  it('is refused with those, also with one that is remembered, and let in with a later one', async () => {
    const stamps = new Map<unknown, number>()
    const it = setUp({ revokedUntil: async ({ sub }) => stamps.get(sub) })
    const token = await it.token({ iat: 1_789_999_900 })
    for (let times = 0; times < 4; times++) expect(await callWith(it, token)).toBe(200)
    stamps.set('alice', 1_789_999_900)
    expect(await callWith(it, token)).toBe('401 invalid_token')
    expect(it.events.at(-1)).toMatchObject({ detail: 'revoked' })
    expect(await callWith(it, await it.token({ iat: 1_789_999_901 }))).toBe(200)
    expect(await callWith(it, await it.token({ sub: 'bob', iat: 1_789_999_900 }))).toBe(200)
  })

  it('is nobody’s loss: who cannot be asked makes it 503', async () => {
    const it = setUp({ revokedUntil: () => Promise.reject(new Error('the database is down')) })
    expect(await callWith(it, await it.token())).toBe('503 keys_unavailable')
    expect(JSON.stringify(it.events)).not.toContain('database')
  })
})

describe('the profile “jwt”', () => {
  it('accepts the plain JWTs of issuers that write no at+jwt', async () => {
    const it = setUp({ profile: 'jwt' })
    for (const header of [{ typ: 'JWT' }, { typ: undefined }])
      expect(await callWith(it, await it.token({ client_id: undefined, jti: undefined }, header))).toBe(200)
    expect(await callWith(it, await it.token({ scope: undefined, scp: ['notes:read'] }, { typ: 'JWT' }))).toBe(200)
  })

  it.each([
    ['an ID Token', { nonce: 'n' }, {}],
    ['an ID Token by its hash', { at_hash: 'h' }, {}],
    ['a logout token', { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }, {}],
    ['a refresh token of Keycloak', { typ: 'Refresh' }, {}],
    ['a logout token by its type', {}, { typ: 'logout+jwt' }],
  ])('[J-07][A-44] refuses %s', async (_name, claims, header) => {
    const it = setUp({ profile: 'jwt' })
    expect(await callWith(it, await it.token(claims, { typ: 'JWT', ...header }))).toBe('401 invalid_token')
  })
})

describe('a guard', () => {
  it('[J-04] cannot be made without an audience, or with nothing to accept', () => {
    const accept = [accessToken({ issuer: ISSUER })]
    expect(() => createGuard({ resource: '', accept })).toThrow(/"resource"/)
    expect(() => createGuard({ resource: API, accept: [] })).toThrow(/"accept"/)
    expect(() => accessToken({ issuer: 'http://as.example.com' })).toThrow(/"issuer"/)
    expect(() => accessToken({ issuer: ISSUER, algs: ['HS256'] })).toThrow(/"algs"/)
    expect(() => accessToken({ issuer: ISSUER, algs: ['none'] })).toThrow(/"algs"/)
  })

  it('takes other credentials without knowing them; one that fails is not replaced by one that rides along', async () => {
    const cookie: Authenticator = {
      method: 'session_cookie',
      explicit: false,
      claims: ({ headers }) => headers.has('cookie'),
      verify: async () => ({ ok: true, principal: { method: 'session_cookie', sub: 'alice', scopes: [], claims: {} } }),
    }
    const broken: Authenticator = {
      ...cookie,
      method: 'api_key',
      explicit: true,
      claims: ({ headers }) => headers.has('x-api-key'),
      verify: () => Promise.reject(new Error('store')),
    }
    const protect = createGuard({ resource: API, accept: [accessToken({ issuer: ISSUER }), cookie, broken] })
    const headers = { Cookie: 'session=1' }
    expect(await protect(request(undefined, { headers }))).toMatchObject({
      ok: true,
      principal: { method: 'session_cookie' },
    })
    for (const authorization of ['Bearer junk', 'Basic eDp5'])
      expect((await protect(request(authorization, { headers }))).ok).toBe(false)
    const outcome = await protect(request(undefined, { headers: { 'X-API-Key': 'k' } }))
    expect(outcome.ok ? 200 : outcome.response.status).toBe(503)
  })

  it('runs a handler only for those who may', async () => {
    const it = setUp()
    const handler = it.protect.handler({ scopes: ['notes:read'] }, (_request, { sub }) => Response.json({ sub }))
    expect((await handler(request())).status).toBe(401)
    expect(await bodyOf(await handler(request(`Bearer ${await it.token()}`)))).toEqual({ sub: 'alice' })
  })

  it('[T-08][T-08 twin] follows the clock handed in, as sessions do, and leaves the global one alone', async () => {
    const before = Date.now
    const it = setUp()
    const token = await it.token()
    expect(await callWith(it, token)).toBe(200)
    it.advance(331)
    expect(await callWith(it, token)).toBe('401 invalid_token')
    const { tab, advance } = await world({ idleTimeout: 600 })
    await signIn(tab)
    const { look } = await import('../world.js')
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
    advance(601)
    expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
    expect(Date.now).toBe(before)
  })

  it('[T-02][T-02 twin] takes the kit’s tokens for the kit’s issuer only', async () => {
    const { tab, as, now } = await world()
    const { access_token } = await bodyOf(await signIn(tab))
    const production = setUp()
    expect(await callWith(production, access_token)).toBe('401 invalid_token')
    const ours = createGuard({ resource: API, accept: [accessToken({ issuer: ISSUER, fetch: as.fetch })], now })
    expect((await ours(request(`Bearer ${access_token}`))).ok).toBe(true)
  })
})

describe('what a route needs', () => {
  const protect = createGuard({ resource: 'https://api.example.com', accept: [accessToken({ issuer: ISSUER })] })
  const request = () => new Request('https://api.example.com/notes')

  it('is said in words that the guard knows: a misspelt or missing one would let everybody in', async () => {
    const params: Record<string, string> = {}
    for (const requirements of [{ scope: ['notes:read'] }, { tenant: params['tenat'] }, { cost: -1 }, { cost: 1.5 }]) {
      await expect(protect(request(), requirements as Requirements)).rejects.toThrow(/^guard: "(scope|tenant|cost)"/)
      expect(() => protect.handler(requirements as Requirements, () => new Response())).toThrow(TypeError)
    }
    expect((await protect(request(), { tenant: 'acme', cost: 0 })).ok).toBe(false)
  })
})
