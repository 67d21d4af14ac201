import { createServer, type Server } from 'node:http'
import { generateKeyPair as generateDpopKey, generateProof } from 'dpop'
import { calculateJwkThumbprint, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'
import {
  type AccessTokenOptions,
  accessToken,
  createGuard,
  type GuardEvent,
  type GuardOptions,
  type IntrospectionOptions,
  withPeer,
} from 'sallyport/guard'
import { type Claims, generateKeys, mockAuthorizationServer } from 'sallyport/testing'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { bodyOf, formOf, ISSUER, randomKey } from '../world.js'

const API = 'https://api.example.com'
const URL_ = `${API}/notes`
const keys = await generateKeys()
const assertionKeys = await generateKeyPair('EdDSA', { extractable: true })
const clientKey = JSON.stringify({ ...(await exportJWK(assertionKeys.privateKey)), alg: 'EdDSA', kid: 'one' })
const publicKey = { ...(await exportJWK(assertionKeys.publicKey)), alg: 'EdDSA', kid: 'one' }

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

async function listen(server: Server): Promise<string> {
  servers.push(server.listen(0, '127.0.0.1'))
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

type Changes = Partial<IntrospectionOptions> | { client_secret?: unknown; clientKey?: unknown }

/** An issuer of opaque tokens, and an API that asks it about them; the clock stands still. */
async function scene(
  introspection: Changes = {},
  options: Partial<AccessTokenOptions> = {},
  guard = {},
  issuer: Partial<Parameters<typeof mockAuthorizationServer>[0]> = {},
) {
  let time = 1_790_000_000
  const now = () => time
  const client_secret = randomKey()
  const as = await mockAuthorizationServer({
    issuer: ISSUER,
    now,
    keys,
    accessTokenFormat: 'opaque',
    clients: [
      { client_id: 'cli', client_secret, redirect_uris: [] },
      { client_id: 'api', client_secret, redirect_uris: [] },
      { client_id: 'signing', jwks: { keys: [publicKey] }, redirect_uris: [] },
    ],
    users: [],
    ...issuer,
  })
  const sent: Request[] = []
  const fetch = (async (input: string | URL, init?: RequestInit) => {
    const request = new Request(input, init)
    sent.push(request.clone())
    return as.fetch(request)
  }) as typeof globalThis.fetch
  const events: GuardEvent[] = []
  const asking = { client_id: 'api', client_secret, ...introspection } as IntrospectionOptions
  const open = (more: Partial<GuardOptions> = {}) =>
    createGuard({
      resource: API,
      accept: [accessToken({ issuer: ISSUER, fetch, introspection: asking, ...options })],
      onEvent: (event) => events.push(event),
      now,
      ...guard,
      ...more,
    })
  const protect = open()
  const call = async (
    token: string,
    requirements: Parameters<typeof protect>[1] = {},
    headers: Record<string, string> = {},
    scheme = 'Bearer',
  ) => {
    const outcome = await protect(
      new Request(URL_, { headers: { Authorization: `${scheme} ${token}`, ...headers } }),
      requirements,
    )
    return outcome.ok ? 200 : `${outcome.response.status} ${(await outcome.response.clone().json()).error}`
  }
  /** A token of the client `cli`. */
  const newToken = async (resource = API): Promise<string> => {
    const response = await as.fetch(`${ISSUER}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa(`cli:${client_secret}`)}` },
      body: formOf({ grant_type: 'client_credentials', resource, scope: 'notes:read' }),
    })
    return (await bodyOf(response)).access_token
  }
  return {
    as,
    protect,
    open,
    call,
    events,
    sent,
    newToken,
    client_secret,
    token: await newToken(),
    now,
    /** The issuer says this of every token. */
    says(changes: Claims | undefined) {
      as.tamper.introspection = changes && ((answer) => JSON.parse(JSON.stringify({ ...answer, ...changes })))
    },
    advance: (seconds: number) => {
      time += seconds
    },
  }
}

