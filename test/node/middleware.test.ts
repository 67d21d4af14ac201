import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { type AddressInfo, connect } from 'node:net'
import express from 'express'
import { accessToken, createGuard } from 'sallyport/guard'
import { type Handler, toExpress, toExpressGuard, toNodeListener } from 'sallyport/node'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { APP, ISSUER, world } from '../world.js'

type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void

/** Version 1.10.0, with on-headers 1.0: it replaces `writeHead`, and reads its headers as an object or as a list of pairs. */
const morgan: (format: string, options: { stream: { write(line: string): void } }) => Middleware = createRequire(
  import.meta.url,
)('morgan')

const closing: Array<() => void> = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(
    () => server.closeAllConnections(),
    () => server.close(),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const headers = { 'Sallyport-CSRF': '1', Origin: APP }

/** Errors that reached Express, and its answer to them. */
const errors: unknown[] = []
afterEach(() => void errors.splice(0))
function withErrorHandler(app: express.Express): express.Express {
  return app.use(
    (error: unknown, _request: express.Request, response: express.Response, next: express.NextFunction) => {
      errors.push(error)
      if (response.headersSent) next(error)
      else response.status(500).json({ handled: true })
    },
  )
}

/** The ways in which a handler stands behind middleware. */
const hosts: readonly (readonly [string, (handler: Handler, middleware: Middleware) => RequestListener])[] = [
  [
    'toNodeListener()',
    (handler, middleware) => {
      const listener = toNodeListener(handler)
      return (request, response) => middleware(request, response, () => listener(request, response))
    },
  ],
  ['toExpress()', (handler, middleware) => withErrorHandler(express().use(middleware).use(toExpress(handler)))],
]

const streamOf = (text: string) => {
  const cancelled = vi.fn()
  let sent = false
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      if (sent) return controller.close()
      sent = true
      controller.enqueue(new TextEncoder().encode(text))
    },
    cancel: cancelled,
  })
  return { body, cancelled }
}

/** Answers in the ways that there are: plain data, a Response, a stream. */
const handlers: readonly (readonly [string, () => Promise<Handler>, string])[] = [
  ['the backend', async () => (await world()).bff, '{"status":"ok"}'],
  ['a backend that is wrapped', async () => ({ fetch: (await world()).bff.fetch }), '{"status":"ok"}'],
  ['a stream', async () => ({ fetch: () => new Response(streamOf('text').body) }), 'text'],
  ['nothing', async () => ({ fetch: () => new Response(null, { status: 204 }) }), ''],
]

