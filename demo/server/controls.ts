import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import type { DemoBackend } from './backend.js'
import type { DemoProvider } from './provider/index.js'

/** The number of calls of the page, by server. */
export interface Traffic {
  bff: number
  api: number
}

export interface ControlPorts {
  origin: string
  provider: DemoProvider
  backend: DemoBackend
  traffic: Traffic
  accessTokenLifetime: number
  refuseEarlierTokens(): void
}

/** The backend does not renew a token that is younger than this, even if an API refuses it. Seconds. */
const tooYoung = 10

/**
 * The endpoints for the panel of the page: counts and switches. They require the same origin and a header, like the backend,
 * so that no other page can use them. They return no token, only the digests for the token search.
 */
export function createControls(ports: ControlPorts) {
  const { origin, provider, backend, traffic, accessTokenLifetime, refuseEarlierTokens } = ports
  const state = () => ({
    requests: traffic,
    grants: provider.grants,
    provider: { running: provider.running },
    store: backend.store,
    instances: backend.instances(),
    accessTokenLifetime,
  })

  const app = new Hono()
  app.use(async (context, next) => {
    const { req } = context
    context.header('Cache-Control', 'no-store')
    const foreign =
      (req.header('sec-fetch-site') ?? 'same-origin') !== 'same-origin' || (req.header('origin') ?? origin) !== origin
    if (foreign || req.header('sallyport-demo') !== '1') return context.json({ error: 'forbidden' }, 403)
    return next()
  })

  app.get('/demo/state', (context) => context.json(state()))

  app.get('/demo/issued', (context) =>
    context.json(
      provider.issued.map(({ kind, value }) => ({
        kind,
        length: value.length,
        sha256: createHash('sha256').update(value).digest('base64url'),
      })),
    ),
  )

  app.post('/demo/expire', (context) => {
    const newest = provider.issued.findLast(({ kind }) => kind === 'access_token')
    // One second more than the rule, because `iat` has no fraction.
    const wait = newest ? Math.ceil(newest.at + tooYoung + 1 - Date.now() / 1000) : 0
    if (wait > 0) return context.json({ wait })
    refuseEarlierTokens()
    return context.json({ wait: 0 })
  })

  app.post('/demo/provider/:wanted{start|stop}', async (context) => {
    await (context.req.param('wanted') === 'start' ? provider.start() : provider.stop())
    return context.json(state())
  })

  app.post('/demo/instances/kill', async (context) => {
    await backend.kill()
    return context.json(state())
  })

  return { fetch: (request: Request) => app.fetch(request) }
}