describe('an opaque token', () => {
  it('[A-43 twin][A-44 twin][A-45 twin][A-46 twin] is what its issuer says it is', async () => {
    const it = await scene()
    it.says({ sub: 'alice', tenant: 'acme', acr: 'mfa', auth_time: it.now() - 10, nbf: it.now() - 1 })
    const request = new Request(URL_, { headers: { Authorization: `bearer ${it.token}` } })
    const requirements = { scopes: ['notes:read'], tenant: 'acme', acr: ['mfa'], maxAge: 60 }
    const outcome = await it.protect(request, requirements)
    expect(outcome).toMatchObject({
      ok: true,
      principal: {
        method: 'access_token',
        sub: 'alice',
        iss: ISSUER,
        client_id: 'cli',
        scopes: ['notes:read'],
        tenant: 'acme',
        expiresAt: it.now() + 300,
        claims: { active: true, acr: 'mfa' },
      },
    })
    expect(JSON.stringify(outcome)).not.toContain(it.token)
    expect(it.events).toEqual([{ type: 'accepted', method: 'access_token', sub: 'alice' }])
    expect(await it.call(it.token, { scopes: ['notes:write'] })).toBe('403 insufficient_scope')
    expect(await it.call(it.token, { tenant: 'umbrella' })).toBe('403 tenant_mismatch')
    expect(await it.call(it.token, { maxAge: 5 })).toBe('401 insufficient_user_authentication')
  })

  it.each<[string, Claims]>([
    ['without iss', { iss: undefined }],
    ['without exp', { exp: undefined }],
    ['without token_type', { token_type: undefined }],
    ['of a client, without sub', { sub: undefined }],
    ['for several audiences', { aud: ['https://other.example.com', API] }],
    ['with a type in another case', { token_type: 'bEARER' }],
    ['in the second before it ends', { exp: 1_790_000_000 - 29 }],
    ['in the second in which it begins', { nbf: 1_790_000_000 + 30 }],
    ['as Keycloak writes it', { typ: 'Bearer', azp: 'cli', username: 'alice' }],
    ['as Hydra writes it', { token_use: 'access_token', ext: {} }],
  ])('[A-43 twin][A-46 twin] is accepted %s', async (_name, changes) => {
    const it = await scene()
    it.says(changes)
    expect(await it.call(it.token, { scopes: ['notes:read'] })).toBe(200)
  })

  it.each<[string, Claims]>([
    ['[J-06] inactive', { active: false }],
    ['[A-43][J-04] without aud', { aud: undefined }],
    ['[A-43][A-45] for another API', { aud: 'https://other.example.com' }],
    ['[A-43] for a longer name', { aud: `${API}.evil.example` }],
    ['[A-43] for a slash more than a root may have', { aud: [`${API}//`] }],
    ['[A-43] for a list inside a list', { aud: [[API]] }],
    ['[J-05] of another issuer', { iss: 'https://evil.example' }],
    ['[A-46] that has expired', { exp: 1_790_000_000 - 30 }],
    ['[A-46] with exp as text', { exp: '1890000000' }],
    ['[A-46] with nbf to come', { nbf: 1_790_000_000 + 31 }],
    ['with iat to come', { iat: 1_790_000_000 + 31 }],
    ['[A-44] of another type', { token_type: 'N_A' }],
    ['[A-44] that is a refresh token (Hydra)', { token_use: 'refresh_token' }],
    ['[A-44] that is a refresh token (Keycloak)', { typ: 'Refresh' }],
    ['of nobody', { sub: undefined, client_id: undefined }],
    ['of somebody without a name', { sub: '' }],
    ['of a number', { sub: 7 }],
    ['[J-14] that is DPoP’s, with the key left out', { token_type: 'DPoP' }],
    ['[J-14] that is DPoP’s as Keycloak writes it, with the key left out', { typ: 'DPoP' }],
    ['[J-14] that is bound, as Bearer', { cnf: { jkt: 'x'.repeat(43) } }],
    ['bound by something unknown', { cnf: { kid: 'x' } }],
  ])('%s is 401 invalid_token, one body', async (_name, changes) => {
    const it = await scene()
    it.says(changes)
    const outcome = await it.protect(new Request(URL_, { headers: { Authorization: `Bearer ${it.token}` } }))
    if (outcome.ok) throw new Error('accepted')
    expect(outcome.response.status).toBe(401)
    expect(await outcome.response.json()).toEqual({
      error: 'invalid_token',
      error_description: 'The access token cannot be used here.',
    })
  })

  it('that is unknown, revoked or expired is refused, and asked about each time', async () => {
    const it = await scene()
    expect(await it.call('unknown')).toBe('401 invalid_token')
    expect(await it.call('unknown')).toBe('401 invalid_token')
    expect(it.as.requests.introspection).toBe(2)
    it.advance(301)
    expect(await it.call(it.token)).toBe('401 invalid_token')
  })

  it('[J-20] is in no event, no answer and no address, whatever becomes of it', async () => {
    const it = await scene()
    const answers: string[] = []
    for (const fault of [undefined, { status: 500, body: 'oops' }, 'network', { status: 401 }] as const) {
      if (fault) it.as.fail('introspection', fault)
      const token = await it.newToken()
      const outcome = await it.protect(new Request(URL_, { headers: { Authorization: `Bearer ${token}` } }))
      answers.push(outcome.ok ? JSON.stringify(outcome) : await outcome.response.text())
    }
    const said = answers.join() + JSON.stringify(it.events) + it.sent.map(({ url }) => url).join()
    for (const issued of it.as.issued) expect(said).not.toContain(issued)
    expect(said).not.toContain(it.client_secret)
    const body = await it.sent.at(-1)?.text()
    expect(body).toBe(`token_type_hint=access_token&token=${it.as.issued.at(-1)}`)
  })

  it.each([
    ['too long', 'x'.repeat(16_385)],
    ['with a space', 'two words'],
    ['with letters that no token has', 'tökén'],
    ['with a quote', 'a"b'],
  ])('[J-18] %s is refused without asking anybody', async (_name, token) => {
    const it = await scene()
    expect(await it.call(Buffer.from(token).toString('latin1'))).toBe('401 invalid_token')
    expect(it.sent).toEqual([])
  })
})

