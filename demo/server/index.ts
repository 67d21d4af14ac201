import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { BffOptions, SiteOptions } from 'sallyport/bff'
import { accessToken, createGuard, peerOf } from 'sallyport/guard'
import { type ApiKeys, apiKey, createApiKeys } from 'sallyport/keys'
import { toNodeListener } from 'sallyport/node'
import { type AgentDesk, openAgentDesk } from './agents/index.js'
import { agentScopes, decide } from './agents/registry.js'
import { type DemoBackend, startBackend } from './backend.js'
import { createControls, type Traffic } from './controls.js'
import { demoFolder } from './folder.js'
import { secure } from './headers.js'
import { createKeyConsole } from './keys.js'
import { assertDevelopment, createLoopbackServer, isForUs, redirectToUs } from './loopback.js'
import { createNotesApi } from './notes.js'
import { buildPage, servePage } from './page.js'
import { createProvider, type DemoProvider } from './provider/index.js'
import { alice, bob, tenant } from './provider/people.js'
import type { StoreOptions } from './store.js'
import { createUsage } from './usage.js'

export interface DemoOptions {
  /** Default 5173; 0 selects a free port. */
  port?: number
  /** Default `localhost`. Anything that is not loopback is refused. */
  host?: string
  /** Seconds, default 60: short, so that you can watch renewals. */
  accessTokenLifetime?: number
  /** Seconds after a sign-in in which all notes may be deleted without a new sign-in. Default 60. */
  freshness?: number
  /** Where sessions are stored. Default: in memory, or with several instances in a Redis that the demo starts. */
  store?: StoreOptions
  /** The number of backend processes behind one origin, 1 to 8. Default 1: this process. */
  instances?: number
  /** Packages for the build of the React page, by name, to try another version. */
  react?: Readonly<Record<string, string>>
  /** Prints nothing. Default `false`: prints the address when the demo is ready. */
  quiet?: boolean
  /** Backend settings that a test overrides, for example time limits. */
  bff?: Partial<SiteOptions>
}

export interface Demo {
  /** The address of the app. */
  readonly url: string
  readonly issuer: string
  /** The resource indicator of the notes API. */
  readonly resource: string
  /** The user who can sign in. */
  readonly person: { readonly username: string; readonly password: string }
  readonly administrator: { readonly username: string; readonly password: string }
  readonly provider: DemoProvider
  /** The number of requests of all pages so far, by server. */
  readonly requests: Readonly<Traffic>
  /** Makes the notes API respond with 401 to every token issued before this second. */
  refuseEarlierTokens(): void
  /** Starts or ends an outage between page and backend (both backends respond with 503 and HTML, like a gateway). */
  outage(on: boolean): void
  readonly backend: DemoBackend
  /** The API keys of all users, for the operator of the API. */
  readonly keys: ApiKeys
  /** Agents, approvals and trail, for their operator. */
  readonly agents: AgentDesk['registry']
  close(): Promise<void>
}

const appName = 'Fieldnotes'
const scopes = ['notes:read', 'notes:write'] as const
/** The scopes of a user’s token: their own, and those that they can delegate to agents. */
const allScopes = [...scopes, ...agentScopes]
const keyPrefix = 'demo_key'

/**
 * Starts everything: the provider on 127.0.0.1, and page, backends and API on localhost. Cross-site, as in production.
 * There is one backend for each mode, `/bff` and `/proxy`: the page chooses.
 */
