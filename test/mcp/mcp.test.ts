import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type AuthProvider,
  Client,
  ClientCredentialsProvider,
  InsufficientScopeError,
  type OAuthClientProvider,
  StreamableHTTPClientTransport,
  type StreamableHTTPClientTransportOptions,
  UnauthorizedError,
} from '@modelcontextprotocol/client'
import type * as Mcp from '@modelcontextprotocol/server'
import { decodeJwt } from 'jose'
import { createAgents, createTokenEndpoint } from 'sallyport/agents'
import { createMachineClient } from 'sallyport/machine'
import { toNodeListener } from 'sallyport/node'
import { mockAuthorizationServer } from 'sallyport/testing'
import { createTokenIssuer } from 'sallyport/tokens'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { agentKey, signingKey } from '../agents/identity.js'
import { randomKey } from '../keys.js'

/** What the SDK's handler was given: it runs as it is. */
const given: { request: Request; options: Mcp.McpHandlerRequestOptions | undefined }[] = []
vi.mock('@modelcontextprotocol/server', async (original) => {
  const sdk = await original<typeof Mcp>()
  const createMcpHandler: typeof sdk.createMcpHandler = (...args) => {
    const handler = sdk.createMcpHandler(...args)
    return {
      ...handler,
      fetch(request, options) {
        given.push({ request, options })
        return handler.fetch(request, options)
      },
    }
  }
  return { ...sdk, createMcpHandler }
})