describe('a JWT', () => {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

  it('is verified here where opaque tokens are asked about: nobody is shown it, however wrong it is', async () => {
    const it = await scene()
    const own = await mockAuthorizationServer({
      issuer: ISSUER,
      now: it.now,
      keys,
      clients: [{ client_id: 'cli', client_secret: 's', redirect_uris: [] }],
      users: [],
    })
    const response = await own.fetch(`${ISSUER}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa('cli:s')}` },
      body: formOf({ grant_type: 'client_credentials', resource: API }),
    })
    const { access_token } = await bodyOf(response)
    expect(await it.call(access_token)).toBe(200)
    const [, payload] = access_token.split('.')
    for (const wrong of [
      `${access_token.slice(0, -8)}AAAAAAAA`,
      `${encode({ alg: 'none' })}.${payload}.`,
      `${encode({ alg: 'RS256' })}.${encode({ iss: 'https://other.example' })}.AAAA`,
      `${encode({ alg: 'dir', enc: 'A256GCM' })}..a.b.c`,
    ])
      expect(await it.call(wrong)).toBe('401 invalid_token')
    expect(it.as.requests.introspection).toBe(0)
    // What only looks a little like one is none.
    expect(await it.call('v4.public.x')).toBe('401 invalid_token')
    expect(it.as.requests.introspection).toBe(1)
  })

  it('can come from another issuer than the opaque ones', async () => {
    const it = await scene()
    const OTHER = 'https://other-issuer.example.net'
    const other = await mockAuthorizationServer({
      issuer: OTHER,
      now: it.now,
      clients: [{ client_id: 'cli', client_secret: 's', redirect_uris: [] }],
      users: [],
    })
    const introspection = { client_id: 'api', client_secret: it.client_secret }
    const accept = [
      accessToken({ issuer: OTHER, fetch: other.fetch }, { issuer: ISSUER, fetch: it.as.fetch, introspection }),
    ]
    const protect = it.open({ accept })
    const { access_token } = await bodyOf(
      await other.fetch(`${OTHER}/token`, {
        method: 'POST',
        headers: { Authorization: `Basic ${btoa('cli:s')}` },
        body: formOf({ grant_type: 'client_credentials', resource: API }),
      }),
    )
    const ask = (token: string) => protect(new Request(URL_, { headers: { Authorization: `Bearer ${token}` } }))
    expect(await ask(access_token)).toMatchObject({ ok: true, principal: { iss: OTHER } })
    expect(await ask(it.token)).toMatchObject({ ok: true, principal: { iss: ISSUER } })
    expect(other.requests.introspection).toBe(0)
  })
})

