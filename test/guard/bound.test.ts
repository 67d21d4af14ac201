import { createHash } from 'node:crypto'
import { generateKeyPair as generateDpopKey, generateProof, type KeyPair } from 'dpop'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import {
  type AccessTokenOptions,
  accessToken,
  createGuard,
  type GuardEvent,
  type GuardOptions,
  withPeer,
} from 'sallyport/guard'
import { memoryStore, StoreError } from 'sallyport/store'
import { describe, expect, it } from 'vitest'
import { ISSUER } from '../world.js'
import { goodClaims } from './claims.js'

const API = 'https://api.example.com'
const URL_ = `${API}/notes`
const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
const publicJwk: JWK = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }
const key = await generateDpopKey('ES256', { extractable: true })
const other = await generateDpopKey('ES256')
const jkt = await calculateJwkThumbprint(await exportJWK(key.publicKey))
const certificate = Uint8Array.from({ length: 400 }, (_, at) => at % 251)
const x5t = createHash('sha256').update(certificate).digest('base64url')

const fetch = (async (input: RequestInfo | URL) =>
  `${input instanceof Request ? input.url : input}`.endsWith('openid-configuration')
    ? Response.json({ issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` })
    : Response.json({ keys: [publicJwk] })) as typeof globalThis.fetch

function scene(options: Partial<AccessTokenOptions> = {}, guard: Partial<GuardOptions> = {}) {
  let time = Math.floor(Date.now() / 1000)
  const events: GuardEvent[] = []
  const protect = createGuard({
    resource: API,
    accept: [accessToken({ issuer: ISSUER, fetch, ...options })],
    onEvent: (event) => events.push(event),
    now: () => time,
    ...guard,
  })
  const token = (cnf: unknown, claims: Record<string, unknown> = {}) =>
    new SignJWT(JSON.parse(JSON.stringify({ ...goodClaims(ISSUER, API, time), cnf, ...claims })))
      .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'one' })
      .sign(privateKey)
  return {
    protect,
    events,
    token,
    advance: (seconds: number) => {
      time += seconds
    },
    async call(authorization: string, proof?: string, requirements: Parameters<typeof protect>[1] = {}, url = URL_) {
      const request = new Request(url, {
        headers: { Authorization: authorization, ...(proof !== undefined && { DPoP: proof }) },
      })
      const outcome = await protect(request, requirements)
      if (outcome.ok) return 'ok'
      const { error } = await outcome.response.clone().json()
      return [outcome.response.status, error, outcome.response.headers.get('www-authenticate')?.split(' ')[0]]
    },
  }
}

const proofOf = (token: string, { pair = key as KeyPair, htu = URL_, htm = 'GET', more = {} } = {}) =>
  generateProof(pair, htu, htm, undefined, token, more)

/** A proof as a library would not make it; unchanged it is a good one. */
async function handmade(token: string, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) {
  const payload = {
    htm: 'GET',
    htu: URL_,
    jti: crypto.randomUUID(),
    ath: createHash('sha256').update(token).digest('base64url'),
    iat: Math.floor(Date.now() / 1000),
    ...claims,
  }
  const jwk = await exportJWK(key.publicKey)
  return new SignJWT(JSON.parse(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
    .sign(key.privateKey)
}

const badProof = [401, 'invalid_dpop_proof', 'DPoP']
const badToken = [401, 'invalid_token', 'Bearer']

describe('tokens that are bound to a key', () => {
  it('[J-14 twin][J-15 twin][A-47 twin] are taken with the proof of that key, and the principal says so', async () => {
    const { protect, token, call } = scene()
    const bound = await token({ jkt })
    expect(await call(`DPoP ${bound}`, await proofOf(bound))).toBe('ok')
    expect(await call(`DPoP ${bound}`, await handmade(bound))).toBe('ok')
    const request = new Request(URL_, { headers: { Authorization: `dpop ${bound}`, DPoP: await proofOf(bound) } })
    expect(await protect(request, { bound: true })).toMatchObject({
      ok: true,
      principal: { sub: 'alice', bound: 'dpop' },
    })
    expect(await call(`DPoP ${bound}`, await proofOf(bound, { htu: `${URL_}?page=1#x` }), {}, `${URL_}?page=2`)).toBe(
      'ok',
    )
  })

  it('[J-14][A-47] are refused as plain bearer tokens: the binding cannot be dropped', async () => {
    const { token, call } = scene()
    const bound = await token({ jkt })
    expect(await call(`Bearer ${bound}`)).toEqual(badToken)
    expect(await call(`Bearer ${bound}`, await proofOf(bound))).toEqual(badToken)
    expect(await call(`DPoP ${bound}`)).toEqual(badProof)
    // And a token that is bound to nothing gains nothing by the other scheme.
    const plain = await token(undefined)
    expect(await call(`DPoP ${plain}`, await proofOf(plain))).toEqual([401, 'invalid_token', 'DPoP'])
    expect(await call(`Bearer ${plain}`)).toBe('ok')
  })

  it('are accepted as Keycloak writes them, with typ DPoP among the claims, in the profile jwt', async () => {
    const { token, call } = scene({ profile: 'jwt' })
    for (const claims of [{ typ: 'DPoP' }, { typ: 'DPoP', nonce: 'n' }, { typ: 'Bearer', nonce: 'n' }]) {
      const bound = await token({ jkt }, claims)
      expect(await call(`DPoP ${bound}`, await proofOf(bound)), JSON.stringify(claims)).toBe('ok')
      expect(await call(`Bearer ${bound}`)).toEqual(badToken)
    }
    const unbound = await token(undefined, { typ: 'DPoP' })
    for (const scheme of ['DPoP', 'Bearer'])
      expect(await call(`${scheme} ${unbound}`, await proofOf(unbound))).toEqual([401, 'invalid_token', scheme])
  })

  it('are challenged with the scheme that they came with, whatever was wrong (RFC 9449 section 7.1)', async () => {
    const { token, protect } = scene()
    const algs = 'algs="ES256 EdDSA Ed25519 PS256 RS256"'
    const challenge = async (authorization: string, claims: object, requirements: object) => {
      const bound = await token({ jkt }, { ...claims })
      const headers = { Authorization: `${authorization} ${bound}`, DPoP: await proofOf(bound) }
      const outcome = await protect(new Request(URL_, { headers }), requirements)
      return outcome.ok ? 'ok' : outcome.response.headers.get('www-authenticate')
    }
    for (const [claims, requirements, error] of [
      [{ aud: 'https://other.example.com' }, {}, 'invalid_token'],
      [{}, { scopes: ['admin'] }, 'insufficient_scope'],
      [{}, { acr: ['mfa'] }, 'insufficient_user_authentication'],
    ] as const)
      for (const scheme of ['DPoP', 'dpop']) {
        const header = await challenge(scheme, claims, requirements)
        expect(header).toMatch(new RegExp(`^DPoP error="${error}"`))
        expect(header).toContain(algs)
      }
    expect(await challenge('Bearer', {}, {})).toMatch(/^Bearer error="invalid_token"/)
    expect(await challenge('DPoP', {}, {})).toBe('ok')
  })

  it.each([
    ['method', (token: string) => proofOf(token, { htm: 'POST' })],
    ['address', (token: string) => proofOf(token, { htu: `${API}/other` })],
    ['host', (token: string) => proofOf(token, { htu: 'https://evil.example/notes' })],
    ['key', (token: string) => proofOf(token, { pair: other })],
    ['token', () => proofOf('another token')],
    ['no token at all', () => generateProof(key, URL_, 'GET')],
    ['age', (token: string) => handmade(token, { iat: Math.floor(Date.now() / 1000) - 120 })],
    ['clock, ahead', (token: string) => handmade(token, { iat: Math.floor(Date.now() / 1000) + 120 })],
    ['shape, without jti', (token: string) => handmade(token, { jti: undefined })],
    ['two of them', async (token: string) => `${await proofOf(token)}, ${await proofOf(token)}`],
    ['length', async (token: string) => proofOf(token, { more: { padding: 'x'.repeat(9000) } })],
    ['nonsense', async () => 'a.b.c'],
    [
      'kind: a private key inside',
      async (token: string) => handmade(token, {}, { jwk: await exportJWK(key.privateKey) }),
    ],
    ['type', (token: string) => handmade(token, {}, { typ: 'jwt' })],
  ])('[J-15][A-47] are refused with a proof of another %s', async (_, make) => {
    const { token, call } = scene()
    const bound = await token({ jkt })
    expect(await call(`DPoP ${bound}`, await make(bound))).toEqual(badProof)
  })

  it('[J-16][A-48] are taken once with one proof, also when it comes twenty times at once, in whichever process', async () => {
    const store = memoryStore()
    const [here, there] = [scene({ dpop: { store } }), scene({ dpop: { store } })]
    const bound = await here.token({ jkt })
    const proof = await proofOf(bound)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => (at % 2 ? here : there).call(`DPoP ${bound}`, proof)),
    )
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(1)
    expect(answers.filter((answer) => answer !== 'ok')).toEqual(Array(19).fill(badProof))
    expect(await here.call(`DPoP ${bound}`, await proofOf(bound))).toBe('ok')
  })

  it('[J-16][J-25][J-25 twin] are taken once with one proof, also at the very end of its time, from a clock that is ahead', async () => {
    const { token, call, advance } = scene()
    const bound = await token({ jkt })
    const proof = await handmade(bound, { iat: Math.floor(Date.now() / 1000) + 60 })
    expect(await call(`DPoP ${bound}`, proof)).toBe('ok')
    for (const seconds of [119, 1, 1]) {
      advance(seconds)
      expect(await call(`DPoP ${bound}`, proof)).toEqual(badProof)
    }
  })

  it('[J-16] are asked for a new proof each time, also once their signature is remembered', async () => {
    const { token, call } = scene()
    const bound = await token({ jkt })
    for (let times = 0; times < 4; times++) {
      const proof = await proofOf(bound)
      expect(await call(`DPoP ${bound}`, proof)).toBe('ok')
      expect(await call(`DPoP ${bound}`, proof)).toEqual(badProof)
      expect(await call(`Bearer ${bound}`)).toEqual(badToken)
    }
  })

  it('[J-16] carry the nonce of this API where it asks for one, for five to ten minutes, in every process', async () => {
    const nonceKey = 'n'.repeat(32)
    const [one, two] = [scene({ dpop: { nonceKey } }), scene({ dpop: { nonceKey } })]
    const bound = await one.token({ jkt })
    const ask = async (at: typeof one, nonce?: string) => {
      const DPoP = await generateProof(key, URL_, 'GET', nonce, bound)
      const outcome = await at.protect(new Request(URL_, { headers: { Authorization: `DPoP ${bound}`, DPoP } }))
      return outcome.ok ? 'ok' : outcome.response
    }
    const refused = await ask(one)
    if (refused === 'ok') throw new Error('accepted without a nonce')
    expect(refused.status).toBe(401)
    expect(refused.headers.get('www-authenticate')).toMatch(/^DPoP .*error="use_dpop_nonce"/)
    expect(await refused.clone().json()).toMatchObject({ error: 'use_dpop_nonce' })
    const nonce = refused.headers.get('dpop-nonce') ?? ''
    expect(nonce).toMatch(/^[\w-]{43}$/)
    expect([await ask(one, nonce), await ask(two, nonce)]).toEqual(['ok', 'ok'])
    for (const wrong of ['', 'x'.repeat(43), `${nonce}x`]) expect(await ask(one, wrong)).toBeInstanceOf(Response)
    const foreign = scene({ dpop: { nonceKey: 'm'.repeat(32) } })
    expect(await ask(foreign, nonce)).toBeInstanceOf(Response)
  })

  it('[J-16] take no nonce that is older than two of its lives', async () => {
    const it = scene({ dpop: { nonceKey: 'n'.repeat(32), maxAge: 3600 } })
    const bound = await it.token({ jkt }, { exp: Math.floor(Date.now() / 1000) + 3600 })
    const ask = async (nonce?: string) => {
      const DPoP = await generateProof(key, URL_, 'GET', nonce, bound)
      const outcome = await it.protect(new Request(URL_, { headers: { Authorization: `DPoP ${bound}`, DPoP } }))
      return outcome.ok ? 'ok' : outcome.response.headers.get('dpop-nonce')
    }
    const nonce = (await ask()) ?? ''
    it.advance(300)
    expect(await ask(nonce)).toBe('ok')
    it.advance(300)
    const next = await ask(nonce)
    expect(next).toMatch(/^[\w-]{43}$/)
    expect(next).not.toBe(nonce)
    expect(() => scene({ dpop: { nonceKey: 'short' } })).toThrow('accessToken: "dpop.nonceKey" must have at least 32')
  })

  it('[J-16 twin] spend no proof that was refused for another reason', async () => {
    const { token, call } = scene()
    const bound = await token({ jkt })
    const proof = await proofOf(bound)
    expect(await call(`DPoP ${bound}`, proof, {}, `${API}/other`)).toEqual(badProof)
    expect(await call(`DPoP ${bound}`, proof)).toBe('ok')
  })

  it('[J-25] are refused with a proof that was made for another origin, sent with that Host', async () => {
    const { token, call, events } = scene()
    const bound = await token({ jkt })
    for (const elsewhere of ['https://evil.example', 'http://api.example.com', `${API}:8443`]) {
      const proof = await proofOf(bound, { htu: `${elsewhere}/notes` })
      expect(await call(`DPoP ${bound}`, proof, {}, `${elsewhere}/notes`), elsewhere).toEqual(badProof)
      expect(events.at(-1)).toMatchObject({ detail: 'htu' })
    }
  })

  it('[J-25 twin] are taken with a proof for the resource, whatever Host a proxy has put there', async () => {
    const { token, call } = scene()
    const bound = await token({ jkt })
    expect(await call(`DPoP ${bound}`, await proofOf(bound), {}, 'http://10.0.0.7:3000/notes?page=2')).toBe('ok')
    // The path is the request's own, as it arrives.
    expect(await call(`DPoP ${bound}`, await proofOf(bound), {}, 'http://10.0.0.7:3000/v1/notes')).toEqual(badProof)
  })

  it('[J-25][J-25 twin] serve once up to the last moment of their window, also of a clock that is ahead', async () => {
    for (const ahead of [0, 60]) {
      const { token, call, advance } = scene()
      const bound = await token({ jkt }, { exp: Math.floor(Date.now() / 1000) + 600 })
      const proof = await handmade(bound, { iat: Math.floor(Date.now() / 1000) + ahead })
      expect(await call(`DPoP ${bound}`, proof)).toBe('ok')
      advance(60 + ahead)
      const fresh = await handmade(bound, { iat: Math.floor(Date.now() / 1000) + ahead })
      expect(await call(`DPoP ${bound}`, proof), `${ahead}`).toEqual(badProof)
      expect(await call(`DPoP ${bound}`, fresh), `${ahead}`).toBe('ok')
    }
  })

  it('are taken where "publicUrl" says the origin of a resource that is no URL, and refused where nothing does', async () => {
    const resource = 'urn:example:notes'
    const aud = { aud: resource }
    const bare = scene({}, { resource })
    const token = await bare.token({ jkt }, aud)
    expect(await bare.call(`DPoP ${token}`, await proofOf(token))).toEqual(badProof)
    expect(bare.events.at(-1)).toMatchObject({ detail: expect.stringContaining('publicUrl') })
    const told = scene({ dpop: { publicUrl: API } }, { resource })
    expect(await told.call(`DPoP ${token}`, await proofOf(token), {}, 'http://10.0.0.7:3000/notes')).toBe('ok')
    expect(() => scene({ dpop: { publicUrl: 'api.example.com' } })).toThrow('dpop.publicUrl')
  })

  it('are 503 while it cannot be said whether a proof is new', async () => {
    const store = { ...memoryStore(), consume: async () => Promise.reject(new StoreError()) }
    const { token, call } = scene({ dpop: { store } })
    const bound = await token({ jkt })
    expect((await call(`DPoP ${bound}`, await proofOf(bound)))[0]).toBe(503)
  })

  it('are checked against the address that the caller sees, where a proxy changes it', async () => {
    const publicUrl = ({ url }: Request) => url.replace('http://10.0.0.7:3000', API)
    const { token, call } = scene({ dpop: { publicUrl } })
    const bound = await token({ jkt })
    expect(await call(`DPoP ${bound}`, await proofOf(bound), {}, 'http://10.0.0.7:3000/notes')).toBe('ok')
  })
})

