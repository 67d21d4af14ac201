import { providerPolicy, secure } from '../headers.js'
import { isForUs, type LoopbackServer } from '../loopback.js'
import { createStorage } from './adapter.js'
import { configuration, type ProviderSettings } from './configuration.js'
import { createInteractions, type Refusal } from './interactions.js'
import { errorPage, icon, logoutScript, stylesheet } from './pages.js'

/** One token or code that the provider has issued. In process only: no endpoint returns it. */
export interface Issued {
  kind: 'code' | 'access_token' | 'refresh_token' | 'id_token'
  value: string
  /** Epoch seconds. */
  at: number
}

export type GrantType = 'authorization_code' | 'refresh_token'

/** The embedded provider, with switches for tests and for the page's panel. */
export interface DemoProvider {
  readonly issuer: string
  readonly running: boolean
  /** Successful responses of the token endpoint since the start, by grant type. */
  readonly grants: Readonly<Record<GrantType, number>>
  /** Every code and token so far, oldest first. */
  readonly issued: readonly Issued[]
  stop(): Promise<void>
  start(): Promise<void>
  /** Seconds by which every response of the token endpoint is delayed. 0 ends it. */
  delay(seconds: number): void
  /** The next authorization request that needs interaction gets this error instead. */
  deny(refusal?: Partial<Refusal>): void
  /** Revokes all grants: the next refresh gets `invalid_grant`. */
  revoke(): void
  /** Ends every session at the provider: the next sign-in asks for the password again. */
  signOut(): void
}

const assets: Record<string, [type: string, body: string]> = {
  '/assets/pages.css': ['text/css; charset=utf-8', stylesheet],
  '/assets/icon.svg': ['image/svg+xml', icon],
  '/assets/logout.js': ['text/javascript; charset=utf-8', logoutScript],
}

/** oidc-provider requires Node 22 and warns at import; all features used here work on 20.19. */
async function importQuietly() {
  const { warn } = console
  console.warn = (...words) => /Unsupported runtime/.test(`${words[0]}`) || warn(...words)
  try {
    return await import('oidc-provider')
  } finally {
    console.warn = warn
  }
}

/** Starts an OpenID provider behind `server`, which must be open already, because its port is part of the issuer. */
export async function createProvider(server: LoopbackServer, settings: ProviderSettings): Promise<DemoProvider> {
  const { Provider, errors } = await importQuietly()
  const storage = createStorage()
  const provider = new Provider(server.origin, configuration(settings, storage, errors))
  const issued: Issued[] = []
  const grants = { authorization_code: 0, refresh_token: 0 }
  let late = 0
  let refusal: Refusal | undefined

  const note = (kind: Issued['kind'], value: unknown) => {
    if (typeof value === 'string') issued.push({ kind, value, at: Date.now() / 1000 })
  }
  provider.on('authorization.success', (_, out) => note('code', out['code']))
  provider.on('grant.success', ({ oidc, body }) => {
    const answer = body as Record<string, unknown>
    note('access_token', answer['access_token'])
    note('refresh_token', answer['refresh_token'])
    note('id_token', answer['id_token'])
    const type = oidc.params?.['grant_type']
    if (type === 'authorization_code' || type === 'refresh_token') grants[type]++
  })
  // Only the name of the error: its message may contain the request.
  provider.on('server_error', (_, { name }) => console.error(`The provider failed: ${name}`))

  const serve = provider.callback()
  const interact = createInteractions({
    provider,
    appName: settings.appName,
    appUrl: settings.appUrl,
    takeRefusal() {
      const taken = refusal
      refusal = undefined
      return taken
    },
  })

  server.handle(async (request, response) => {
    secure(response, providerPolicy(settings.appUrl))
    if (!isForUs(request, server)) {
      response.writeHead(421).end()
      return
    }
    const asset = assets[request.url ?? '']
    if (asset) {
      response.writeHead(200, { 'Content-Type': asset[0], 'Cache-Control': 'no-cache' }).end(asset[1])
      return
    }
    try {
      if (late && request.url === '/token') await new Promise((resolve) => setTimeout(resolve, late * 1000))
      if (!(await interact(request, response))) serve(request, response)
    } catch {
      if (response.headersSent) response.end()
      else
        response
          .writeHead(500, { 'Content-Type': 'text/html' })
          .end(errorPage('server_error', undefined, settings.appUrl))
    }
  })

  return {
    issuer: server.origin,
    get running() {
      return server.running
    },
    grants,
    issued,
    stop: () => server.close(),
    start: () => server.open(),
    delay(seconds) {
      late = seconds
    },
    deny({ error = 'access_denied', error_description = 'The user denied the request.' } = {}) {
      refusal = { error, error_description }
    },
    revoke: () => storage.drop((model) => /^(Grant|AuthorizationCode|AccessToken|RefreshToken)$/.test(model)),
    signOut: () => storage.drop((model) => model === 'Session'),
  }
}