describe('the memory of answers', () => {
  it('serves for 30 seconds; a token that was revoked is refused from then on', async () => {
    const it = await scene()
    expect(await it.call(it.token)).toBe(200)
    it.as.revoke('cli')
    it.advance(29)
    expect(await it.call(it.token)).toBe(200)
    expect(it.as.requests.introspection).toBe(1)
    it.advance(1)
    expect(await it.call(it.token)).toBe('401 invalid_token')
    expect(it.as.requests.introspection).toBe(2)
  })

  it('serves for as long as is said, never past the end of the token', async () => {
    const it = await scene({ maxAge: 3600 })
    expect(await it.call(it.token)).toBe(200)
    it.as.fail('introspection', 'refused', { times: 99 })
    it.advance(299)
    expect(await it.call(it.token)).toBe(200)
    it.advance(1)
    expect(await it.call(it.token)).toBe('503 keys_unavailable')
  })

  it('can be switched off: revocation then holds on the next request', async () => {
    const it = await scene({ maxAge: 0 })
    expect(await it.call(it.token)).toBe(200)
    it.as.revoke('cli')
    expect(await it.call(it.token)).toBe('401 invalid_token')
    expect(it.as.requests.introspection).toBe(2)
  })

  it.each([30, 0])('asks once for requests that come at the same time (maxAge %d)', async (maxAge) => {
    const it = await scene({ maxAge })
    const gate = it.as.delay('introspection')
    const calls = Array.from({ length: 20 }, () => it.call(it.token))
    const other = it.call('unknown')
    gate.release()
    expect(new Set(await Promise.all(calls))).toEqual(new Set([200]))
    expect(await other).toBe('401 invalid_token')
    expect(it.as.requests.introspection).toBe(2)
    expect(it.as.requests.discovery).toBe(1)
  })

  it('[J-05][A-45] remembers what was said, not what it was good for', async () => {
    const it = await scene()
    const both = accessToken({
      issuer: ISSUER,
      fetch: it.as.fetch,
      introspection: { client_id: 'api', client_secret: it.client_secret },
    })
    const [own, other] = [
      it.open({ accept: [both] }),
      it.open({ accept: [both], resource: 'https://other.example.com' }),
    ]
    const request = () => new Request(URL_, { headers: { Authorization: `Bearer ${it.token}` } })
    for (let times = 0; times < 2; times++) {
      expect((await own(request())).ok).toBe(true)
      expect((await other(request())).ok).toBe(false)
      expect((await own(request(), { scopes: ['notes:write'] })).ok).toBe(false)
    }
    expect(it.as.requests.introspection).toBe(1)
  })

  it('gives nobody claims that another request could have changed', async () => {
    const it = await scene()
    it.says({ roles: ['reader'] })
    const outcome = await it.protect(new Request(URL_, { headers: { Authorization: `Bearer ${it.token}` } }))
    if (!outcome.ok) throw new Error('refused')
    expect(() => (outcome.principal.claims['roles'] as string[]).push('admin')).toThrow(TypeError)
  })

  it('is bounded: a thousand others take the place of the oldest', async () => {
    const it = await scene()
    expect(await it.call(it.token)).toBe(200)
    for (let made = 0; made < 1000; made++) await it.call(await it.newToken())
    const before = it.as.requests.introspection
    expect(await it.call(it.token)).toBe(200)
    expect(it.as.requests.introspection).toBe(before + 1)
  })
})

describe('an opaque token that is bound', () => {
  it('[J-14 twin][J-16][A-47 twin][A-48] to a key needs a new proof of it each time, also while its answer is remembered', async () => {
    const it = await scene()
    const key = await generateDpopKey('ES256', { extractable: true })
    const jkt = await calculateJwkThumbprint(await exportJWK(key.publicKey))
    // Proofs are made by the system's clock.
    const real = it.open({ now: () => Math.floor(Date.now() / 1000) })
    it.says({ token_type: 'DPoP', cnf: { jkt }, iat: undefined, exp: undefined })
    const ask = async (scheme: string, DPoP?: string) => {
      const headers = { Authorization: `${scheme} ${it.token}`, ...(DPoP !== undefined && { DPoP }) }
      const outcome = await real(new Request(URL_, { headers }), { bound: true })
      return outcome.ok ? outcome.principal.bound : (await outcome.response.json()).error
    }
    for (let times = 0; times < 2; times++) {
      const proof = await generateProof(key, URL_, 'GET', undefined, it.token)
      expect(await Promise.all([ask('DPoP', proof), ask('DPoP', proof)])).toEqual(
        expect.arrayContaining(['dpop', 'invalid_dpop_proof']),
      )
      expect(await ask('Bearer', await generateProof(key, URL_, 'GET', undefined, it.token))).toBe('invalid_token')
      expect(await ask('DPoP')).toBe('invalid_dpop_proof')
    }
    expect(it.as.requests.introspection).toBe(1)
  })

  it('[A-49 twin][A-49] to a certificate needs that certificate on this connection', async () => {
    const it = await scene()
    const certificate = Uint8Array.of(1, 2, 3)
    const digest = await crypto.subtle.digest('SHA-256', certificate)
    it.says({ cnf: { 'x5t#S256': Buffer.from(digest).toString('base64url') } })
    const ask = async (shown?: Uint8Array) => {
      const request = new Request(URL_, { headers: { Authorization: `Bearer ${it.token}` } })
      const peer = { address: '192.0.2.1', encrypted: true, ...(shown && { certificate: shown }) }
      const outcome = await it.protect(withPeer(request, peer))
      return outcome.ok ? outcome.principal.bound : outcome.response.status
    }
    expect([await ask(certificate), await ask(Uint8Array.of(4)), await ask()]).toEqual(['mtls', 401, 401])
  })
})

