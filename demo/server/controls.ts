import { createHash } from 'node:crypto'
import { Hono } from 'hono'
import type { DemoBackend } from './backend.js'
import type { DemoProvider } from './provider/index.js'

/** How often the page has called, by who answered. */
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

/** The backend renews no token that is younger than this, however often an API refuses it. Seconds. */
const tooYoung = 10

/**
 * What the panel of the page needs: counts to show and switches to throw. Same origin and a header, as for the backend,
 * so that no other page can throw them. No token leaves by here, only the digests that a hunt compares with.
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
    // One second more than the rule, for the fraction that `iat` does not have.
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
