import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { toNodeListener } from 'sallyport/node'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { APP, ISSUER, type World, world } from '../world.js'

const servers: Server[] = []
afterEach(() => {
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

/** What the API was sent, and how it answers. */
let seen: IncomingMessage[] = []
let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {}
let url = ''
let events: World['events'] = []
let cookie = ''

afterEach(() => vi.unstubAllGlobals())

/** A backend whose calls to APIs go through the rim's own connections, or through the application's `fetch`. */
async function start(through: 'connections' | 'fetch'): Promise<void> {
  seen = []
  answer = (_request, response) => response.end('ok')
  const upstream = await listen((request, response) => {
    seen.push(request)
    answer(request, response)
  })
  const real = fetch
  const network: typeof fetch = (input, init) =>
    new URL(input instanceof Request ? input.url : `${input}`).origin === ISSUER
      ? here.as.fetch(input, init)
      : real(input, init)
  vi.stubGlobal('fetch', network)
  const here: World = await world({
    mode: 'proxy',
    routes: { notes: { upstream: `${upstream}/v1`, limit: 2 ** 30 }, admin: { upstream: `${upstream}/admin` } },
    ...(through === 'fetch' && { fetch: network }),
  })
  await here.tab.navigate(`${APP}/bff/login`)
  cookie = here.browser.jar.header(`${APP}/`) ?? ''
  events = here.events
  url = await listen(toNodeListener(here.bff))
}

const headers = () => ({ 'Sallyport-CSRF': '1', Cookie: cookie })

/** Writes bytes to the socket and reads the status of what comes back. */
function raw(target: string, more: string[] = []): Promise<number> {
  const { port } = new URL(url)
  const lines = [`GET ${target} HTTP/1.1`, 'Host: app.example.com', 'Sallyport-CSRF: 1', `Cookie: ${cookie}`, ...more]
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(Buffer.from([...lines, 'Connection: close', '\r\n'].join('\r\n'), 'latin1')),
    )
    socket.on('data', (data) => {
      text += data
    })
    socket.on('close', () => resolve(Number(text.split(' ')[1]))).on('error', reject)
  })
}