describe('an issuer that gives no answer', () => {
  it.each([
    ['cannot be reached', 'refused'],
    ['hangs up', 'network'],
    ['hangs up too late', 'lost'],
    ['fails', { status: 500, body: 'oops' }],
    ['is overloaded', { status: 503 }],
    ['has had too many questions', { status: 429 }],
    ['does not know this API', { status: 401, body: '{"error":"invalid_client"}' }],
    ['challenges this API', { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="x"' } }],
    ['does not understand', { status: 400, body: '{"error":"invalid_request"}' }],
    ['sends it elsewhere', { status: 302, headers: { Location: 'https://evil.example/' } }],
    ['shows a page', { status: 200, body: '<html>', headers: { 'Content-Type': 'text/html' } }],
    ['says nothing', { status: 200, body: '' }],
    ['breaks off', { status: 200, body: '{"active":tr' }],
    ['says a list', { status: 200, body: '[{"active":true}]' }],
    ['does not say active', { status: 200, body: `{"aud":"${API}","sub":"alice"}` }],
    ['says active as text', { status: 200, body: `{"active":"true","aud":"${API}","sub":"alice"}` }],
    ['says active as a number', { status: 200, body: `{"active":1,"aud":"${API}","sub":"alice"}` }],
  ] as const)(
    '[J-17] because it %s makes 503; it is asked once, and the next request is accepted',
    async (_name, fault) => {
      const it = await scene()
      it.as.fail('introspection', fault as Parameters<typeof it.as.fail>[1])
      const outcome = await it.protect(new Request(URL_, { headers: { Authorization: `Bearer ${it.token}` } }))
      if (outcome.ok) throw new Error('accepted')
      expect([outcome.response.status, outcome.response.headers.get('retry-after')]).toEqual([503, '5'])
      expect(it.events.at(-1)).toMatchObject({ status: 503, detail: expect.stringMatching(/^introspection: \w+/) })
      expect(it.as.requests.introspection).toBe(1)
      expect(await it.call(it.token)).toBe(200)
    },
  )

  it.each([
    ['its metadata cannot be had', { status: 503 }, 'keys_unavailable'],
    ['its metadata is a page', { status: 200, body: '<html>' }, 'operator_error'],
  ])('[J-17] because %s makes 503, and is not remembered', async (_name, fault, error) => {
    const it = await scene()
    it.as.fail('discovery', fault)
    expect(await it.call(it.token)).toBe(`503 ${error}`)
    expect(await it.call(it.token)).toBe(200)
  })

  it.each<[string, Claims]>([
    ['names another issuer', { issuer: `${ISSUER}/` }],
    ['has no such endpoint', { introspection_endpoint: undefined }],
    ['has one without TLS', { introspection_endpoint: 'http://login.example.net/introspect' }],
  ])('[J-17] whose metadata %s is asked nothing', async (_name, changes) => {
    const it = await scene()
    it.as.tamper.metadata = (metadata) => JSON.parse(JSON.stringify({ ...metadata, ...changes }))
    expect(await it.call(it.token)).toBe('503 operator_error')
    expect(it.as.requests.introspection).toBe(0)
  })

  it('[B-34] is left alone with one token for as long as it asks, a minute at most; others are asked about', async () => {
    const it = await scene()
    expect(await it.call(it.token)).toBe(200)
    const another = await it.newToken()
    it.as.fail('introspection', { status: 429, headers: { 'Retry-After': '10' } })
    const outcome = await it.protect(new Request(URL_, { headers: { Authorization: `Bearer ${another}` } }))
    expect(outcome.ok ? '' : outcome.response.headers.get('retry-after')).toBe('10')
    const asked = it.as.requests.introspection
    it.advance(9)
    expect(await Promise.all(Array.from({ length: 50 }, () => it.call(another)))).toEqual(
      Array(50).fill('503 keys_unavailable'),
    )
    expect(await it.call(it.token)).toBe(200)
    expect(it.as.requests.introspection).toBe(asked)
    expect(await it.call(await it.newToken())).toBe(200)
    it.advance(1)
    expect(await it.call(another)).toBe(200)
    it.as.fail('introspection', { status: 503, headers: { 'Retry-After': '86400' } })
    const third = await it.newToken()
    expect(await it.call(third)).toBe('503 keys_unavailable')
    it.advance(59)
    expect(await it.call(third)).toBe('503 keys_unavailable')
    it.advance(1)
    expect(await it.call(third)).toBe(200)
  })

  it('in time makes 503', async () => {
    const endpoint = `${await listen(createServer(() => {}))}/introspect`
    const it = await scene({ endpoint }, { timeout: 0.05, fetch: globalThis.fetch })
    expect(await it.call(it.token)).toBe('503 keys_unavailable')
  })
})

describe('an issuer of another make', () => {
  it('is understood: oidc-provider’s opaque tokens are good until they are revoked', async () => {
    for (const level of ['info', 'warn'] as const) vi.spyOn(console, level).mockReturnValue()
    onTestFinished(() => void vi.restoreAllMocks())
    const server = createServer()
    const issuer = await listen(server)
    const provider = new Provider(issuer, {
      clients: ['cli', 'api'].map((client_id) => ({
        client_id,
        client_secret: 'secret',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      })),
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true },
        revocation: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({ scope: 'notes:read', accessTokenFormat: 'opaque', accessTokenTTL: 300 }),
        },
      },
    })
    server.on('request', provider.callback())
    const post = (path: string, fields: Record<string, string>) =>
      fetch(issuer + path, {
        method: 'POST',
        headers: { Authorization: `Basic ${btoa('cli:secret')}` },
        body: new URLSearchParams(fields),
      })
    const asked = { grant_type: 'client_credentials', resource: API, scope: 'notes:read' }
    const { access_token } = await bodyOf(await post('/token', asked))
    const guard = (resource: string) => {
      const introspection = { client_id: 'api', client_secret: 'secret', maxAge: 0 }
      const protect = createGuard({ resource, accept: [accessToken({ issuer, introspection })] })
      const headers = { Authorization: `Bearer ${access_token}` }
      return () => protect(new Request(URL_, { headers }), { scopes: ['notes:read'] })
    }
    const [own, other] = [guard(API), guard('https://other.example.com')]
    expect(await own()).toMatchObject({ ok: true, principal: { sub: 'cli', iss: issuer, scopes: ['notes:read'] } })
    expect((await other()).ok).toBe(false)
    await post('/token/revocation', { token: access_token })
    expect((await own()).ok).toBe(false)
  })
})

