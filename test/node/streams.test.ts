import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { attachUpgrade, toNodeListener } from 'sallyport/node'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import WebSocket, { WebSocketServer } from 'ws'
import { APP, call, ISSUER, type World, world } from '../world.js'

/** At once: as many as the limit says in the long version. */
const MANY = process.env['FULL'] === '1' ? 500 : 50

const servers: Server[] = []
afterEach(() => {
  vi.unstubAllGlobals()
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function listen(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ server: Server; url: string }> {
  const server = createServer(listener)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

let here: World
let url = ''
let cookie = ''
/** What the API sees. */
let events: { request: IncomingMessage; response: ServerResponse }[] = []
let sockets: { socket: WebSocket; request: IncomingMessage }[] = []
let dialled = 0
let refuseWith: number | undefined

beforeEach(async () => {
  events = []
  sockets = []
  dialled = 0
  refuseWith = undefined
  const api = await listen((request, response) => {
    events.push({ request, response })
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: hello\n\n')
  })
  const accepts = new WebSocketServer({ noServer: true })
  api.server.on('upgrade', (request, socket, head) => {
    dialled++
    if (refuseWith !== undefined) return socket.end(`HTTP/1.1 ${refuseWith} No\r\ncontent-length: 0\r\n\r\n`)
    return accepts.handleUpgrade(request, socket, head, (opened) => {
      sockets.push({ socket: opened, request })
      opened.on('message', (data, binary) => opened.send(data, { binary }))
    })
  })
  const real = fetch
  vi.stubGlobal('fetch', ((input, init) =>
    `${input instanceof Request ? input.url : input}`.startsWith(ISSUER)
      ? here.as.fetch(input, init)
      : real(input, init)) as typeof fetch)
  here = await world({
    mode: 'proxy',
    store: 'memory',
    routes: {
      events: { upstream: `${api.url}/v1`, sse: true },
      live: { upstream: `${api.url}/live`, websocket: true },
      open: { upstream: `${api.url}/open`, websocket: true, anonymous: true },
      dead: { upstream: 'http://127.0.0.1:9/', websocket: true },
      notes: { upstream: api.url },
    },
  })
  await here.tab.navigate(`${APP}/bff/login`)
  cookie = here.browser.jar.header(`${APP}/`) ?? ''
  const own = await listen(toNodeListener(here.bff))
  attachUpgrade(own.server, here.bff)
  url = own.url
})

/** What `EventSource` sends. */
const source = { Accept: 'text/event-stream', 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-Mode': 'cors' }
const listenTo = (headers: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(`${url}/bff/api/events/feed`, { ...init, headers: { Cookie: cookie, ...source, ...headers } })

/** Reads a stream until it ends, in whatever way. */
async function ended(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) text += decoder.decode(part)
  } catch {}
  return text
}

describe('a stream of events', () => {
  it('comes event by event, without the header that EventSource cannot send', async () => {
    const gone = new AbortController()
    const response = await listenTo({ 'Last-Event-ID': '41' }, { signal: gone.signal })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('cache-control')).toContain('no-store')
    const reader = response.body?.getReader()
    const read = async () => new TextDecoder().decode((await reader?.read())?.value)
    expect(await read()).toBe('data: hello\n\n')
    events[0]?.response.write('data: again\n\n')
    expect(await read()).toBe('data: again\n\n')
    expect(events[0]?.request.headers['last-event-id']).toBe('41')
    expect(events[0]?.request.headers.authorization).toMatch(/^Bearer eyJ/)
    expect(events[0]?.request.headers.cookie).toBeUndefined()
    gone.abort()
    await vi.waitFor(() => expect(events[0]?.response.destroyed).toBe(true))
  })

  it.each<[string, Record<string, string>]>([
    ['another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['a sibling', { 'Sec-Fetch-Site': 'same-site' }],
    ['nobody’s page', { 'Sec-Fetch-Site': 'none' }],
    ['another origin that lies about the rest', { Origin: 'https://evil.example.com' }],
  ])('is not for %s', async (_name, headers) => {
    expect((await listenTo(headers)).status).toBe(403)
    expect(events).toEqual([])
  })

  it('is not for browsers that do not say whose page asks, unless the page sends the header', async () => {
    const bare = (headers: Record<string, string>) =>
      fetch(`${url}/bff/api/events/feed`, { headers: { Cookie: cookie, ...headers } })
    expect((await bare({})).status).toBe(403)
    expect((await bare({ 'Sallyport-CSRF': '1' })).status).toBe(200)
  })

  it('opens no other route and no other method', async () => {
    const headers = { Cookie: cookie, ...source }
    expect((await fetch(`${url}/bff/api/notes/x`, { headers })).status).toBe(403)
    expect((await fetch(`${url}/bff/api/events/feed`, { method: 'POST', headers })).status).toBe(403)
    expect(events).toEqual([])
  })

  it('[F-88] ends when the user signs out', async () => {
    const text = listenTo().then(ended)
    await vi.waitFor(() => expect(events).toHaveLength(1))
    await call(here.tab, '/logout')
    expect(await text).toBe('data: hello\n\n')
    await vi.waitFor(() => expect(events[0]?.response.destroyed).toBe(true))
    expect((await listenTo()).status).toBe(401)
  })

  it('does not keep a process that is to stop', async () => {
    const text = listenTo().then(ended)
    await vi.waitFor(() => expect(events).toHaveLength(1))
    await here.bff.close()
    expect(await text).toBe('data: hello\n\n')
  })
})

/** A WebSocket as a page opens it. */
function open(path = '/bff/api/live/room', headers: Record<string, string> = {}, protocols: string[] = []) {
  const socket = new WebSocket(url.replace('http', 'ws') + path, protocols, {
    headers: { Cookie: cookie, Origin: APP, ...headers },
  })
  const closed = new Promise<number>((resolve) => {
    socket.on('close', resolve)
    socket.on('error', () => {})
  })
  const opened = new Promise<WebSocket>((resolve, reject) => {
    socket.on('open', () => resolve(socket))
    socket.on('unexpected-response', (_request, response) => reject(response.statusCode))
    socket.on('error', reject)
  })
  opened.catch(() => {})
  return { socket, opened, closed }
}

const echoed = (socket: WebSocket, data: string | Buffer): Promise<Buffer> =>
  new Promise((resolve) => {
    socket.once('message', (answer) => resolve(answer as Buffer))
    socket.send(data)
  })

describe('a WebSocket', () => {
  it('[F-10 twin][P-12 twin] is tied to the API’s, with the user’s token and none of their cookies', async () => {
    const { opened, socket, closed } = open('/bff/api/live/room?x=1', {}, ['chat'])
    await opened
    expect(socket.protocol).toBe('chat')
    const [{ request }] = sockets as [(typeof sockets)[number]]
    expect(request.url).toBe('/live/room?x=1')
    expect(request.headers.authorization).toMatch(/^Bearer eyJ/)
    expect(request.headers.cookie).toBeUndefined()
    expect(request.headers.origin).toBeUndefined()
    expect(`${await echoed(socket, 'hello')}`).toBe('hello')
    const large = Buffer.alloc(5_000_000, 'x')
    expect((await echoed(socket, large)).equals(large)).toBe(true)
    sockets[0]?.socket.close(4000)
    expect(await closed).toBe(4000)
  })

  it.each<[string, Record<string, string>]>([
    ['another origin', { Origin: 'https://evil.example' }],
    ['a sibling', { Origin: 'https://evil.example.com' }],
    ['our name on another port', { Origin: 'https://app.example.com:8443' }],
    ['our name without TLS', { Origin: 'http://app.example.com' }],
    ['no origin at all', { Origin: '' }],
    ['null', { Origin: 'null' }],
    ['another site that claims our origin', { 'Sec-Fetch-Site': 'cross-site' }],
  ])('[F-10][P-12] is not opened for %s: the API hears nothing', async (_name, headers) => {
    await expect(open('/bff/api/live/room', headers).opened).rejects.toBe(403)
    expect(dialled).toBe(0)
    expect(here.events).toContainEqual(expect.objectContaining({ type: 'request_refused', error: 'csrf_required' }))
  })

  it('is not opened for nobody, or on a route that has none', async () => {
    await expect(open('/bff/api/live/room', { Cookie: '' }).opened).rejects.toBe(401)
    await expect(open('/bff/api/notes/x').opened).rejects.toBe(400)
    await expect(open('/bff/api/none/x').opened).rejects.toBe(404)
    await expect(open('/elsewhere').opened).rejects.toBe(404)
    expect(dialled).toBe(0)
  })

  it('is refused as the API refuses it, and says when the API cannot be reached', async () => {
    refuseWith = 403
    await expect(open().opened).rejects.toBe(403)
    refuseWith = 200
    await expect(open().opened).rejects.toBe(502)
    await expect(open('/bff/api/dead/x').opened).rejects.toBe(502)
  })

  it('to a route for everybody carries no token', async () => {
    await open('/bff/api/open/x', { Cookie: '' }).opened
    expect(sockets[0]?.request.headers.authorization).toBeUndefined()
  })

  it('leaves other sockets of the server to those who know them', async () => {
    const [, own] = servers
    const accepts = new WebSocketServer({ noServer: true })
    own?.on('upgrade', (request, socket, head) => {
      if (request.url === '/hot-reload') accepts.handleUpgrade(request, socket, head, (opened) => opened.send('ours'))
    })
    const { socket } = open('/hot-reload')
    expect(`${await new Promise((resolve) => socket.once('message', resolve))}`).toBe('ours')
  })

  it('[F-88] ends when the user signs out, on both sides', async () => {
    const { opened, closed } = open()
    await opened
    const far = new Promise((resolve) => sockets[0]?.socket.once('close', resolve))
    await call(here.tab, '/logout')
    expect(await closed).toBe(1006)
    await far
    await expect(open().opened).rejects.toBe(401)
  })

  it('ends when either side goes away without a word', async () => {
    const first = open()
    await first.opened
    sockets[0]?.socket.terminate()
    expect(await first.closed).toBe(1006)
    const second = open()
    await second.opened
    const far = new Promise((resolve) => sockets[1]?.socket.once('close', resolve))
    second.socket.terminate()
    await far
  })
})

describe(`${MANY} streams and ${MANY} sockets at once`, () => {
  it('[F-88 twin] work, and end with their session', async () => {
    const streams = await Promise.all(Array.from({ length: MANY }, () => listenTo()))
    const texts = streams.map(ended)
    const opened = Array.from({ length: MANY }, () => open())
    await Promise.all(opened.map((each) => each.opened))
    for (const { response } of events) response.write('data: all\n\n')
    expect(await Promise.all(opened.map(async ({ socket }, at) => `${await echoed(socket, `${at}`)}`))).toEqual(
      opened.map((_, at) => `${at}`),
    )
    await call(here.tab, '/logout')
    expect(new Set(await Promise.all(texts))).toEqual(new Set(['data: hello\n\ndata: all\n\n']))
    expect(new Set(await Promise.all(opened.map(({ closed }) => closed)))).toEqual(new Set([1006]))
    await vi.waitFor(() => expect(events.every(({ response }) => response.destroyed)).toBe(true))
  })
})
