import { createServer } from 'node:http'
import { type BffEvent, createBff } from 'sallyport/bff'
import { toNodeListener } from 'sallyport/node'
import { postgresUrl } from '../services/postgres.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'

/** What one process of a backend is told. */
export interface WorkerOptions {
  name: string
  /** `sealed`: sealed cookies, and no store. */
  engine: 'redis' | 'postgres' | 'sealed'
  enginePort: number
  issuer: string
  client_secret: string
  cookieKey: string
  /** Seconds. */
  timeout: number
}

export type WorkerCall = { type: 'advance'; seconds: number } | { type: 'close' }
export type WorkerMessage = { type: 'ready'; port: number } | { type: 'done' } | { type: 'event'; event: BffEvent }

const options: WorkerOptions = JSON.parse(process.argv[2] ?? '{}')
const say = (message: WorkerMessage) => process.send?.(message)

let offset = 0
const opening: Record<WorkerOptions['engine'], () => Promise<OpenStore> | undefined> = {
  redis: () => openRedis(options.enginePort),
  postgres: () => openPostgres(postgresUrl(options.enginePort)),
  sealed: () => undefined,
}
const opened = await opening[options.engine]()
const bff = createBff({
  issuer: options.issuer,
  client_id: 'notes',
  client_secret: options.client_secret,
  baseUrl: 'https://app.example.com',
  cookieKeys: [options.cookieKey],
  scope: 'openid offline_access notes:read',
  timeout: options.timeout,
  ...(opened && { store: opened.store }),
  now: () => Date.now() / 1000 + offset,
  // The provider's side sees which process asks.
  fetch(input, init) {
    const headers = new Headers(init?.headers)
    headers.set('X-Worker', options.name)
    return fetch(input, { ...init, headers })
  },
  onEvent: (event) => say({ type: 'event', event }),
})

const server = createServer(toNodeListener(bff))
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  const bound = server.address()
  say({ type: 'ready', port: bound && typeof bound === 'object' ? bound.port : 0 })
})

process.on('message', async (call: WorkerCall) => {
  if (call.type === 'advance') offset += call.seconds
  if (call.type === 'close') await bff.close()
  say({ type: 'done' })
})
// The parent is gone: so is the test.
process.on('disconnect', () => process.exit(0))