describe('this API as a client', () => {
  it.each<[string, Changes, (request: Request, body: URLSearchParams) => unknown]>([
    ['a secret in the header', {}, ({ headers }) => headers.get('authorization')?.startsWith('Basic ')],
    [
      'a secret in the form',
      { clientAuthentication: 'client_secret_post' },
      (_, body) => body.get('client_id') === 'api' && body.has('client_secret'),
    ],
    [
      'a signed assertion',
      { client_id: 'signing', client_secret: undefined, clientAuthentication: 'private_key_jwt', clientKey },
      (_, body) =>
        decodeProtectedHeader(body.get('client_assertion') ?? '').alg === 'EdDSA' && !body.has('client_secret'),
    ],
    [
      'a signed assertion, its key from a secret manager',
      { client_id: 'signing', clientAuthentication: 'private_key_jwt', clientKey: async () => clientKey },
      (_, body) => body.has('client_assertion'),
    ],
  ])('proves who it is by %s', async (_name, changes, shows) => {
    const it = await scene(changes)
    it.says({ aud: API })
    expect(await it.call(it.token)).toBe(200)
    const request = it.sent.at(-1) as Request
    expect(shows(request, new URLSearchParams(await request.text()))).toBe(true)
  })

  it('signs its assertion for the endpoint, if the issuer accepts nothing else', async () => {
    const signing = {
      client_id: 'signing',
      client_secret: undefined,
      clientAuthentication: 'private_key_jwt',
      clientKey,
    }
    const strict = { assertionAudience: 'endpoint' } as const
    for (const [assertionAudience, wanted] of [
      ['endpoint', 200],
      [undefined, '503 operator_error'],
    ] as const) {
      const it = await scene({ ...signing, ...(assertionAudience && { assertionAudience }) } as Changes, {}, {}, strict)
      it.says({ aud: API })
      expect(await it.call(it.token)).toBe(wanted)
    }
  })

  it('asks for its secret again: a rotated one is used within a second, and one that cannot be had is 503', async () => {
    const secrets: (string | Error)[] = [new Error('vault'), 'old']
    const it = await scene({
      client_secret: async () => {
        const next = secrets.shift()
        if (next instanceof Error) throw next
        return next ?? it.client_secret
      },
    })
    const first = [await it.call(it.token), await it.call(it.token)]
    await new Promise((resolve) => setTimeout(resolve, 1100))
    expect([...first, await it.call(it.token)]).toEqual(['503 operator_error', '503 operator_error', 200])
    expect(it.events.map((event) => ('detail' in event ? event.detail : ''))).toEqual([
      `introspection: not sent, Error (${ISSUER}/introspect)`,
      `introspection: 401 invalid_client, "client authentication failed" (${ISSUER}/introspect)`,
      '',
    ])
  })

  it('asks where it is told to, without looking for metadata', async () => {
    const it = await scene({ endpoint: `${ISSUER}/introspect` })
    expect(await it.call(it.token)).toBe(200)
    expect(it.sent.map(({ url }) => url)).toEqual([`${ISSUER}/introspect`])
  })

  it.each<[string, object]>([
    ['introspection.client_id', { client_id: '' }],
    ['introspection.client_secret', { client_secret: '' }],
    ['introspection.client_secret', { client_secret: undefined }],
    ['introspection.clientKey', { clientAuthentication: 'private_key_jwt' }],
    ['introspection.clientKey', { clientAuthentication: 'private_key_jwt', clientKey: 'no key' }],
    ['introspection.clientKey', { clientAuthentication: 'private_key_jwt', clientKey: '{"kty":"EC","alg":"ES256"}' }],
    ['introspection.clientAuthentication', { clientAuthentication: 'none' }],
    ['introspection.assertionAudience', { assertionAudience: 'endpoint' }],
    ['introspection.assertionAudience', { assertionAudience: 'https://login.example.net' }],
    ['introspection.endpoint', { endpoint: 'http://login.example.net/introspect' }],
    ['introspection.maxAge', { maxAge: -1 }],
    ['introspection.maxAge', { maxAge: Number.NaN }],
    ['introspection.maxAge', { maxAge: Number.POSITIVE_INFINITY }],
  ])('is refused where "%s" is wrong', (option, changes) => {
    const introspection = { client_id: 'api', client_secret: 's', ...changes } as IntrospectionOptions
    expect(() => accessToken({ issuer: ISSUER, introspection })).toThrow(`accessToken: "${option}"`)
  })

  it('is one at one issuer: an opaque token does not say whose it is', () => {
    const introspection = { client_id: 'api', client_secret: 's' }
    const two = [ISSUER, 'https://other.example'].map((issuer) => ({ issuer, introspection }))
    expect(() => accessToken(...(two as [AccessTokenOptions, AccessTokenOptions]))).toThrow(
      'accessToken: "introspection"',
    )
  })
})

describe('a stamp on the caller of an opaque token', () => {
  it('is looked at in every request, also while the answer is remembered', async () => {
    const stamps = new Map<unknown, number>()
    const { call, token, sent, now } = await scene({}, { revokedUntil: ({ client_id }) => stamps.get(client_id) })
    expect(await call(token)).toBe(200)
    const asked = sent.length
    stamps.set('cli', now())
    expect(await call(token)).toBe('401 invalid_token')
    stamps.set('cli', now() - 1)
    expect(await call(token)).toBe(200)
    expect(sent).toHaveLength(asked)
  })
})