describe('tokens that are bound to a certificate', () => {
  it('[A-49][A-49 twin] are taken over a connection with that certificate, never by a header that says so', async () => {
    const { protect, token } = scene()
    const bound = await token({ 'x5t#S256': x5t })
    const ask = (peer?: Uint8Array, headers = {}) => {
      const request = new Request(URL_, { headers: { Authorization: `Bearer ${bound}`, ...headers } })
      return protect(peer ? withPeer(request, { address: '192.0.2.1', encrypted: true, certificate: peer }) : request, {
        bound: true,
      })
    }
    expect(await ask(certificate)).toMatchObject({ ok: true, principal: { bound: 'mtls' } })
    for (const refused of [
      ask(),
      ask(Uint8Array.of(1, 2, 3)),
      ask(undefined, { 'Client-Cert': `:${Buffer.from(certificate).toString('base64')}:` }),
    ])
      expect((await refused).ok).toBe(false)
  })

  it('[A-49] are held to both where they name both, and refused where they name something else', async () => {
    const { protect, token } = scene()
    const both = await token({ jkt, 'x5t#S256': x5t })
    const ask = async (text: string, scheme: string, proven: boolean, peer: boolean) => {
      const headers = { Authorization: `${scheme} ${text}`, ...(proven && { DPoP: await proofOf(text) }) }
      const request = new Request(URL_, { headers })
      return (await protect(peer ? withPeer(request, { address: '::1', encrypted: true, certificate }) : request)).ok
    }
    expect(await ask(both, 'DPoP', true, true)).toBe(true)
    expect(await ask(both, 'DPoP', true, false)).toBe(false)
    expect(await ask(both, 'Bearer', false, true)).toBe(false)
    for (const cnf of [{ kid: 'x' }, { jwk: publicJwk }, {}, { jkt, kid: 'x' }, 'x', null, { jkt: 7 }])
      expect(await ask(await token(cnf), 'DPoP', true, true), JSON.stringify(cnf)).toBe(false)
  })
})

