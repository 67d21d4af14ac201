import { decodeJwt } from 'jose'
import { createTokenEndpoint } from 'sallyport/agents'
import { accessToken, createGuard } from 'sallyport/guard'
import { createMachineClient } from 'sallyport/machine'
import { StoreError } from 'sallyport/store'
import { describe, expect, it, vi } from 'vitest'
import { AGENTS, type AgentKey, API, agentKey, assertion, OTHER, type SceneOptions, scene } from './identity.js'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

async function endpoint(options: SceneOptions = {}) {
  const world = scene(options)
  const { agents, tokens, protect, now } = world
  const key = await agentKey()
  const { id } = await world.register({ key })
  const { fetch } = createTokenEndpoint({
    agents,
    tokens,
    now,
    async subject(token) {
      const outcome = await protect(new Request(API, { headers: { Authorization: `Bearer ${token}` } }))
      return outcome.ok ? outcome.principal : undefined
    },
  })
  async function ask(form: Record<string, string>, { by = key, agent = id, headers = {} } = {}) {
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(by as AgentKey, agent, now()),
      ...form,
    })
    const response = await fetch(new Request(`${AGENTS}/token`, { method: 'POST', body, headers }))
    expect(response.headers.get('cache-control')).toBe('no-store')
    return { status: response.status, ...(await response.json()) }
  }
  return { ...world, id, key, fetch, ask }
}

