import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { decodeJwt, exportJWK, generateKeyPair } from 'jose'
import { toNodeListener } from 'sallyport/node'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { APP, ISSUER, type World, world } from '../world.js'

const servers: Server[] = []
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function listen(listener: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const dpopKey = JSON.stringify({ ...(await exportJWK(privateKey)), alg: 'ES256' })

/** What reached the API, which connections it came over, and how it answers. */
let seen: IncomingMessage[] = []
let bodies: string[] = []
let connections = new Map<Socket, number>()
/** `turn`: the number of this request on its connection, from 1. */
let answer: (request: IncomingMessage, response: ServerResponse, turn: number) => void = () => {}
let url = ''
let cookie = ''
let events: World['events'] = []

/** A backend whose calls to APIs go through the connections of the Node adapter, or through the `fetch` of the app. */
async function start(through: 'connections' | 'fetch', options = {}): Promise<void> {
  seen = []
  bodies = []
  connections = new Map()
  answer = (_request, response) => response.end('ok')
  const upstream = await listen(async (request, response) => {
    seen.push(request)
    const turn = (connections.get(request.socket) ?? 0) + 1
    connections.set(request.socket, turn)
    bodies.push(await text(request).catch(() => 'broken'))
    answer(request, response, turn)
  })
  const real = fetch
  const network: typeof fetch = (input, init) =>
    new URL(input instanceof Request ? input.url : `${input}`).origin === ISSUER
      ? here.as.fetch(input, init)
      : real(input, init)
  vi.stubGlobal('fetch', network)
  const here: World = await world({
    mode: 'proxy',
    routes: { notes: { upstream } },
    ...(through === 'fetch' && { fetch: network }),
    ...options,
  })
  await here.tab.navigate(`${APP}/bff/login`)
  cookie = here.browser.jar.header(`${APP}/`) ?? ''
  events = here.events
  url = await listen(toNodeListener(here.bff))
}

const ask = (init: RequestInit = {}, path = '/x') =>
  fetch(`${url}/bff/api/notes${path}`, { ...init, headers: { 'Sallyport-CSRF': '1', Cookie: cookie, ...init.headers } })

const long = 'a note, '.repeat(20_000)

describe.each(['connections', 'fetch'] as const)('an API behind the proxy, through %s', (through) => {
  beforeEach(() => start(through))

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
  ])('[P-18 twin] may answer in %s without being asked', async (encoding, compress) => {
    for (const content of ['a note', long]) {
      answer = (request, response) => {
        expect(request.headers['accept-encoding']).toBe('identity')
        const bytes = compress(content)
        const length = content.length > 100 ? {} : { 'Content-Length': bytes.length }
        response.writeHead(200, { 'Content-Encoding': encoding, 'Content-Type': 'text/plain', ...length }).end(bytes)
      }
      const response = await ask()
      expect([response.status, await response.text()]).toEqual([200, content])
    }
  })

  it('[P-18] may not answer in a coding that nobody knows if the body is decoded yet', async () => {
    answer = (_request, response) => response.writeHead(200, { 'Content-Encoding': 'zstd' }).end('(\xb5/\xfd…')
    const response = await ask()
    // Over the connections of the Node adapter, it is passed on as it is.
    expect(response.status).toBe(through === 'fetch' ? 502 : 200)
    if (through === 'connections') expect(response.headers.get('content-encoding')).toBe('zstd')
    expect(events.some(({ type }) => type === 'upstream_failed')).toBe(through === 'fetch')
  })

  it('[P-18 twin] gets a body in the coding that the page has sent it in', async () => {
    const body = gzipSync('a note')
    answer = (request, response) => response.end(request.headers['content-encoding'])
    const response = await ask({ method: 'POST', body, headers: { 'Content-Encoding': 'gzip' } })
    expect(await response.text()).toBe('gzip')
    expect(bodies).toEqual([body.toString()])
  })

  it('[P-18 twin] may say the length of what it leaves out, and is asked again over the same connection', async () => {
    for (const [method, status] of [
      ['GET', 304],
      ['GET', 304],
      ['HEAD', 200],
      ['HEAD', 404],
    ] as const) {
      answer = (_request, response) => response.writeHead(status, { 'Content-Length': 99, ETag: '"1"' }).end()
      const response = await ask({ method })
      expect([response.status, response.headers.get('etag'), await response.text()]).toEqual([status, '"1"', ''])
    }
    answer = (_request, response) => response.end('ok')
    expect(await (await ask()).text()).toBe('ok')
    if (through === 'connections') expect([...connections.values()]).toEqual([5])
    expect(events.some(({ type }) => type === 'upstream_failed')).toBe(false)
  })
})