describe('what a route needs', () => {
  const ask = (requirements: object, claims = {}, guard: Partial<GuardOptions> = {}) => {
    const here = scene({}, guard)
    return here.token(undefined, claims).then(async (token) => {
      const outcome = await here.protect(
        new Request(URL_, { headers: { Authorization: `Bearer ${token}` } }),
        requirements,
      )
      return outcome.ok ? 'ok' : `${outcome.response.status} ${outcome.response.headers.get('www-authenticate')}`
    })
  }
  const now = Math.floor(Date.now() / 1000)

  it('can be a fresher or stronger sign-in, and says which', async () => {
    expect(await ask({ maxAge: 60 }, { auth_time: now - 30 })).toBe('ok')
    expect(await ask({ maxAge: 60 }, { auth_time: now - 90 })).toBe(
      '401 Bearer error="insufficient_user_authentication", error_description="This needs a stronger or fresher sign-in.", max_age="60"',
    )
    for (const claims of [{}, { auth_time: '1' }, { auth_time: null }])
      expect(await ask({ maxAge: 60 }, claims)).toMatch(/^401/)
    expect(await ask({ acr: ['phr', 'phrh'] }, { acr: 'phrh' })).toBe('ok')
    expect(await ask({ acr: ['phr', 'phrh'] }, { acr: 'pwd' })).toMatch(/^401 .*acr_values="phr phrh"/)
    expect(await ask({ acr: ['undefined'] })).toMatch(/^(401|ok)/)
  })

  it('[J-22][J-22 twin] takes no sign-in of the future for a fresh one, nor one in milliseconds, and a level is a text', async () => {
    for (const auth_time of [now + 90, now + 3600, now * 1000, now * 1000 - 5000, [now], true])
      expect(await ask({ maxAge: 60 }, { auth_time }), `${auth_time}`).toMatch(/^401 .*max_age="60"/)
    for (const auth_time of [now, now - 30, now + 5]) expect(await ask({ maxAge: 60 }, { auth_time })).toBe('ok')
    for (const acr of [['phr'], 1, { toString: 'phr' }, null, undefined])
      expect(await ask({ acr: ['phr', '1', 'null', 'undefined'] }, { acr })).toMatch(/^401 .*acr_values/)
    expect(await ask({ acr: ['1'] }, { acr: '1' })).toBe('ok')
  })

  it('can be a scope that another one includes, where that is written', async () => {
    const implies = { 'notes:admin': ['notes:write'], 'notes:write': ['notes:read'] }
    expect(await ask({ scopes: ['notes:read'] }, { scope: 'notes:admin' }, { implies })).toBe('ok')
    expect(await ask({ scopes: ['notes:admin'] }, { scope: 'notes:read' }, { implies })).toMatch(/^403/)
    expect(await ask({ scopes: ['notes:read'] }, { scope: 'notes:admin' })).toMatch(/^403/)
    expect(await ask({ scopes: ['x'] }, { scope: 'constructor __proto__' }, { implies })).toMatch(/^403/)
  })

  it('can be a kind of credential, or one that is bound', async () => {
    expect(await ask({ methods: ['access_token'] })).toBe('ok')
    expect(await ask({ methods: ['api_key', 'client_certificate'] })).toMatch(/^403 .*credential_not_accepted/)
    expect(await ask({ bound: true })).toMatch(/^401/)
  })

  it('can be what a policy says, in AuthZEN’s shape; one that cannot decide has not said yes', async () => {
    const asked: unknown[] = []
    const action = { name: 'delete', resource: { type: 'note', id: '7' }, context: { ip: '192.0.2.1' } }
    const decide = (answer: () => boolean) => (question: unknown) => {
      asked.push(question)
      return answer()
    }
    expect(await ask({ action }, {}, { decide: decide(() => true) })).toBe('ok')
    expect(asked[0]).toMatchObject({
      subject: { type: 'access_token', id: 'alice', properties: { client_id: 'notes', scopes: ['notes:read'] } },
      action: { name: 'delete' },
      resource: { type: 'note', id: '7' },
      context: { ip: '192.0.2.1' },
    })
    expect(await ask({ action }, {}, { decide: decide(() => false) })).toMatch(/^403/)
    expect(
      await ask(
        { action },
        {},
        {
          decide: () => {
            throw new Error('down')
          },
        },
      ),
    ).toMatch(/^503/)
    // A guard that has nobody to ask lets nobody in.
    await expect(ask({ action })).rejects.toThrow(/"action" needs createGuard\(\{ decide \}\)/)
    // Not asked about a caller who lacks the scope, nor where no action is named.
    asked.length = 0
    await ask({ action, scopes: ['notes:write'] }, {}, { decide: decide(() => true) })
    await ask({}, {}, { decide: decide(() => true) })
    expect(asked).toEqual([])
  })
})

describe('the metadata of a resource', () => {
  it('says whose tokens are taken, where RFC 9728 looks for it, and challenges point there', async () => {
    const { protect } = scene(
      {},
      { resource: `${API}/v1`, metadata: { scopes_supported: ['notes:read'], resource_name: 'Notes' } },
    )
    const at = `${API}/.well-known/oauth-protected-resource/v1`
    const response = protect.metadata(new Request(at))
    expect(await response?.json()).toEqual({
      resource: `${API}/v1`,
      authorization_servers: [ISSUER],
      bearer_methods_supported: ['header'],
      scopes_supported: ['notes:read'],
      resource_name: 'Notes',
    })
    const outcome = await protect(new Request(URL_))
    expect(outcome.ok ? '' : outcome.response.headers.get('www-authenticate')).toBe(`Bearer resource_metadata="${at}"`)
    expect(protect.metadata(new Request(`${API}/.well-known/oauth-protected-resource`))).toBeUndefined()
    expect(protect.metadata(new Request(at, { method: 'POST' }))).toBeUndefined()
    expect(scene().protect.metadata(new Request(at))).toBeUndefined()
  })
})