export async function startDemo(options: DemoOptions = {}): Promise<Demo> {
  const { port = 5173, accessTokenLifetime = 60, quiet = false, instances = 1, freshness = 60 } = options
  assertDevelopment(options.host, process.env['NODE_ENV'])
  const folder = demoFolder()
  const page = buildPage({ root: folder, base: '/', views: ['callback', 'devices', 'keys', 'agents'] })
  const react = buildPage({
    root: join(folder, 'react'),
    base: '/react/',
    views: ['callback', 'account', 'goodbye'],
    ...(options.react && { alias: options.react }),
  })
  const app = createLoopbackServer('localhost', port)
  const providerServer = createLoopbackServer('127.0.0.1', 0)
  const backends: DemoBackend[] = []
  let desk: AgentDesk | undefined
  try {
    await Promise.all([app.open(), providerServer.open()])
    const resource = `${app.origin}/api`
    const client_id = 'fieldnotes'
    const client_secret = secret()
    const provider = await createProvider(providerServer, {
      appName,
      appUrl: app.origin,
      client_id,
      client_secret,
      resource,
      resourceScopes: allScopes,
      accessTokenLifetime,
    })
    const settings: BffOptions = {
      issuer: provider.issuer,
      client_id,
      client_secret,
      baseUrl: app.origin,
      cookieKeys: [secret()],
      scope: ['openid profile email offline_access', ...allScopes].join(' '),
      resources: { [resource]: { scopes: allScopes } },
      loopbackCookies: true,
      // Short, so that you can see the warning before the end.
      idleTimeout: 300,
      // Separate backend processes cannot report this; their agents' tokens end with the user’s token, a minute later.
      onEvent(event) {
        if (event.type === 'signed_out') desk?.signedOut(event).catch(() => console.error('delegations not ended'))
      },
      ...options.bff,
    }
    const redirect_uris = [`${app.origin}/callback`, `${app.origin}/react/callback`]
    const post_logout_redirect_uris = [`${app.origin}/`, `${app.origin}/react/goodbye`]
    const started = await startBackend(instances, options.store ?? {}, {
      redirect_uris,
      post_logout_redirect_uris,
      ...settings,
    })
    backends.push(started)
    const proxy = await startBackend(1, options.store ?? {}, {
      ...settings,
      name: 'fieldnotes-proxy',
      basePath: '/proxy',
      mode: 'proxy',
      routes: {
        notes: { upstream: `${resource}/notes`, resource },
        keys: { upstream: `${resource}/keys`, resource },
        agents: { upstream: `${resource}/agents`, resource },
      },
    })
    backends.push(proxy)
    const { records: store, ledger } = started
    const opened = await openAgentDesk({ origin: app.origin, resource, tenant, store, ledger })
    desk = opened
    const usage = createUsage(keyPrefix)
    const keys = createApiKeys({
      store,
      ledger,
      prefix: keyPrefix,
      scopes: [...scopes, 'data:read'],
      addressOf: (request) => peerOf(request)?.address,
      watch: { burst: { count: 20, seconds: 10 }, newNetworks: true },
      isOwnerActive: opened.registry.isActive,
      onEvent: usage.hear,
    })
    const people = accessToken({ issuer: provider.issuer })
    const protect = createGuard({ resource, accept: [people, apiKey(keys), opened.accept], decide })
    const notes = createNotesApi({ protect, freshness })
    const agents = opened.open(protect, keys, notes.store)
    const traffic: Traffic = { bff: 0, api: 0 }
    const { refuseEarlierTokens } = notes
    const controls = createControls({
      origin: app.origin,
      provider,
      backend: started,
      traffic,
      accessTokenLifetime,
      refuseEarlierTokens,
    })

    const toPage = servePage(new Map([...(await page), ...(await react)]))
    const toNotes = toNodeListener(usage.counted(notes))
    const toKeys = toNodeListener(createKeyConsole({ keys, scopes, protect, usage, ledger }))
    const toAgents = toNodeListener(agents.console)
    const toTools = toNodeListener(agents.tools)
    const toAgentTokens = toNodeListener(agents.endpoint)
    const toControls = toNodeListener(controls)
    let outage = false

    app.handle((request, response) => {
      secure(response)
      const path = request.url ?? '/'
      if (!isForUs(request, app)) redirectToUs(request, response, app)
      else if (/^\/(bff|proxy)\//.test(path)) {
        traffic.bff++
        if (outage) response.writeHead(503, { 'Content-Type': 'text/html' }).end('<h1>503 Service Unavailable</h1>')
        else (path.startsWith('/bff/') ? started : proxy).listener(request, response)
      } else if (path.startsWith('/api/')) {
        traffic.api++
        if (path.startsWith('/api/keys')) toKeys(request, response)
        else if (path.startsWith('/api/agents')) toAgents(request, response)
        else if (path === '/api/tools') toTools(request, response)
        else toNotes(request, response)
      } else if (path.startsWith('/agents/')) toAgentTokens(request, response)
      else if (path.startsWith('/demo/')) toControls(request, response)
      else toPage(request, response)
    })

    if (!quiet) announce(app.origin, provider.issuer, started)
    return {
      url: app.origin,
      issuer: provider.issuer,
      resource,
      person: alice,
      administrator: bob,
      provider,
      requests: traffic,
      backend: started,
      keys,
      agents: opened.registry,
      refuseEarlierTokens,
      outage(on) {
        outage = on
      },
      async close() {
        await Promise.all([app, providerServer, ...backends, ...(desk ? [desk] : [])].map((part) => part.close()))
      },
    }
  } catch (error) {
    const parts = [app, providerServer, ...backends, ...(desk ? [desk] : [])]
    await Promise.allSettled([...parts.map((part) => part.close()), page, react])
    throw error
  }
}

const secret = () => randomBytes(48).toString('hex')

function announce(url: string, issuer: string, { store, instances }: DemoBackend): void {
  const processes = instances().length
  const where = processes > 1 ? `${store}, shared by ${processes} backend processes` : store
  console.log(`\n  ${appName} is open at   ${url}`)
  console.log(`  The provider is at       ${issuer}`)
  console.log(`  Sessions are stored in   ${where}`)
  console.log(`  Sign in as               ${alice.username} / ${alice.password}   (Ctrl-C stops everything)\n`)
}
