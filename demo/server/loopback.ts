import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'

const loopback = new Set(['localhost', '127.0.0.1', '::1', '[::1]'])

/** Refuses to run where strangers could reach the demo's sample users and temporary keys. */
export function assertDevelopment(host: string | undefined, environment: string | undefined): void {
  if (host !== undefined && !loopback.has(host))
    throw new Error(`The demo listens on loopback only: the host ${host} is refused. Remove it.`)
  if (environment === 'production')
    throw new Error('The demo refuses to run with NODE_ENV=production: it has a sample user with a public password.')
}

/** A server on loopback that can be stopped and restarted on the same port. */
export interface LoopbackServer {
  readonly host: string
  readonly port: number
  readonly origin: string
  readonly running: boolean
  handle(listener: RequestListener): void
  open(): Promise<void>
  close(): Promise<void>
}

/**
 * `localhost` has two addresses, and browsers may use either. So both must belong to this program.
 * Port 0 selects a free port, once.
 */
export function createLoopbackServer(host: 'localhost' | '127.0.0.1', wanted: number): LoopbackServer {
  let port = wanted
  let servers: Server[] = []
  let handler: RequestListener = (_, response) => response.writeHead(503).end()

  async function listen(address: string): Promise<Server> {
    const server = createServer((request, response) => handler(request, response))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host: address, port }, resolve)
    })
    const bound = server.address()
    if (bound && typeof bound === 'object') port = bound.port
    return server
  }

  async function close() {
    const closing = servers
    servers = []
    await Promise.all(
      closing.map((server) => {
        server.closeAllConnections()
        return new Promise((resolve) => server.close(resolve))
      }),
    )
  }

  return {
    host,
    get port() {
      return port
    },
    get origin() {
      return `http://${host}:${port}`
    },
    get running() {
      return servers.length > 0
    },
    handle(listener) {
      handler = listener
    },
    async open() {
      if (servers.length) return
      try {
        servers = [await listen('127.0.0.1')]
        if (host === 'localhost')
          servers.push(
            ...(await listen('::1').then(
              (server) => [server],
              (error) => (error.code === 'EADDRINUSE' ? Promise.reject(error) : []),
            )),
          )
      } catch (cause) {
        await close()
        const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
        throw taken ? new Error(`Port ${port} is taken. Choose another one: PORT=${port + 1} npm run demo`) : cause
      }
    },
    close,
  }
}

/**
 * Whether `Host` is a name of this server. A page of another site whose name resolves to 127.0.0.1 (DNS
 * rebinding) has its own origin for the browser; only the Host header reveals it.
 */
export const isForUs = (request: IncomingMessage, server: LoopbackServer): boolean =>
  request.headers.host === `${server.host}:${server.port}`

/** Redirects other loopback names of the app to the right one; refuses all other hosts. */
export function redirectToUs(request: IncomingMessage, response: ServerResponse, server: LoopbackServer): void {
  const host = request.headers.host?.replace(/:\d+$/, '')
  if (host && loopback.has(host) && request.method === 'GET')
    response.writeHead(307, { Location: server.origin, 'Cache-Control': 'no-store' }).end()
  else response.writeHead(421, { 'Content-Type': 'text/plain' }).end('This host is not served here.')
}
