import { decodeJwt, exportJWK, generateKeyPair } from 'jose'
import { accessToken, createGuard } from 'sallyport/guard'
import { createMachineClient, type MachineClientOptions } from 'sallyport/machine'
import { generateKeys, mockAuthorizationServer } from 'sallyport/testing'
import { describe, expect, it, vi } from 'vitest'
import { randomKey } from '../keys.js'
import { mistakes, outages } from '../provider/failures/faults.js'

const ISSUER = 'https://login.example.net'
const API = 'https://api.example.com'
const keys = await generateKeys()

/** A provider with one confidential client, and an API with a guard, on one network and one clock. */
async function scene(options: Partial<MachineClientOptions> = {}, provider: Record<string, unknown> = {}) {
  let time = 1_790_000_000
  const now = () => time
  const client_secret = randomKey()
  const as = await mockAuthorizationServer({
    issuer: ISSUER,
    now,
    keys,
    clients: [{ client_id: 'exporter', client_secret, redirect_uris: [] }],
    users: [],
    ...provider,
  })
  const protect = createGuard({
    resource: API,
    accept: [accessToken({ issuer: ISSUER, fetch: (input, init) => as.fetch(input as never, init) })],
    now,
  })
  const calls: Request[] = []
  const answers: Array<(request: Request) => Response> = []
  const api = protect.handler({ scopes: ['notes:read'] }, (_, { sub, client_id }) => Response.json({ sub, client_id }))
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init)
    if (request.url.startsWith(ISSUER)) return as.fetch(request)
    calls.push(request.clone())
    return answers.shift()?.(request) ?? api(request)
  }
  const client = createMachineClient({
    issuer: ISSUER,
    client_id: 'exporter',
    client_secret,
    scope: 'notes:read',
    resource: API,
    fetch,
    now,
    ...options,
  } as MachineClientOptions)
  return {
    as,
    client,
    calls,
    answers,
    now,
    advance: (seconds: number) => {
      time += seconds
    },
  }
}