describe.each(hosts)('behind middleware, %s', (_host, around) => {
  it.each(handlers)('[B-41][B-41 twin] answers as without it behind morgan 1.10: %s', async (_name, handler, text) => {
    const lines: string[] = []
    const log = morgan(':status :res[content-length] :res[content-type]', {
      stream: { write: (line) => lines.push(line) },
    })
    const inner = await handler()
    const bare = await fetch(`${await listen(around(inner, (_request, _response, next) => next()))}/bff/health`)
    const answer = await fetch(`${await listen(around(inner, log))}/bff/health`)
    const shown = (response: Response) => [...response.headers].filter(([name]) => name !== 'date')
    expect([answer.status, shown(answer), await answer.text()]).toEqual([bare.status, shown(bare), await bare.text()])
    if (text) expect(answer.headers.get('content-type')).toMatch(/json|text/)
    const length = answer.headers.get('content-length') ?? '-'
    await vi.waitFor(() => expect(lines).toHaveLength(1))
    expect(lines[0]).toBe(`${answer.status} ${length} ${answer.headers.get('content-type') ?? '-'}\n`)
  })

  it('[B-41] leaves an answer alone that other middleware has given meanwhile, and stops its own', async () => {
    const { body, cancelled } = streamOf('ours')
    const answered = vi.fn(async () => new Response(body))
    const timeout: Middleware = (_request, response, next) => {
      response.writeHead(503, { 'Content-Type': 'text/plain' }).write('the')
      next()
      setTimeout(() => response.end('irs'), 50)
    }
    const answer = await fetch(await listen(around({ fetch: answered }, timeout)))
    expect([answer.status, await answer.text()]).toEqual([503, 'theirs'])
    await vi.waitFor(() => expect(cancelled).toHaveBeenCalledTimes(1))
    expect(answered).toHaveBeenCalledTimes(1)
    expect(errors).toEqual([])
  })

  it('[B-41] leaves it alone, too, if its own handler fails', async () => {
    const timeout: Middleware = (_request, response, next) => {
      response.end('theirs')
      next()
    }
    const fails: Handler = { fetch: () => Promise.reject(new Error('late')) }
    const answer = await fetch(await listen(around(fails, timeout)))
    expect([answer.status, await answer.text()]).toEqual([200, 'theirs'])
  })

  it('[B-41] keeps the process up if other middleware throws when the headers are written', async () => {
    let failures = 0
    const broken: Middleware = (_request, response, next) => {
      const { writeHead } = response
      response.writeHead = () => {
        response.writeHead = writeHead
        failures++
        throw new Error('secret words')
      }
      next()
    }
    for (const [, handler] of handlers) {
      const answer = await fetch(`${await listen(around(await handler(), broken))}/bff/health`)
      expect(answer.status).toBe(500)
      expect(await answer.text()).not.toContain('secret')
    }
    expect(failures).toBe(handlers.length)
  })

  it('[B-41] writes nothing to a client that has gone', async () => {
    let gone = () => {}
    const disconnected = new Promise<void>((resolve) => {
      gone = resolve
    })
    const { body, cancelled } = streamOf('ours')
    const handler: Handler = {
      async fetch() {
        await disconnected
        return new Response(body)
      },
    }
    const watch: Middleware = (_request, response, next) => {
      response.once('close', () => setTimeout(gone, 10))
      next()
    }
    const { port } = new URL(await listen(around(handler, watch)))
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.write('GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n')
      setTimeout(() => socket.destroy(), 30)
    })
    await vi.waitFor(() => expect(cancelled).toHaveBeenCalledTimes(1))
    expect(errors).toEqual([])
  })

  it('keeps the cookies that other middleware has set before', async () => {
    const theirs: Middleware = (_request, response, next) => {
      response.setHeader('Set-Cookie', ['a=1', 'b=2'])
      next()
    }
    const handler: Handler = {
      fetch: () => new Response('x', { headers: { 'Set-Cookie': 'c=3', 'Content-Type': 'text/plain' } }),
    }
    const answer = await fetch(await listen(around(handler, theirs)))
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2', 'c=3'])
  })
})

describe('what a handler throws', () => {
  const thrown = new Error('secret words')

  it('goes to next(error) in Express, and is a 500 without words otherwise', async () => {
    const fails: Handler[] = [
      { fetch: () => Promise.reject(thrown) },
      {
        fetch: () => {
          throw thrown
        },
      },
    ]
    for (const handler of fails) {
      const bare = await fetch(await listen(toNodeListener(handler)))
      expect([bare.status, await bare.text()]).toEqual([500, ''])
      const mounted = withErrorHandler(express().use('/bff', toExpress(handler)))
      const answer = await fetch(`${await listen(mounted)}/bff/x`)
      expect([answer.status, await answer.json()]).toEqual([500, { handled: true }])
      expect(errors.splice(0)).toEqual([thrown])
    }
  })
})

it('[B-41] a guard of Express leaves an answer alone that has been given meanwhile', async () => {
  const protect = createGuard({ resource: 'https://api.example.com', accept: [accessToken({ issuer: ISSUER })] })
  const early: Middleware = (_request, response, next) => {
    response.end('theirs')
    next()
  }
  const app = withErrorHandler(
    express()
      .use(early)
      .use(toExpressGuard(protect)({ scopes: ['x'] })),
  )
  const answer = await fetch(await listen(app), { headers })
  expect([answer.status, await answer.text()]).toEqual([200, 'theirs'])
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect(errors).toEqual([])
})
