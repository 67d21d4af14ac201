import { randomUUID } from 'node:crypto'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BffOptions, createBff } from 'sallyport/bff'
import { toNodeListener } from 'sallyport/node'
import { mockAuthorizationServer } from 'sallyport/testing'
import { build, type Rolldown } from 'vite'
import { alias } from '../../vite.config.js'

const app = fileURLToPath(new URL('./app', import.meta.url))
let built: Promise<Map<string, string>> | undefined

/** The page of these tests, bundled from the sources; once for each process. */
async function bundle(): Promise<Map<string, string>> {
  const { NODE_ENV } = process.env
  const { output } = (await build({
    root: app,
    configFile: false,
    logLevel: 'error',
    resolve: { alias },
    build: {
      write: false,
      target: 'es2022',
      rolldownOptions: { input: ['index.html', 'guarded.html'].map((name) => join(app, name)) },
    },
  })) as Rolldown.RolldownOutput
  // A build says `production` for the whole process.
  process.env['NODE_ENV'] = NODE_ENV
  return new Map(output.map((file) => [`/${file.fileName}`, file.type === 'chunk' ? file.code : `${file.source}`]))
}

const frame = `<!doctype html><title>Frame</title>
<script>addEventListener('message', ({ data }) => { window.heard = data })</script>
<iframe sandbox="allow-scripts" src="/"></iframe>`

/** What a body says: the fields of a form one after another, else its text. */
async function contentOf(body: Buffer, type: string): Promise<string> {
  if (!/^(multipart|application\/x-www)/.test(type)) return body.toString()
  const form = await new Response(new Uint8Array(body), { headers: { 'Content-Type': type } }).formData()
  const texts = [...form.values()].map((value) => (typeof value === 'string' ? value : value.text()))
  return (await Promise.all(texts)).join('')
}

export type Place = Awaited<ReturnType<typeof startPlace>>

/** An app with a real backend, an API on its origin, and a provider with a page to stop at; on free loopback ports. */
export async function startPlace({
  mode = 'token-mediating',
  redirect_uri = '/callback',
  guarded = false,
}: {
  mode?: BffOptions['mode'] & string
  redirect_uri?: string
  /** The page of `redirect_uri` is the one with a guarded view, like `/guarded`. */
  guarded?: boolean
} = {}) {
  built ??= bundle()
  const files = await built
  const servers: Server[] = []
  async function listen(listener: RequestListener): Promise<string> {
    const server = createServer(listener)
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return `http://localhost:${(server.address() as AddressInfo).port}`
  }

  /** Whether the provider stops people with a page, and what headers that has. */
  const provider = { stops: false, headers: {} as Record<string, string> }
  /** Tokens that the API refuses with this challenge, and what it was sent. */
  const api = { challenge: '', refused: new Set<string>(), got: [] as string[] }

  const issuer = await listen((request, response) => {
    const stop = provider.stops && request.url?.startsWith('/authorize') && !request.url.includes('&passed=1')
    if (!stop) return answer(request, response)
    response.writeHead(200, { 'Content-Type': 'text/html', ...provider.headers })
    return response.end(
      `<!doctype html><title>Provider</title><a id="pass" href="${request.url}&amp;passed=1">Go on</a>`,
    )
  })

  const url = await listen(async (request, response) => {
    const path = request.url?.replace(/[?#].*/, '') ?? '/'
    // A sandboxed frame of this page has no origin: everything of it is of another one.
    response.setHeader('Access-Control-Allow-Origin', '*')
    if (path.startsWith('/bff')) return backend(request, response)
    if (path === '/settings.json')
      return response.end(JSON.stringify({ redirect_uri, ...(mode === 'proxy' && { route: 'echo' }) }))
    if (path === '/echo' || path === '/step') {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk)
      const body = Buffer.concat(chunks)
      const token = request.headers.authorization ?? ''
      api.got.push(`${request.method} ${path} ${body.length > 3000}`)
      if (api.refused.has(token) || (path === '/step' && api.challenge)) {
        response.writeHead(401, { 'WWW-Authenticate': api.challenge || 'Bearer error="invalid_token"' })
        return response.end()
      }
      const type = request.headers['content-type'] ?? ''
      const content = await contentOf(body, type)
      return response.end(JSON.stringify({ content, type, token: token !== '' }))
    }
    const file = files.get(path)
    response.setHeader('Content-Type', file && path.endsWith('.js') ? 'text/javascript' : 'text/html')
    const page = path === '/guarded' || (path === '/callback' && guarded) ? '/guarded.html' : '/index.html'
    return response.end(path === '/frame' ? frame : (file ?? files.get(page)))
  })

  const client_secret = randomUUID()
  const as = await mockAuthorizationServer({
    issuer,
    clients: [
      {
        client_id: 'engines',
        client_secret,
        redirect_uris: [url + redirect_uri, `${url}/bff/callback`],
        post_logout_redirect_uris: [`${url}/`],
      },
    ],
    users: [
      { sub: 'alice', name: 'Alice' },
      { sub: 'bob', name: 'Bob' },
    ],
  })
  as.signIn('alice')
  const bff = createBff({
    issuer,
    client_id: 'engines',
    client_secret,
    baseUrl: url,
    ...(mode !== 'proxy' && { redirect_uris: [url + redirect_uri] }),
    cookieKeys: [randomUUID() + randomUUID()],
    mode,
    // WebKit takes no Secure cookie over plain http.
    loopbackCookies: true,
    ...(mode === 'proxy' && { routes: { echo: { upstream: `${url}/echo` }, step: { upstream: `${url}/step` } } }),
    fetch: (input, init) =>
      String(input instanceof Request ? input.url : input).startsWith(issuer)
        ? as.fetch(input, init)
        : fetch(input, init),
  } as BffOptions)
  const answer = toNodeListener({ fetch: (request) => as.fetch(request) })
  const backend = toNodeListener(bff)

  return {
    url,
    issuer,
    as,
    provider,
    api,
    async close() {
      await bff.close()
      for (const server of servers) {
        server.closeAllConnections()
        server.close()
      }
    },
  }
}