describe('the token endpoint', () => {
  it('serves an OAuth client that knows nothing of us, and its token opens an API that only knows the address', async () => {
    const { fetch, key, id, now, advance } = await endpoint()
    const network: typeof globalThis.fetch = async (input, init) => fetch(new Request(input, init))
    const client = createMachineClient({
      issuer: AGENTS,
      client_id: id,
      clientAuthentication: 'private_key_jwt',
      clientKey: key.key,
      scope: 'data:read',
      fetch: network,
      now,
    })
    const token = await client.getToken()
    expect(decodeJwt(token)).toMatchObject({ sub: id, scope: 'data:read' })
    const verifier = accessToken({ issuer: AGENTS, algs: ['ES256'], fetch: network })
    const protect = createGuard({ resource: API, accept: [verifier], now })
    const outcome = await protect(new Request(API, { headers: { Authorization: `Bearer ${token}` } }))
    expect(outcome.ok).toBe(true)
    advance(890)
    expect(await client.getToken()).not.toBe(token)
  })

  it('says what it is, in both places', async () => {
    const { fetch } = await endpoint()
    const read = async (url: string) => (await fetch(new Request(url))).json()
    const document = await read(`${AGENTS}/.well-known/openid-configuration`)
    expect(document).toMatchObject({
      issuer: AGENTS,
      token_endpoint: `${AGENTS}/token`,
      jwks_uri: `${AGENTS}/jwks`,
      grant_types_supported: ['client_credentials', EXCHANGE],
      token_endpoint_auth_methods_supported: ['private_key_jwt'],
    })
    expect(await read('https://app.example.com/.well-known/oauth-authorization-server/agents')).toEqual(document)
    const { keys } = await read(`${AGENTS}/jwks`)
    expect(keys).toHaveLength(1)
    expect(JSON.stringify(keys)).not.toContain('"d"')
    for (const [url, method] of [
      [`${AGENTS}/x`, 'GET'],
      [`${AGENTS}/token`, 'GET'],
      [`${AGENTS}/jwks`, 'POST'],
    ] as const)
      expect((await fetch(new Request(url, { method }))).status).toBe(404)
  })

  it('exchanges a person’s token for one with which the agent acts for them, and an agent’s likewise', async () => {
    const { ask, agents, person, id, register, who } = await endpoint()
    const { principal: subject, token: subject_token } = await person()
    const form = {
      grant_type: EXCHANGE,
      subject_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    }
    expect(await ask(form)).toMatchObject({ status: 400, error: 'invalid_grant' })
    await agents.consent(id, { subject, scopes: ['data:read', 'data:write'] })
    const first = await ask({ ...form, scope: 'data:write data:read' })
    expect(first).toMatchObject({
      status: 200,
      issued_token_type: form.subject_token_type,
      scope: 'data:read data:write',
    })
    const by = await agentKey()
    const helper = await register({ key: by, role: 'reader' })
    const second = await ask({ ...form, subject_token: first.access_token }, { by, agent: helper.id })
    expect(await who(second.access_token)).toMatchObject({
      sub: 'alice',
      client_id: helper.id,
      scopes: ['data:read'],
      claims: { act: { sub: helper.id, act: { sub: id } } },
    })
    expect(await ask({ ...form, subject_token: 'x' })).toMatchObject({ status: 400, error: 'invalid_grant' })
    expect(await ask({ ...form, subject_token_type: 'x' })).toMatchObject({ status: 400, error: 'invalid_request' })
  })

  it.each([
    ['unsupported_grant_type', { grant_type: 'password' }, 400],
    ['invalid_scope', { scope: 'exec:sandbox' }, 400],
    ['invalid_target', { resource: 'https://evil.example' }, 400],
    ['invalid_client', { client_assertion: 'x' }, 401],
    ['invalid_client', { client_assertion_type: 'x' }, 401],
    ['invalid_client', { client_id: 'agent_other' }, 401],
  ])('says %s', async (error, form: object, status) => {
    const { ask } = await endpoint()
    expect(await ask({ ...form })).toMatchObject({ status, error })
    expect(await ask({ resource: OTHER })).toMatchObject({ status: 200 })
  })

  it('takes an assertion once, and none of an agent that does not stand', async () => {
    const { ask, agents, id, key, now } = await endpoint()
    const client_assertion = await assertion(key, id, now())
    expect(await ask({ client_assertion })).toMatchObject({ status: 200 })
    expect(await ask({ client_assertion })).toMatchObject({ status: 401, error: 'invalid_client' })
    await agents.stop({ tenant: 'acme' })
    expect(await ask({})).toMatchObject({ status: 400, error: 'unauthorized_client' })
    await agents.resume({ tenant: 'acme' })
    await agents.decommission(id, { tenant: 'acme', reason: 'done' })
    expect(await ask({})).toMatchObject({ status: 401, error: 'invalid_client' })
  })

  it('binds the token to the registered key where a proof of it comes along, and to no other', async () => {
    const { ask, proof, key } = await endpoint()
    const about = { htm: 'POST', htu: `${AGENTS}/token` }
    const bound = await ask({}, { headers: { DPoP: await proof(key, about) } })
    expect(bound).toMatchObject({ status: 200, token_type: 'DPoP' })
    expect(decodeJwt(bound.access_token)['cnf']).toEqual({ jkt: expect.any(String) })
    const [other, elsewhere] = [await proof(await agentKey(), about), await proof(key, { ...about, htu: API })]
    for (const DPoP of [other, elsewhere, 'x'])
      expect(await ask({}, { headers: { DPoP } })).toMatchObject({ status: 400, error: 'invalid_request' })
  })

  it('reads one form of bounded size, each parameter once', async () => {
    const { fetch } = await endpoint()
    const post = async (body: string, type = 'application/x-www-form-urlencoded') =>
      (await fetch(new Request(`${AGENTS}/token`, { method: 'POST', body, headers: { 'Content-Type': type } }))).status
    expect(await post('grant_type=a&grant_type=b')).toBe(400)
    expect(await post('{}', 'application/json')).toBe(400)
    expect(await post(`x=${'x'.repeat(70_000)}`)).toBe(400)
    expect(await post('')).toBe(400)
  })

  it('is 503 while store or signing key cannot be had', async () => {
    const { ask, store, tokens } = await endpoint()
    const issue = vi.spyOn(tokens, 'issue').mockRejectedValueOnce(new Error('the secret manager is down'))
    expect(await ask({})).toMatchObject({ status: 503, error: 'temporarily_unavailable' })
    issue.mockRestore()
    vi.spyOn(store, 'get').mockRejectedValue(new StoreError())
    expect(await ask({})).toMatchObject({ status: 503, error: 'temporarily_unavailable' })
  })
})