describe('an API behind the proxy of the Node adapter', () => {
  beforeEach(() => start('connections'))

  it('[P-18 twin] may send interim responses without being asked', async () => {
    const final = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
    const interim = [
      'HTTP/1.1 100 Continue\r\n\r\n',
      'HTTP/1.1 102 Processing\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\n\r\n',
    ]
    for (const method of ['GET', 'POST', 'PUT'])
      for (const bytes of [...interim.map((one) => one + final), interim.join('') + final]) {
        answer = ({ socket }) => socket.write(bytes)
        const response = await ask({ method, ...(method !== 'GET' && { body: 'x' }) })
        expect([response.status, await response.text()], bytes).toEqual([200, 'ok'])
        // In pieces, as a slow network delivers it.
        answer = async ({ socket }) => {
          for (const byte of [bytes.slice(0, 12), bytes.slice(12, 30), bytes.slice(30)]) {
            socket.write(byte)
            await new Promise((resolve) => setTimeout(resolve, 5))
          }
        }
        expect(await (await ask({ method, ...(method !== 'GET' && { body: 'x' }) })).text(), bytes).toBe('ok')
      }
    expect([...connections.values()]).toEqual([24])
  })

  /** Resets a kept connection at its second request, and answers all others. */
  const resets = (request: IncomingMessage, response: ServerResponse, turn: number) =>
    turn === 2 ? request.socket.resetAndDestroy() : response.end('ok')

  it.each([
    ['GET', undefined],
    ['HEAD', undefined],
    ['DELETE', undefined],
    ['PUT', 'a note'],
  ])('[P-18 twin] is asked once more by %s if it resets a kept connection before any byte', async (method, body) => {
    answer = resets
    expect((await ask()).status).toBe(200)
    const response = await ask({ method, ...(body && { body }) }, '/y')
    expect(response.status).toBe(200)
    expect(seen.map((request) => `${request.method} ${request.url}`)).toEqual([
      'GET /x',
      `${method} /y`,
      `${method} /y`,
    ])
    expect(bodies.slice(1)).toEqual([body ?? '', body ?? ''])
    expect([...connections.values()]).toEqual([2, 1])
    expect(events.some(({ type }) => type === 'upstream_failed')).toBe(false)
  })

  it.each<[string, RequestInit]>([
    ['a POST', { method: 'POST', body: 'x' }],
    ['a PATCH', { method: 'PATCH', body: 'x' }],
    ['a body that is not kept', { method: 'PUT', body: 'x'.repeat(70_000) }],
  ])('[P-18] is not asked once more by %s', async (_name, init) => {
    answer = resets
    expect((await ask()).status).toBe(200)
    expect((await ask(init)).status).toBe(502)
    expect(seen).toHaveLength(2)
    expect(events.at(-1)).toMatchObject({ type: 'request_refused', error: 'upstream_unavailable' })
    expect((await ask()).status).toBe(200)
  })

  it('[P-18] is asked once more only once, only over kept connections, and not after the first byte', async () => {
    // A new connection.
    answer = (request) => request.socket.resetAndDestroy()
    expect((await ask()).status).toBe(502)
    expect(seen).toHaveLength(1)
    // The second attempt as well.
    answer = (_request, response) => response.end('ok')
    await ask()
    answer = (request) => request.socket.resetAndDestroy()
    expect((await ask()).status).toBe(502)
    expect(seen).toHaveLength(4)
    // After the first bytes.
    answer = (_request, response) => response.end('ok')
    await ask()
    answer = ({ socket }) => {
      socket.write('HTTP/1.1 2')
      setTimeout(() => socket.resetAndDestroy(), 50)
    }
    expect((await ask()).status).toBe(502)
    expect(seen).toHaveLength(6)
  })

  it('[P-18 twin] gets a proof of its own with each attempt, if tokens are bound', async () => {
    await start('connections', { dpopKey })
    answer = resets
    await ask()
    expect((await ask()).status).toBe(200)
    const proofs = seen.map(({ headers }) => decodeJwt(`${headers['dpop']}`).jti)
    expect(new Set(proofs).size).toBe(3)
  })

  it('may take longer than idle connections are kept', async () => {
    answer = (_request, response) => void setTimeout(() => response.end('late'), 4500)
    expect(await (await ask()).text()).toBe('late')
  })

  it('is called once by a client that goes away, and its answer is not waited for', async () => {
    const closed = vi.fn()
    answer = (request) => void request.socket.once('close', closed)
    const gone = new AbortController()
    const asking = ask({ signal: gone.signal }).catch(() => 'gone')
    await vi.waitFor(() => expect(seen).toHaveLength(1))
    gone.abort()
    expect(await asking).toBe('gone')
    await vi.waitFor(() => expect(closed).toHaveBeenCalled())
    expect(seen).toHaveLength(1)
    expect(events.some(({ type }) => type === 'upstream_failed')).toBe(false)
  })

  it('is broken off if nothing comes for five minutes', async () => {
    answer = (_request, response) => void response.write(long)
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const response = await ask()
    const reading = response.text().catch(() => 'broken off')
    await new Promise((resolve) => setTimeout(resolve, 200))
    vi.advanceTimersByTime(599_000)
    const early = await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 100, 'open'))])
    vi.advanceTimersByTime(2000)
    expect([early, await reading]).toEqual(['open', 'broken off'])
  })
})