describe('a machine client', () => {
  it('gets a token of its own, for one API, and calls it', async () => {
    const { client, as } = await scene()
    expect(decodeJwt(await client.getToken())).toMatchObject({ sub: 'exporter', aud: API, scope: 'notes:read' })
    expect(await (await client.fetch(`${API}/notes`)).json()).toEqual({ sub: 'exporter', client_id: 'exporter' })
    expect(as.grants.client_credentials).toBe(1)
  })

  it('asks once, however many want it, and once for each kind', async () => {
    const { client, as } = await scene()
    const same = await Promise.all(Array.from({ length: 1000 }, () => client.getToken()))
    expect(new Set(same).size).toBe(1)
    await Promise.all([
      client.getToken({ scope: 'notes:write' }),
      client.getToken({ resource: 'https://b.example.com' }),
    ])
    expect(as.grants.client_credentials).toBe(3)
    await client.getToken({ scope: 'notes:write' })
    expect(as.grants.client_credentials).toBe(3)
  })

  it('renews ahead of the end, while nobody waits', async () => {
    const { client, as, advance } = await scene()
    const first = await client.getToken()
    advance(239)
    expect(await client.getToken()).toBe(first)
    expect(as.requests.token).toBe(1)
    advance(10)
    const gate = as.delay('token')
    // A fifth of its life is left: another one is on its way, and this one serves meanwhile.
    expect(await Promise.all(Array.from({ length: 100 }, () => client.getToken()))).toEqual(Array(100).fill(first))
    gate.release()
    await vi.waitFor(async () => expect(await client.getToken()).not.toBe(first))
    expect(as.grants.client_credentials).toBe(2)
  })

  it('knows the age of a token, and how long it is to leave the provider alone, when the clock is set back', async () => {
    const { client, as, advance } = await scene()
    const first = await client.getToken()
    advance(200)
    expect(await client.getToken()).toBe(first)
    advance(-3600)
    expect(await client.getToken()).toBe(first)
    advance(101)
    expect(await client.getToken()).not.toBe(first)
    as.fail('token', { status: 503, headers: { 'Retry-After': '100' } })
    advance(301)
    await expect(client.getToken()).rejects.toMatchObject({ code: 'token_unavailable' })
    advance(-3600)
    await expect(client.getToken()).rejects.toMatchObject({ code: 'token_unavailable' })
    advance(101)
    expect(await client.getToken()).toMatch(/./)
  })

  it('serves a token that is still good through an outage, and leaves the provider alone as long as it says', async () => {
    const { client, as, advance } = await scene()
    const first = await client.getToken()
    as.fail('token', { status: 503, headers: { 'Retry-After': '100' } }, { times: 99 })
    advance(280)
    expect(await client.getToken()).toBe(first)
    const asked = as.requests.token
    advance(10)
    for (let at = 0; at < 50; at++) expect(await client.getToken()).toBe(first)
    expect(as.requests.token).toBe(asked)
    advance(20)
    await expect(client.getToken()).rejects.toMatchObject({ code: 'token_unavailable', retryable: true })
    expect(as.requests.token).toBe(asked)
  })

  it('backs off by itself where the provider does not say, and comes back', async () => {
    const { client, as, advance } = await scene()
    as.fail('token', 'network', { times: 3 })
    for (let at = 0; at < 20; at++) await expect(client.getToken()).rejects.toMatchObject({ code: 'token_unavailable' })
    expect(as.requests.token).toBe(1)
    advance(1)
    await client.getToken().catch(() => {})
    advance(2)
    await client.getToken().catch(() => {})
    advance(3)
    await client.getToken().catch(() => {})
    expect(as.requests.token).toBe(3)
    advance(2)
    expect(await client.getToken()).toBeTruthy()
  })

  it('says whose mistake it is when it is refused', async () => {
    const wrong = await scene({ client_secret: randomKey() })
    await expect(wrong.client.getToken()).rejects.toMatchObject({ code: 'client_refused', retryable: false })
    const { client, as } = await scene()
    as.fail('token', {
      status: 400,
      body: '{"error":"invalid_scope"}',
      headers: { 'Content-Type': 'application/json' },
    })
    const error = await client.getToken({ scope: 'everything' }).catch((error) => error)
    expect(error).toMatchObject({ code: 'request_refused', cause: { error: 'invalid_scope' } })
    expect(await client.getToken()).toBeTruthy()
  })

  it.each(outages)('[B-40 twin] says that it is to try again after %s', async (_what, fault, told) => {
    for (const endpoint of ['token', 'discovery'] as const) {
      const { client, as, advance } = await scene()
      as.fail(endpoint, fault)
      if (endpoint === 'discovery' && told.startsWith('400')) continue
      const error = await client.getToken().catch((error) => error)
      expect(error).toMatchObject({ code: 'token_unavailable', retryable: true })
      expect(error.cause.detail).toContain(endpoint === 'token' ? `token: ${told} (${ISSUER}/token)` : 'metadata: ')
      advance(30)
      expect(await client.getToken()).toBeTruthy()
    }
  })

  it.each(mistakes)('[B-40] says what is wrong after %s', async (_what, fault, told) => {
    for (const endpoint of ['token', 'discovery'] as const) {
      const { client, as, advance } = await scene()
      as.fail(endpoint, fault)
      const error = await client.getToken().catch((error) => error)
      const refused = /^401|client/.test(told)
        ? 'client_refused'
        : /unsupported/.test(told)
          ? 'request_refused'
          : 'operator_error'
      expect(error).toMatchObject({ code: endpoint === 'token' ? refused : 'operator_error', retryable: false })
      if (endpoint === 'token' && !told.startsWith('201'))
        expect(error.cause.detail).toBe(`token: ${told} (${ISSUER}/token)`)
      else expect(error.cause.detail).toMatch(/^(token: 201|metadata: )/)
      advance(30)
      expect(await client.getToken()).toBeTruthy()
    }
  })

  it('[B-40] needs nothing of the metadata that only people need, and says what it lacks', async () => {
    for (const name of ['authorization_endpoint', 'jwks_uri', 'token_endpoint']) {
      const { client, as } = await scene()
      as.tamper.metadata = ({ [name]: _, ...metadata }) => metadata
      const token = await client.getToken().catch((error) => error)
      if (name !== 'token_endpoint') expect(token).toEqual(expect.any(String))
      else
        expect(token).toMatchObject({
          code: 'operator_error',
          cause: { detail: expect.stringContaining(`no usable ${name}`) },
        })
    }
    const { client, as } = await scene()
    as.tamper.metadata = (metadata) => ({ ...metadata, issuer: `${ISSUER}/` })
    await expect(client.getToken()).rejects.toMatchObject({
      code: 'operator_error',
      cause: { detail: expect.stringContaining(`its issuer is "${ISSUER}/", but the option "issuer" is "${ISSUER}"`) },
    })
    for (const change of [{ token_type: undefined }, { scope: ['a'] }, { access_token: 'a b' }]) {
      const { client, as } = await scene()
      as.tamper.tokenResponse = (body) => ({ ...body, ...change })
      const detail = expect.stringContaining(`200, no usable ${Object.keys(change)[0]} (${ISSUER}/token)`)
      await expect(client.getToken()).rejects.toMatchObject({
        code: 'operator_error',
        retryable: false,
        cause: { detail },
      })
    }
  })

  it('answers a 401 with one other token, once, and sends a stream no second time', async () => {
    const { client, calls, answers, as, advance } = await scene()
    const refuse = () => new Response(null, { status: 401 })
    await client.getToken()
    advance(10)
    answers.push(refuse)
    expect((await client.fetch(`${API}/notes`, { method: 'POST', body: 'text' })).status).toBe(200)
    expect(await Promise.all(calls.map((call) => call.text()))).toEqual(['text', 'text'])
    expect(calls[0]?.headers.get('authorization')).not.toBe(calls[1]?.headers.get('authorization'))
    advance(10)
    answers.push(refuse, refuse)
    expect((await client.fetch(`${API}/notes`)).status).toBe(401)
    expect(calls).toHaveLength(4)
    advance(10)
    answers.push(refuse)
    const init = { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' } as RequestInit
    expect((await client.fetch(`${API}/notes`, init)).status).toBe(401)
    expect(calls).toHaveLength(5)
    expect(as.grants.client_credentials).toBe(3)
  })

  it('asks for no token for each call of an API that refuses them all', async () => {
    const { client, answers, as, advance, calls } = await scene()
    const refuse = () => new Response(null, { status: 401 })
    answers.push(...Array.from({ length: 300 }, () => refuse))
    for (let at = 0; at < 50; at++) await client.fetch(`${API}/notes`)
    expect([as.grants.client_credentials, calls.length]).toEqual([1, 50])
    advance(10)
    await Promise.all(Array.from({ length: 50 }, () => client.fetch(`${API}/notes`)))
    expect(as.grants.client_credentials).toBe(2)
  })

  it('says the same of a wrong secret while it leaves the provider alone', async () => {
    const { client, as, advance } = await scene({ client_secret: randomKey() })
    for (let at = 0; at < 3; at++)
      await expect(client.getToken()).rejects.toMatchObject({ code: 'client_refused', retryable: false })
    expect(as.requests.token).toBe(1)
    // Twin: an outage after it is one.
    as.fail('token', 'network')
    advance(1)
    for (let at = 0; at < 2; at++)
      await expect(client.getToken()).rejects.toMatchObject({ code: 'token_unavailable', retryable: true })
    expect(as.requests.token).toBe(2)
  })

  it('knows a refusal of the client by its status, in whatever words it comes', async () => {
    const { client, as, advance } = await scene()
    as.fail('token', { status: 401, body: 'Unauthorized', headers: { 'Content-Type': 'text/plain' } })
    await expect(client.getToken()).rejects.toMatchObject({ code: 'client_refused', retryable: false })
    advance(1)
    expect(await client.getToken()).toBeTruthy()
  })

  it('answers one demand for a nonce in a call, from an API that has another one every time', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const dpopKey = JSON.stringify({ ...(await exportJWK(privateKey)), alg: 'ES256' })
    const { client, calls, answers } = await scene({ dpopKey }, {})
    const headers = (at: number) => ({ 'DPoP-Nonce': `n-${at}`, 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"' })
    answers.push(
      ...Array.from({ length: 100 }, (_, at) => () => new Response(null, { status: 401, headers: headers(at) })),
    )
    expect((await client.fetch(`${API}/notes`)).status).toBe(401)
    expect(calls).toHaveLength(2)
  })

  it('proves itself by a signed assertion, with the issuer as its only audience', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] }
    const clientKey = JSON.stringify({ ...(await exportJWK(privateKey)), kid: 'k1', alg: 'ES256' })
    const { client } = await scene(
      { clientAuthentication: 'private_key_jwt', clientKey },
      { clients: [{ client_id: 'exporter', jwks, redirect_uris: [] }] },
    )
    expect(decodeJwt(await client.getToken())).toMatchObject({ sub: 'exporter' })
  })

  it('binds its tokens to a key where that is wanted, and proves it to provider and API, nonce included', async () => {
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const dpopKey = JSON.stringify({ ...(await exportJWK(privateKey)), alg: 'ES256' })
    const { client, calls, answers } = await scene({ dpopKey }, { dpopNonce: 'n-1' })
    answers.push(
      () =>
        new Response(null, {
          status: 401,
          headers: { 'DPoP-Nonce': 'a-1', 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"' },
        }),
      () => new Response('in'),
    )
    expect(await (await client.fetch(`${API}/notes?page=1`)).text()).toBe('in')
    expect(calls).toHaveLength(2)
    const proof = decodeJwt(calls[1]?.headers.get('dpop') ?? '')
    expect(proof).toMatchObject({ htm: 'GET', htu: `${API}/notes`, nonce: 'a-1', ath: expect.any(String) })
    expect(calls[1]?.headers.get('authorization')).toMatch(/^DPoP /)
    expect(decodeJwt(await client.getToken())['cnf']).toEqual({ jkt: expect.any(String) })
  })

  it.each([
    ['issuer', { issuer: 'http://login.example.net' }],
    ['client_id', { client_id: '' }],
    ['client_secret', { client_secret: '' }],
    ['clientKey', { clientAuthentication: 'private_key_jwt', clientKey: '{}' }],
  ])('names the option that cannot be used: %s', (option, wrong) => {
    const options = {
      issuer: ISSUER,
      client_id: 'exporter',
      client_secret: randomKey(),
      ...wrong,
    } as MachineClientOptions
    expect(() => createMachineClient(options)).toThrow(`createMachineClient: "${option}"`)
  })

  it('has no secret in an error', async () => {
    const client_secret = randomKey()
    const { client } = await scene({ client_secret })
    const error = await client.getToken().catch((error) => error)
    expect(`${error.stack} ${JSON.stringify(error)} ${JSON.stringify(error.cause)}`).not.toContain(client_secret)
  })
})