const servers: Server[] = []
async function open(): Promise<[Server, string]> {
  const server = createServer()
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return [server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`]
}
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  vi.unstubAllEnvs()
})

// Three parties on loopback: who signs people in, who has the agents, and the server of docs/mcp.md.
const [login, ISSUER] = await open()
const [app, APP] = await open()
const [mcp, ORIGIN] = await open()
const MCP = `${ORIGIN}/mcp`
const METADATA = `${ORIGIN}/.well-known/oauth-protected-resource/mcp`
vi.stubEnv('MCP_URL', MCP)
vi.stubEnv('ISSUER', ISSUER)
vi.stubEnv('AGENTS_ISSUER', `${APP}/agents`)

const CALLBACK = 'http://127.0.0.1/callback'
const client_secret = randomKey()
const as = await mockAuthorizationServer({
  issuer: ISSUER,
  clients: [
    { client_id: 'robot', client_secret, redirect_uris: [] },
    { client_id: 'desktop', token_endpoint_auth_method: 'none', redirect_uris: [CALLBACK] },
  ],
  users: [{ sub: 'alice' }],
})
as.signIn('alice')
login.on('request', toNodeListener(as))

const server = await import('./server.js')
const tokens = createTokenIssuer({
  issuer: `${APP}/agents`,
  audience: 'https://api.example.com',
  keys: [await signingKey()],
  store: server.store,
})
const agents = createAgents({
  tokens,
  store: server.store,
  roles: { reader: ['notes:read'], publisher: ['notes:read', 'notes:write', 'notes:publish'] },
  resources: [MCP],
})
app.on('request', toNodeListener(createTokenEndpoint({ agents, tokens })))

/** Every answer of the server: status, and the challenge in it. */
const answers: string[] = []
mcp.on(
  'request',
  toNodeListener({
    async fetch(request) {
      const response = await server.fetch(request)
      answers.push(`${response.status} ${response.headers.get('www-authenticate') ?? ''}`.trim())
      return response
    },
  }),
)
beforeEach(() => {
  answers.length = 0
  given.length = 0
})

/** A token of the client `robot`, by hand. */
async function tokenOf(scope: string, resource = MCP): Promise<string> {
  const headers = { Authorization: `Basic ${btoa(`robot:${client_secret}`)}` }
  const body = new URLSearchParams({ grant_type: 'client_credentials', scope, resource })
  const response = await fetch(`${ISSUER}/token`, { method: 'POST', headers, body })
  return (await response.json()).access_token
}

type Version = '2025-11-25' | '2026-07-28'
async function connect(
  authProvider: AuthProvider | OAuthClientProvider,
  version: Version = '2026-07-28',
  options: StreamableHTTPClientTransportOptions = {},
) {
  const mode = version === '2026-07-28' ? { pin: version } : 'legacy'
  const client = new Client({ name: 'test', version: '1.0.0' }, { versionNegotiation: { mode } })
  await client.connect(new StreamableHTTPClientTransport(new URL(MCP), { authProvider, ...options }))
  return client
}
const bearer = (token: string | Promise<string>): AuthProvider => ({ token: async () => token })
const robot = () =>
  new ClientCredentialsProvider({ clientId: 'robot', clientSecret: client_secret, expectedIssuer: ISSUER })

const publish = { name: 'publish_note', arguments: { text: 'milk' } }
async function notesOf(client: Client): Promise<unknown[]> {
  const { content } = await client.callTool({ name: 'list_notes' })
  return JSON.parse((content[0] as { text: string }).text)
}

const enveloped = (method: string, params: object = {}) => ({
  jsonrpc: '2.0',
  id: 1,
  method,
  params: {
    ...params,
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1.0.0' },
      'io.modelcontextprotocol/clientCapabilities': {},
    },
  },
})
/** A request by hand. */
async function post(body: unknown, token?: string, headers: Record<string, string> = {}, url = MCP) {
  const { method, params } = (typeof body === 'object' ? body : {}) as { method?: string; params?: { name?: string } }
  return fetch(url, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(params && '_meta' in params && { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': method }),
      ...(typeof params?.name === 'string' && { 'Mcp-Name': params.name }),
      ...headers,
    },
  })
}

describe('docs/mcp.md', () => {
  it('shows the server that is tested here', () => {
    const [, block] = /^```ts\n(\/\/ mcp-server\.js\n[\s\S]*?)^```$/m.exec(readFileSync('docs/mcp.md', 'utf8')) ?? []
    expect(block).toBe(readFileSync('test/mcp/server.ts', 'utf8'))
  })
})

describe('a client without a token', () => {
  it.each(['POST', 'GET', 'DELETE'])('is told with 401 what to get and where, by %s', async (method) => {
    const response = await fetch(MCP, { method })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe(`Bearer resource_metadata="${METADATA}", scope="notes:read"`)
    expect(given).toEqual([])
  })

  it('is told what the tool needs that it calls', async () => {
    const response = await post(enveloped('tools/call', publish))
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toContain('scope="notes:read notes:write notes:publish"')
  })

  it('finds the authorization servers in the metadata', async () => {
    const response = await fetch(METADATA)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(await response.json()).toEqual({
      resource: MCP,
      authorization_servers: [ISSUER, `${APP}/agents`],
      bearer_methods_supported: ['header'],
      resource_name: 'Notes',
      scopes_supported: ['notes:read'],
    })
  })
})

// The client of 2025 also asks for a stream by GET, which this server answers 405.
describe.each(['2026-07-28', '2025-11-25'] as const)('the SDK’s client of %s', (version) => {
  it('finds its way from the challenge to a token for this server, and lists and calls tools', async () => {
    const provider = robot()
    const client = await connect(provider, version)
    expect(answers[0]).toBe(`401 Bearer resource_metadata="${METADATA}", scope="notes:read"`)
    expect(decodeJwt(provider.tokens()?.access_token ?? '')).toMatchObject({ aud: MCP, scope: 'notes:read' })
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['list_notes', 'publish_note'])
    expect(await notesOf(client)).toBeInstanceOf(Array)
    await client.close()
  })

  it('is told all that a tool needs at once, and goes to the authorization server once', async () => {
    const client = await connect(robot(), version)
    const before = as.grants.client_credentials
    answers.length = 0
    expect((await client.callTool(publish)).isError).toBeUndefined()
    const [challenge, ...rest] = answers.filter((answer) => !/^(20|405)/.test(answer))
    expect([rest, as.grants.client_credentials - before]).toEqual([[], 1])
    expect(challenge).toMatch(/^403 Bearer error="insufficient_scope", /)
    expect(challenge).toContain('scope="notes:read notes:write notes:publish"')
    expect(challenge).toContain(`resource_metadata="${METADATA}"`)
    await client.close()
  })

  it('cannot call with too little, and nothing runs', async () => {
    const client = await connect(robot(), version, { onInsufficientScope: 'throw' })
    const before = await notesOf(client)
    const refused = await client.callTool(publish).catch((error) => error)
    expect(refused).toBeInstanceOf(InsufficientScopeError)
    expect(refused.requiredScope).toBe('notes:read notes:write notes:publish')
    expect(given.filter(({ options }) => `${JSON.stringify(options?.parsedBody)}`.includes('publish_note'))).toEqual([])
    expect(await notesOf(client)).toEqual(before)
    await client.close()
  })
})

describe('a person', () => {
  it('signs in where the challenge leads, is asked once more for what a tool needs, and is who the tool sees', async () => {
    const asked: string[] = []
    const kept: { tokens?: object; verifier?: string; discovery?: object; callback?: URL } = {}
    const provider = {
      redirectUrl: CALLBACK,
      clientMetadata: { redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none' },
      clientInformation: () => ({ client_id: 'desktop', issuer: ISSUER }),
      tokens: () => kept.tokens,
      saveTokens: (tokens: object) => void Object.assign(kept, { tokens }),
      codeVerifier: () => kept.verifier,
      saveCodeVerifier: (verifier: string) => void Object.assign(kept, { verifier }),
      discoveryState: () => kept.discovery,
      saveDiscoveryState: (discovery: object) => void Object.assign(kept, { discovery }),
      async redirectToAuthorization(url: URL) {
        asked.push(url.searchParams.get('scope') ?? '')
        // The provider of the kit signs in by OpenID Connect only.
        url.searchParams.set('scope', `openid ${asked.at(-1)}`)
        const { headers } = await fetch(url, { redirect: 'manual' })
        Object.assign(kept, { callback: new URL(headers.get('location') ?? '') })
      },
    } as unknown as OAuthClientProvider
    const transport = () => new StreamableHTTPClientTransport(new URL(MCP), { authProvider: provider })
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
    const [first, second] = [transport(), transport()]
    await expect(client.connect(first)).rejects.toThrow(UnauthorizedError)
    await first.finishAuth(kept.callback?.searchParams as URLSearchParams)
    await client.connect(second)
    expect(await notesOf(client)).toEqual([])
    await expect(client.callTool(publish)).rejects.toThrow(UnauthorizedError)
    await second.finishAuth(kept.callback?.searchParams as URLSearchParams)
    await client.callTool(publish)
    expect(await notesOf(client)).toEqual([{ sub: 'alice', text: 'milk' }])
    const sorted = asked.map((scope) => scope.split(' ').sort().join(' '))
    expect(sorted).toEqual(['notes:read', 'notes:publish notes:read notes:write openid'])
    await client.close()
  })
})

describe('an agent', () => {
  async function agent(role: 'reader' | 'publisher') {
    const { key, publicKey } = await agentKey()
    const { id } = await agents.register({ tenant: 'acme', owner: 'ops', role, publicKey: publicKey as never })
    const machine = createMachineClient({
      issuer: `${APP}/agents`,
      client_id: id,
      clientAuthentication: 'private_key_jwt',
      clientKey: key,
      resource: MCP,
    })
    return { id, client: await connect({ token: () => machine.getToken() }) }
  }

  it('has the scopes of its role, and no more', async () => {
    const reader = await agent('reader')
    expect(await notesOf(reader.client)).toEqual([])
    await expect(reader.client.callTool(publish)).rejects.toThrow(InsufficientScopeError)
    const publisher = await agent('publisher')
    await publisher.client.callTool(publish)
    expect(await notesOf(publisher.client)).toEqual([{ sub: publisher.id, text: 'milk' }])
  })

  it('is refused on the next request when it has been decommissioned', async () => {
    const { id, client } = await agent('reader')
    await client.listTools()
    await agents.decommission(id, { tenant: 'acme', reason: 'gone' })
    answers.length = 0
    await expect(notesOf(client)).rejects.toThrow(UnauthorizedError)
    expect(answers).toEqual([expect.stringMatching(/^401 Bearer error="invalid_token"/)])
  })

  it('is refused with a token for another API', async () => {
    const { id } = await agent('reader')
    const { access_token } = await agents.issue(id, { tenant: 'acme' })
    expect((await post(enveloped('tools/list'), access_token)).status).toBe(401)
  })
})

describe('the server', () => {
  it.each([
    ['another server', 'https://other.example.com/mcp'],
    ['the whole origin', ORIGIN],
    ['this server with a slash too many', `${MCP}/`],
  ])('refuses a token for %s', async (_name, resource) => {
    const response = await post(enveloped('tools/list'), await tokenOf('notes:read', resource))
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token"/)
    expect(given).toEqual([])
    expect((await post(enveloped('tools/list'), await tokenOf('notes:read'))).status).toBe(200)
  })

  it('takes tokens from the header alone', async () => {
    const token = await tokenOf('notes:read')
    const list = enveloped('tools/list')
    expect((await post(list, undefined, {}, `${MCP}?access_token=${token}`)).status).toBe(401)
    expect((await post({ ...list, access_token: token })).status).toBe(401)
    expect((await post(list, undefined, { Cookie: `access_token=${token}` })).status).toBe(401)
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
    expect((await post(`access_token=${token}`, undefined, form)).status).toBe(401)
    expect(given).toEqual([])
  })

  it('keeps the token from everything behind the guard', async () => {
    const token = await tokenOf('notes:read')
    for (const method of ['GET', 'DELETE'])
      expect((await fetch(MCP, { method, headers: { Authorization: `Bearer ${token}` } })).status).toBe(405)
    expect((await post(enveloped('tools/call', { name: 'list_notes' }), token)).status).toBe(200)
    expect(given).toHaveLength(3)
    for (const { request, options } of given) {
      expect(JSON.stringify([...request.headers, request.url, options])).not.toContain(token)
      expect(options?.authInfo).toMatchObject({ token: '', clientId: 'robot', scopes: ['notes:read'] })
    }
  })

  it('knows that one scope includes another', async () => {
    const token = await tokenOf('notes:write notes:publish')
    expect((await post(enveloped('tools/call', publish), token)).status).toBe(200)
  })

  it('answers for a batch at once, though its first call may be made', async () => {
    const [reads, publishes] = [await tokenOf('notes:read'), await tokenOf('notes:read notes:write notes:publish')]
    const batch = ['list_notes', 'publish_note'].map((name, id) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name, arguments: { text: 'milk' } },
    }))
    const refused = await post(batch, reads)
    expect(refused.status).toBe(403)
    expect(refused.headers.get('www-authenticate')).toContain('scope="notes:read notes:write notes:publish"')
    expect(given).toEqual([])
    expect((await post(batch, publishes)).status).toBe(200)
  })

  it('cannot be made to run a tool by another spelling of the call', async () => {
    const token = await tokenOf('notes:read')
    const client = await connect(bearer(token))
    const before = await notesOf(client)
    const call = enveloped('tools/call', publish)
    const text = JSON.stringify(call)
    const spellings: [unknown, Record<string, string>?][] = [
      [call, { 'Mcp-Name': 'list_notes' }],
      [call, { 'Mcp-Method': 'tools/list' }],
      [{ ...call, method: 'tools/list' }, { 'Mcp-Method': 'tools/call' }],
      [[call]],
      [[[call]]],
      [{ ...call, method: ['tools/call'] }],
      [{ ...call, params: { ...call.params, name: ['publish_note'] } }],
      [{ ...call, params: { ...call.params, name: { toString: 1 } } }],
      [{ ...call, params: null }],
      [`{"method":"tools/list",${text.slice(1)}`],
      [text.replace('"name":"publish_note"', '"name":"publish_note","name":"list_notes"')],
      [text.replace('"name":"publish_note"', '"name":"list_notes","name":"publish_note"')],
      [text.replace('"publish_note"', '"publish\\u005fnote"')],
      ['null'],
      ['[null, 1, "x", []]'],
      [text, { 'Content-Type': 'text/plain' }],
      [new TextDecoder('latin1').decode(new TextEncoder().encode(`\uFEFF${text}`))],
    ]
    for (const [body, headers] of spellings) {
      const { status } = await post(body, token, headers)
      expect(status, JSON.stringify(body)).toBeLessThan(500)
    }
    expect(await notesOf(client)).toEqual(before)
  })

  it('leaves what it cannot read, and tools that are not there, to the SDK, once it knows who asks', async () => {
    const token = await tokenOf('notes:read')
    const asked: [unknown, number][] = [
      ['{', 400],
      ['', 400],
      [`"${'x'.repeat(5_000_000)}"`, 413],
      [enveloped('tools/nothing'), 404],
    ]
    for (const [body, status] of asked) {
      expect((await post(body)).status).toBe(401)
      expect((await post(body, token)).status).toBe(status)
    }
    for (const name of ['nothing', '__proto__', 'constructor']) {
      const call = enveloped('tools/call', { name, arguments: {} })
      expect((await post(call)).status).toBe(401)
      expect(await (await post(call, token)).json(), name).toMatchObject({ error: { code: -32602 } })
    }
  })

  it('refuses pages of other origins', async () => {
    const token = await tokenOf('notes:read')
    const list = enveloped('tools/list')
    expect((await post(list, token, { Origin: 'https://evil.example' })).status).toBe(403)
    expect((await post(list, token, { Origin: ORIGIN })).status).toBe(200)
  })

  it('tells its handler when the client of a stream is gone', async () => {
    const client = await connect(bearer(tokenOf('notes:read')))
    const subscription = await client.listen({ toolsListChanged: true })
    const stream = given.at(-1)?.request
    expect(stream?.signal.aborted).toBe(false)
    await subscription.close()
    await vi.waitFor(() => expect(stream?.signal.aborted).toBe(true))
  })
})