describe.each(['connections', 'fetch'] as const)('the proxy behind a socket, through %s', (through) => {
  beforeEach(() => start(through))

  it.each([
    '/bff/api/notes/../admin/x',
    '/bff/api/notes/../../admin/x',
    '/bff/api/./admin/x',
    '/bff/api/notes/%2e%2e/admin/x',
    '/bff/api/notes/%2E./admin/x',
    '/bff/api/notes/..%2fadmin',
    '/bff/api/notes/..%5cadmin',
    '/bff/api/notes/\\admin',
    '/bff/api//notes/x',
    '/bff/api/notes//evil.example/x',
    '/bff/api/notes/;/x',
    '/bff/api/notes/a;b=c/x',
    '/bff/api/notes/%00',
    '/bff/api/notes/%0d%0aX:%201',
    '/bff/api/notes/%252e%252e/admin',
    '/bff/api/notes/%c0%ae%c0%ae/admin',
    '/bff/api/notes/%C0%AF',
    '/bff/api/notes/x%e9y',
    '/bff/api/notes/%ed%a0%80',
    '/bff/api/notes/%f5%80%80%80',
    '/bff/api/notes/%e2%82',
    '/bff/api/notes/x?a=%c0%ae%c0%ae',
    '/bff/api/notes/x?a=b%2520&c=%e9',
    '/bff/api/notes/x?a=\xe9',
    '/bff/api/notes/x?a=\xc3\xa9',
    '/bff/api/notes/x?a=b#c',
    '/bff/api/notes/%',
    '/bff/api/notes/%zz',
    '/bff/api/notes/\x01',
    '/bff/api/notes/\xe9',
    'http://evil.example/bff/api/notes/x',
    'http://app.example.com/bff/api/notes/x',
    'bff/api/notes/x',
    '*',
  ])('[F-76][F-77][P-01][P-02][P-14] answers 400 to the target %j, and calls nobody', async (target) => {
    expect(await raw(target)).toBe(400)
    expect(seen).toEqual([])
  })

  it('[P-14][P-14 twin] answers 400 to two hosts, whichever comes first, and calls nobody', async () => {
    for (const line of ['Host: evil.example', 'host: app.example.com', 'HOST:'])
      for (const target of ['/bff/api/notes/x', '/bff/session', '/bff/api/notes/x?a=%20'])
        expect(await raw(target, [line]), `${line} ${target}`).toBe(400)
    expect(seen).toEqual([])
    expect(await raw('/bff/api/notes/x', ['X-Host: evil.example'])).toBe(200)
  })

  it('[P-14 twin] encodes in a query what no URL holds, once, and changes nothing else', async () => {
    const kept = '?b=%22%27&c=%C3%A9%e2%82%ac&d=50%&e=%zz&f=a+b%20c&f=2&=&&g[]={x|y}^`\\~!$()*,;:@/?'
    expect(await raw(`/bff/api/notes/%C3%A9${kept}`)).toBe(200)
    expect(await raw(`/bff/api/notes/x?a=<script>&b="'`)).toBe(200)
    expect(seen.map(({ url }) => url)).toEqual([`/v1/%C3%A9${kept}`, '/v1/x?a=%3Cscript%3E&b=%22%27'])
  })

  it('[F-79][F-79 twin] encodes the Location of an API once', async () => {
    for (const [bytes, passed] of [
      ['/v1/caf\xc3\xa9?q=\xe2\x82\xac', '/bff/api/notes/caf%C3%A9?q=%E2%82%AC'],
      ['/v1/caf%C3%A9', '/bff/api/notes/caf%C3%A9'],
      ['/v1/\xe9', '/bff/api/notes/%E9'],
    ] as const) {
      answer = (_request, response) => response.writeHead(303, { Location: bytes }).end()
      const { headers: got } = await fetch(`${url}/bff/api/notes/x`, { headers: headers(), redirect: 'manual' })
      expect(got.get('location')).toBe(passed)
    }
  })

  it('[F-76 twin][F-77 twin][P-01 twin][P-02 twin] calls the API for a plain one, as it was written', async () => {
    const target = '/bff/api/notes/a%20b/c.d?x=%2F..%2F&y=1&y=2&z=a+b'
    expect(await raw(target)).toBe(200)
    expect(seen[0]?.url).toBe(target.replace('/bff/api/notes', '/v1'))
    expect(seen[0]?.headers.host).toBe(new URL(`http://${seen[0]?.headers.host}`).host)
    expect(seen[0]?.headers.host).not.toContain('app.example.com')
  })

  it('[F-81] lets nobody take our header away, and refuses a message of two lengths', async () => {
    expect(await raw('/bff/api/notes/x', ['X-User: mallory', 'Connection: X-User, Authorization'])).toBe(200)
    expect(seen[0]?.headers.authorization).toMatch(/^Bearer eyJ/)
    expect(seen[0]?.headers['x-user']).toBeUndefined()
    expect(await raw('/bff/api/notes/x', ['Content-Length: 3', 'Transfer-Encoding: chunked'])).toBe(400)
    expect(seen).toHaveLength(1)
    answer = (_request, response) => {
      response.setHeader('Connection', 'X-Secret, close')
      response.setHeader('X-Secret', '1')
      response.setHeader('Keep-Alive', 'timeout=99')
      response.end('ok')
    }
    const response = await fetch(`${url}/bff/api/notes/x`, { headers: headers() })
    expect(response.headers.get('x-secret')).toBeNull()
    expect(response.headers.get('keep-alive') ?? '').not.toContain('99')
  })

  it('[F-81 twin] carries bodies both ways', async () => {
    answer = (request, response) => request.pipe(response)
    for (const body of ['x', 'x'.repeat(100_000)]) {
      const response = await fetch(`${url}/bff/api/notes/x`, { method: 'POST', headers: headers(), body })
      expect(await response.text()).toBe(body)
    }
    expect(seen[0]?.headers['content-length']).toBe('1')
  })

  it('[P-13] takes an upload that its sender gives up for no outage, however it is sent', async () => {
    let aborted = 0
    answer = (request) => request.resume().once('close', () => aborted++)
    const before = events.length
    const { port } = new URL(url)
    /** Sends less than it says, and hangs up. */
    const giveUp = (length: string, target: string) =>
      new Promise<void>((resolve, reject) => {
        const type = 'Content-Type: application/x-www-form-urlencoded'
        const lines = [
          `POST ${target} HTTP/1.1`,
          'Host: app.example.com',
          'Sallyport-CSRF: 1',
          `Cookie: ${cookie}`,
          type,
        ]
        const socket = connect(Number(port), '127.0.0.1', () => {
          socket.write([...lines, length, '\r\n3\r\na=b'].join('\r\n'))
          // Some before their call has gone anywhere, most while it is under way.
          setTimeout(() => socket.destroy(), Math.random() * 400)
        })
        socket.on('close', () => resolve()).on('error', reject)
      })
    const ways = ['Content-Length: 1000000', 'Content-Length: 1000', 'Transfer-Encoding: chunked']
    const targets = ['/bff/api/notes/x', '/bff/api/notes/x?a=%20', '/bff/session']
    await Promise.all(
      Array.from({ length: 90 }, (_, at) =>
        giveUp(ways[at % 3] ?? '', targets[at % 9 < 3 ? 0 : at % 9 < 6 ? 1 : 2] ?? ''),
      ),
    )
    await vi.waitFor(() => expect(aborted).toBeGreaterThan(5))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(events.slice(before)).toEqual([])
    answer = (request, response) => request.pipe(response)
    const init = { method: 'POST', headers: headers(), body: 'x'.repeat(70_000) }
    expect((await (await fetch(`${url}/bff/api/notes/x`, init)).text()).length).toBe(70_000)
    // An API that hangs up is one.
    answer = (request) => request.socket.destroy()
    expect((await fetch(`${url}/bff/api/notes/x`, init)).status).toBe(502)
    expect(events.slice(before).map(({ type }) => type)).toContain('upstream_failed')
  })

  it.each([600, 777, 999, 101, 199])('[P-18] answers 502 for an API that answers %i', async (status) => {
    answer = (request) => request.socket.end(`HTTP/1.1 ${status} Odd\r\nContent-Length: 2\r\n\r\nok`)
    expect((await fetch(`${url}/bff/api/notes/x`, { headers: headers() })).status).toBe(502)
    answer = (_request, response) => response.end('ok')
    expect((await fetch(`${url}/bff/api/notes/x`, { headers: headers() })).status).toBe(200)
  })

  it('[P-18 twin] passes on every final status that there is, without a body where none can be', async () => {
    for (const status of [200, 204, 205, 206, 304, 400, 418, 451, 500, 511, 599]) {
      const none = status === 204 || status === 205 || status === 304
      answer = (_request, response) =>
        response.writeHead(status, none ? {} : { 'Content-Length': 2 }).end(none ? '' : 'ok')
      const response = await fetch(`${url}/bff/api/notes/x`, { headers: headers() })
      expect([response.status, await response.text()]).toEqual([status, none ? '' : 'ok'])
    }
    // With early hints before it, with the length that a GET would have had, with a body that must not be.
    for (const [bytes, status] of [
      ['HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 200],
      ['HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nConnection: close\r\n\r\n', 304],
      ['HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok', 205],
    ] as const) {
      answer = (request) => request.socket.end(bytes)
      expect((await fetch(`${url}/bff/api/notes/x`, { headers: headers() })).status).toBe(status)
    }
  })

  it('[P-17][P-17 twin] drops an answer header that holds the token, and no other', async () => {
    const tokenOf = (request: IncomingMessage) => (request.headers.authorization ?? '').slice(7)
    answer = (request, response) => {
      const token = tokenOf(request)
      response.setHeader('Link', `<https://x.example/?t=Bearer ${token}>; rel=next`)
      response.setHeader('ETag', `"${token}"`)
      response.setHeader('Location', `/v1/there?t=${token}`)
      response.setHeader('WWW-Authenticate', `Bearer error_description="${token}"`)
      response.setHeader('Content-Disposition', 'inline')
      response.end(token)
    }
    const response = await fetch(`${url}/bff/api/notes/x`, { headers: headers() })
    const token = tokenOf(seen.at(-1) as IncomingMessage)
    expect(token).toMatch(/^eyJ/)
    expect(JSON.stringify([...response.headers])).not.toContain(token)
    expect(response.headers.get('content-disposition')).toBe('inline')
    // A body is not looked at, as the documents say.
    expect(await response.text()).toBe(token)
    expect(JSON.stringify(events)).not.toContain(token)
    expect(events.at(-1)).toMatchObject({ type: 'operator_error', detail: expect.stringContaining('www-authenticate') })
    answer = (_request, answered) => answered.setHeader('ETag', '"eyJ"').end('ok')
    expect((await fetch(`${url}/bff/api/notes/x`, { headers: headers() })).headers.get('etag')).toBe('"eyJ"')
  })

  it('[F-85][P-13] goes at the pace of the slower side, in each direction', async () => {
    const size = 64 * 2 ** 20
    const chunk = new Uint8Array(65_536)
    let received = 0
    let written = 0
    let read = () => {}
    answer = (request, response) => {
      request.pause()
      read = () => request.on('data', (data) => (received += data.length)).resume()
      request.on('end', () => {
        const more = () => {
          while (written < size) {
            written += chunk.length
            if (!response.write(chunk)) return response.once('drain', more)
          }
          return response.end()
        }
        more()
      })
    }
    let sent = 0
    const body = new ReadableStream({
      pull(controller) {
        if (sent >= size) return controller.close()
        sent += chunk.length
        return controller.enqueue(chunk)
      },
    })
    const init = { method: 'PUT', headers: headers(), body, duplex: 'half' } as RequestInit
    const asking = fetch(`${url}/bff/api/notes/x`, init)
    // Nobody reads yet: what is under way lies in a few buffers, and no more is taken.
    const still = async (count: () => number) => {
      for (let before = -1; before !== count(); await new Promise((resolve) => setTimeout(resolve, 150)))
        before = count()
      return count()
    }
    await vi.waitFor(() => expect(seen).toHaveLength(1))
    expect(await still(() => sent)).toBeLessThan(20 * 2 ** 20)
    read()
    const response = await asking
    expect(received).toBe(size)
    expect(await still(() => written)).toBeLessThan(20 * 2 ** 20)
    let downloaded = 0
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) downloaded += part.length
    expect(downloaded).toBe(size)
  })

  it('[F-85 twin] ends the call when the one who asked has gone, and stays up', async () => {
    const ended = vi.fn()
    answer = (request, response) => {
      response.write('first')
      request.socket.once('close', ended)
    }
    const gone = new AbortController()
    const response = await fetch(`${url}/bff/api/notes/x`, { headers: headers(), signal: gone.signal })
    await response.body?.getReader().read()
    gone.abort()
    await vi.waitFor(() => expect(ended).toHaveBeenCalled())
    // Before it has begun to answer, too.
    answer = (request) => request.socket.once('close', ended)
    const second = new AbortController()
    const waiting = fetch(`${url}/bff/api/notes/x`, { headers: headers(), signal: second.signal }).catch(
      () => 'aborted',
    )
    await vi.waitFor(() => expect(seen).toHaveLength(2))
    second.abort()
    expect(await waiting).toBe('aborted')
    await vi.waitFor(() => expect(ended).toHaveBeenCalledTimes(2))
    answer = (_request, after) => after.end('ok')
    expect(await (await fetch(`${url}/bff/api/notes/x`, { headers: headers() })).text()).toBe('ok')
  })

  it('breaks off an answer that the API breaks off: nobody takes half for all', async () => {
    answer = (_request, response) => {
      response.write('half')
      setTimeout(() => response.destroy(), 20)
    }
    const response = await fetch(`${url}/bff/api/notes/x`, { headers: headers() })
    await expect(response.text()).rejects.toThrow()
  })
})
