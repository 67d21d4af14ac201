import { createServer, request as httpRequest, type RequestListener } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import express from 'express'
import { accessToken, createGuard } from 'sallyport/guard'
import { toExpress, toExpressGuard, toNodeListener } from 'sallyport/node'
import { afterEach, describe, expect, it } from 'vitest'
import { peerOf } from '../../src/protocol/http/peer.js'
import { APP, begin, bodyOf, ISSUER, signIn, world } from '../world.js'

const closing: Array<() => void> = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Writes these lines to the socket, bytes as they are, and reads the status of what comes back. */
function statusOf(url: string, lines: string[], target = '/bff/health'): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () =>
      socket.write(
        Buffer.from([`GET ${target} HTTP/1.1`, ...lines, 'Connection: close', '\r\n'].join('\r\n'), 'latin1'),
      ),
    )
    socket.on('data', (data) => {
      text += data
    })
    socket.on('close', () => resolve(Number(text.split(' ')[1]))).on('error', reject)
  })
}

const headers = { 'Sallyport-CSRF': '1', Origin: APP }
const post = (url: string, body = new URLSearchParams({ min_validity: '30' })) =>
  fetch(url, { method: 'POST', headers, body })

describe('toNodeListener()', () => {
  it('serves the backend, and says who is at the other end', async () => {
    const { bff } = await world()
    const url = await listen(toNodeListener(bff))
    expect(await (await fetch(`${url}/bff/health`)).json()).toEqual({ status: 'ok' })
    expect(await bodyOf(await post(`${url}/bff/session`))).toMatchObject({ user: null, reason: 'none' })
    expect((await post(`${url}/bff/nothing`)).status).toBe(404)
    const seen = await listen(toNodeListener({ fetch: (request) => Response.json(peerOf(request)) }))
    expect(await (await fetch(seen)).json()).toEqual({ address: '127.0.0.1', encrypted: false })
  })

  it.each([
    ['a bare server', (listener: RequestListener): RequestListener => listener],
    [
      'a host with headers of its own',
      (listener: RequestListener): RequestListener =>
        (request, response) => {
          response.setHeader('X-Frame-Options', 'DENY')
          listener(request, response)
        },
    ],
  ])('answers in %s what fetch() answers, header by header and byte by byte', async (_name, around) => {
    const { bff, tab, browser, advance } = await world(
      {},
      { users: [{ sub: 'alice', name: `Zoë 世界 ${'x'.repeat(700)}` }] },
    )
    await begin(tab)
    await signIn(tab)
    // Idle time is due to be written: the answer sets a cookie.
    advance(600)
    const url = await listen(around(toNodeListener(bff)))
    const cookie = `${browser.jar.header(`${APP}/`)}; __Host-Http-sallyport.logout=x`
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const requests: [string, RequestInit][] = [
      ['/session', { headers }],
      ['/session?touch=false', { headers: { ...headers, Cookie: cookie } }],
      ['/session', { method: 'POST', headers: { ...headers, Cookie: cookie } }],
      ['/session', { method: 'POST', headers: { ...headers, ...form, Cookie: cookie }, body: 'scope=openid' }],
      ['/session', { method: 'OPTIONS', headers }],
      ['/session', { method: 'PUT', headers, body: 'x' }],
      ['/token', { method: 'POST', headers: { ...headers, ...form }, body: 'grant_type=refresh_token' }],
      ['/session', { method: 'POST', headers: { ...headers, ...form }, body: 'x'.repeat(20_000) }],
      ['/logout/continue', { headers: { Cookie: cookie, 'Sec-Fetch-Mode': 'cors' } }],
      ['/nothing', {}],
    ]
    for (const [path, init] of requests) {
      const ours = await bff.fetch(new Request(`${APP}/bff${path}`, init))
      const theirs = await fetch(`${url}/bff${path}`, init)
      expect(theirs.status, path).toBe(ours.status)
      for (const [name, value] of ours.headers) if (name !== 'set-cookie') expect(theirs.headers.get(name)).toBe(value)
      const names = (response: Response) => response.headers.getSetCookie().map((line) => line.split('=')[0])
      if (names(ours).length) expect(names(theirs)).toEqual(names(ours))
      expect(await theirs.text()).toBe(await ours.text())
    }
  })

  it('keeps every cookie of an answer that sets two', async () => {
    const { bff, tab, browser } = await world()
    await signIn(tab)
    const url = await listen((request, response) => {
      response.setHeader('X-Frame-Options', 'DENY')
      toNodeListener(bff)(request, response)
    })
    const answer = await fetch(`${url}/bff/logout`, {
      method: 'POST',
      headers: { ...headers, Cookie: browser.jar.header(`${APP}/`) ?? '' },
    })
    expect(answer.headers.getSetCookie().map((line) => line.split('=')[0])).toEqual([
      '__Host-Http-sallyport',
      '__Host-Http-sallyport.idle',
      '__Host-Http-sallyport.logout',
    ])
    expect(answer.headers.get('x-frame-options')).toBe('DENY')
  })

  it('answers HEAD at /health, which monitors ask with, and nowhere else', async () => {
    const { bff } = await world()
    for (const handler of [bff, { fetch: bff.fetch }]) {
      const url = await listen(toNodeListener(handler))
      const head = await fetch(`${url}/bff/health`, { method: 'HEAD' })
      expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([200, 'application/json', ''])
      expect((await fetch(`${url}/bff/session`, { method: 'HEAD', headers })).status).toBe(405)
    }
    await bff.close()
    expect((await bff.fetch(new Request(`${APP}/bff/health`, { method: 'HEAD' }))).status).toBe(503)
    const refused = await bff.fetch(new Request(`${APP}/bff/health`, { method: 'POST' }))
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  it('says one length of a body, in whatever way the handler has said it', async () => {
    for (const [own, length] of [
      [{}, '2'],
      [{ 'Content-Length': '2' }, '2'],
      [{ 'Transfer-Encoding': 'chunked' }, null],
    ] as const) {
      const url = await listen(toNodeListener({ fetch: () => new Response('ok', { headers: own }) }))
      const response = await fetch(url)
      expect([response.headers.get('content-length'), await response.text()]).toEqual([length, 'ok'])
    }
  })

  it('leaves the globals of the host alone', async () => {
    const before = [globalThis.Request, globalThis.Response]
    const { bff } = await world()
    await fetch(await listen(toNodeListener(bff)))
    expect([globalThis.Request, globalThis.Response]).toEqual(before)
  })

  it('[P-14] answers 400 to a Host that is none and to two of them, and 500 without words to a handler that throws', async () => {
    const { bff } = await world()
    const { port } = new URL(await listen(toNodeListener(bff)))
    const status = await new Promise((resolve) => {
      httpRequest({ port, host: '127.0.0.1', path: '/bff/health', headers: { Host: 'a b' } }, ({ statusCode }) =>
        resolve(statusCode),
      ).end()
    })
    expect(status).toBe(400)
    // Anything that answers, guards of Express, and upgrades too.
    const protect = createGuard({ resource: 'https://api.example.com', accept: [accessToken({ issuer: ISSUER })] })
    const guarded = express().use(toExpressGuard(protect)({ scopes: ['x'] }))
    for (const [listener, alone] of [
      [toNodeListener({ fetch: () => new Response('ok') }), 200],
      [express().use(toExpress(bff)), 200],
      [guarded, 401],
    ] as const) {
      const at = await listen(listener)
      expect(await statusOf(at, ['Host: app.example.com'])).toBe(alone)
      expect(await statusOf(at, ['Host: app.example.com', 'Host: app.example.com'])).toBe(400)
    }
    const broken = await listen(toNodeListener({ fetch: () => Promise.reject(new Error('secret words')) }))
    const response = await fetch(broken)
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('secret')
  })
})

describe('the bytes of a cookie', () => {
  it('[B-30][B-30 twin] are compared as they come over the wire', async () => {
    const { bff, tab, browser } = await world({ store: 'memory' })
    await signIn(tab)
    const url = await listen(toNodeListener({ fetch: (request) => bff.fetch(request) }))
    const bare = await listen(toNodeListener(bff))
    const ours = browser.jar.header(`${APP}/`) ?? ''
    const cookies: [line: string, sub: string | undefined][] = [
      [ours, 'alice'],
      [` \t ${ours} \t `, 'alice'],
      [`a=1;\t${ours.replace('=', ' = ')}\t;b`, 'alice'],
      ...[...'\xa0\x85\xad\xc2x_'].flatMap((byte): [string, undefined][] => [
        [`${byte}${ours}`, undefined],
        [ours.replace('=', `${byte}=`), undefined],
        [`a=1; ${byte}${ours}`, undefined],
      ]),
      [`__host-Http-${ours.slice(12)}`, undefined],
      [ours.toUpperCase(), undefined],
    ]
    for (const [line, sub] of cookies)
      for (const at of [url, bare]) expect(await subOf(at, line), JSON.stringify(line.slice(0, 40))).toBe(sub)
    // No request at all to Node.
    for (const line of [`\0${ours}`, ours.replace('=', '\0=')])
      expect(await statusOf(bare, ['Host: app.example.com', `Cookie: ${line}`], '/bff/session')).toBe(400)
  })
})

/** Who is here, by a cookie whose bytes are these. */
async function subOf(url: string, Cookie: string): Promise<string | undefined> {
  const { port } = new URL(url)
  return new Promise((resolve, reject) => {
    httpRequest({ port, host: '127.0.0.1', path: '/bff/session', headers: { ...headers, Cookie } }, async (answer) => {
      resolve(JSON.parse(await text(answer)).user?.sub)
    })
      .on('error', reject)
      .end()
  })
}

describe('toExpress()', () => {
  const mounted = async (use: (app: express.Express, middleware: ReturnType<typeof toExpress>) => void) => {
    const { bff } = await world()
    const app = express()
    use(app, toExpress(bff))
    app.use((_request: express.Request, response: express.Response) => void response.status(418).end())
    app.use(
      (
        error: { code?: string; message: string },
        _request: express.Request,
        response: express.Response,
        _next: express.NextFunction,
      ) => {
        response.status(500).json({ code: error.code, message: error.message })
      },
    )
    return listen(app)
  }

  it.each<[string, Parameters<typeof mounted>[0]]>([
    ['under its path', (app, bff) => app.use('/bff', bff)],
    ['after urlencoded()', (app, bff) => app.use(express.urlencoded({ extended: false })).use('/bff', bff)],
    [
      'after urlencoded({ extended: true }) and json()',
      (app, bff) => app.use(express.json(), express.urlencoded({ extended: true })).use('/bff', bff),
    ],
    ['after json() alone, which leaves forms be', (app, bff) => app.use(express.json()).use('/bff', bff)],
    ['in a router', (app, bff) => app.use(express.Router().use('/bff', bff))],
  ])('works %s', async (_name, use) => {
    const url = await mounted(use)
    expect((await fetch(`${url}/bff/health`)).status).toBe(200)
    expect((await fetch(`${url}/else`)).status).toBe(418)
    expect((await post(`${url}/bff/session`)).status).toBe(200)
    // The form arrives: a parameter that is not known is refused, a resource may stand twice.
    expect((await post(`${url}/bff/session`, new URLSearchParams({ unknown: '1' }))).status).toBe(400)
    const twice = new URLSearchParams([
      ['resource', 'https://api.example.com'],
      ['resource', 'https://other.example.com'],
    ])
    expect((await post(`${url}/bff/session`, twice)).status).toBe(200)
    expect((await fetch(`${url}/bff/session`, { headers })).status).toBe(200)
  })

  it('judges the target before a URL parser mends it, also when the form was parsed before', async () => {
    const url = await mounted((app, bff) => app.use(express.urlencoded({ extended: false })).use('/bff', bff))
    const status = (path: string) =>
      new Promise((resolve) => {
        const form = { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' }
        const options = { port: new URL(url).port, host: '127.0.0.1', method: 'POST', path, headers: form }
        httpRequest(options, ({ statusCode }) => resolve(statusCode)).end('min_validity=30')
      })
    for (const path of ['/bff/x/../session', '/bff/%2e/session', '/bff/x%2f../session', '/bff//session'])
      expect(await status(path), path).toBe(400)
    expect(await status('/bff/session')).toBe(200)
  })

  it('refuses a body that another parser has consumed, and names the order', async () => {
    const url = await mounted((app, bff) => app.use(express.text({ type: '*/*' })).use('/bff', bff))
    const response = await post(`${url}/bff/session`)
    expect(response.status).toBe(500)
    expect(await response.json()).toMatchObject({
      code: 'body_already_read',
      message: expect.stringContaining('above app.use(express.json())'),
    })
  })
})
