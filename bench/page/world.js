// One origin with every library's page, one provider that speaks each library's dialect, one clock for all.
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createBff } from 'sallyport/bff'
import { toNodeListener } from 'sallyport/node'
import { memoryStore } from 'sallyport/store'
import { mockAuthorizationServer } from 'sallyport/testing'
import { generate } from 'selfsigned'

const scope = 'openid profile offline_access'
const secret = () => randomBytes(32).toString('hex')
const text = async (stream) => {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const listen = async (server) => {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server.address().port
}

/** keycloak-js looks into refresh tokens, which are JWTs there: it gets one around the provider's own. */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const readable = (body) =>
  body.replace(
    /"refresh_token":"([^"]+)"/,
    (_, token) => `"refresh_token":"${encode({ alg: 'none' })}.${encode({ token, exp: 9e9 })}.x"`,
  )
const opaque = (form) =>
  form.replace(
    /refresh_token=[\w-]+\.([\w-]+)\.x/,
    (_, payload) => `refresh_token=${JSON.parse(Buffer.from(payload, 'base64url')).token}`,
  )

/** `pages`: files by path. */
export async function createWorld(pages, names) {
  let skew = 0
  const now = () => Date.now() / 1000 + skew
  const pem = await generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048 })
  const provider = createTlsServer({ key: pem.private, cert: pem.cert }, (request, response) =>
    answer(request, response),
  )
  // For authkit-js: its cookies have to be of the page's own site, scheme included.
  const plain = createServer((request, response) => answer(request, response))
  const app = createServer((request, response) => serve(request, response))
  const issuer = `https://localhost:${await listen(provider)}/`
  const plainIssuer = `http://localhost:${await listen(plain)}/`
  const origin = `http://localhost:${await listen(app)}`
  const client_secret = secret()
  const as = await mockAuthorizationServer({
    issuer,
    now,
    clients: [
      { client_id: 'bff', client_secret, redirect_uris: [`${origin}/c/sallyport/callback`] },
      {
        client_id: 'spa',
        token_endpoint_auth_method: 'none',
        redirect_uris: [
          `${origin}/silent.html`,
          ...names.flatMap((name) => ['', 'callback', 'silent-callback'].map((path) => `${origin}/c/${name}/${path}`)),
        ],
      },
    ],
    users: [{ sub: 'alice', name: 'Alice', email: 'alice@example.com' }],
  })
  as.signIn('alice')
  const bff = createBff({
    issuer,
    client_id: 'bff',
    client_secret,
    baseUrl: origin,
    cookieKeys: [secret()],
    loopbackCookies: true,
    redirect_uris: [`${origin}/c/sallyport/callback`],
    scope,
    store: memoryStore({ now }),
    fetch: (input, init) => as.fetch(input, init),
    now,
  })
  const toBff = toNodeListener(bff)

  function serve(request, response) {
    const path = request.url.replace(/[?#].*/, '')
    if (path.startsWith('/bff/')) return toBff(request, response)
    const page = pages.get(path) ?? pages.get(path.replace(/[^/]*$/, ''))
    if (path === '/blank.html' || path === '/silent.html') {
      const script =
        path === '/silent.html' ? '<script>parent.postMessage(location.href, location.origin)</script>' : ''
      return response.setHeader('Content-Type', 'text/html').end(`<!doctype html>${script}`)
    }
    if (!page) return response.writeHead(404).end()
    response.setHeader('Content-Type', page.type).setHeader('Content-Encoding', 'br')
    return response.end(page.body)
  }

  /** What WorkOS' API adds to a token answer: a person, and a cookie that holds the refresh token. */
  async function authenticate(request, response) {
    const body = JSON.parse(await text(request))
    const cookie = /refresh=([^;]*)/.exec(request.headers.cookie ?? '')?.[1]
    const form = new URLSearchParams({
      ...body,
      ...(body.grant_type === 'refresh_token'
        ? { refresh_token: cookie ?? '' }
        : { redirect_uri: `${origin}/c/authkit-js/callback` }),
    })
    const answered = await as.fetch(`${issuer}token`, { method: 'POST', body: form })
    const tokens = await answered.json()
    if (tokens.refresh_token)
      response.setHeader('Set-Cookie', [
        `refresh=${tokens.refresh_token}; Path=/user_management; HttpOnly; SameSite=Lax`,
        'workos-has-session=1; Path=/; SameSite=Lax',
      ])
    const user = { object: 'user', id: 'alice', email: 'alice@example.com' }
    response.writeHead(answered.status, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(answered.ok ? { ...tokens, user } : tokens))
  }

  async function answer(request, response) {
    response
      .setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*')
      .setHeader('Access-Control-Allow-Credentials', 'true')
      .setHeader('Access-Control-Allow-Headers', request.headers['access-control-request-headers'] ?? '*')
      .setHeader('Access-Control-Expose-Headers', 'dpop-nonce')
    if (request.method === 'OPTIONS') return response.writeHead(204).end()
    const url = new URL(issuer.slice(0, -1) + request.url)
    if (url.pathname.endsWith('/3p-cookies/step1.html')) {
      // Keycloak's question whether its cookies reach a frame.
      response.setHeader('Content-Type', 'text/html')
      return response.end("<script>parent.postMessage('supported', '*')</script>")
    }
    if (url.pathname === '/user_management/authenticate') return authenticate(request, response)
    const keycloak = url.pathname.includes('/realms/')
    url.pathname = url.pathname
      .replace(/^\/+/, '/')
      .replace('/realms/bench/protocol/openid-connect/auth', '/authorize')
      .replace('/realms/bench/protocol/openid-connect/token', '/token')
      .replace('/realms/bench/.well-known', '/.well-known')
      .replace('/oauth/token', '/token')
      .replace('/user_management/authorize', '/authorize')
    if (url.pathname === '/authorize' && !url.searchParams.has('scope')) url.searchParams.set('scope', scope)
    const mode = url.searchParams.get('response_mode')
    if (mode === 'web_message' || mode === 'fragment') url.searchParams.delete('response_mode')
    const asked = new Request(url, {
      method: request.method,
      headers: Object.entries(request.headers).filter(([name]) => /^(content-type|dpop|authorization)$/.test(name)),
      ...(request.method === 'POST' && { body: opaque(await text(request)) }),
    })
    const said = await as.fetch(asked)
    const location = said.headers.get('location')
    if (location && mode === 'web_message') {
      const { searchParams, origin: target } = new URL(location)
      const message = JSON.stringify({ type: 'authorization_response', response: Object.fromEntries(searchParams) })
      response.setHeader('Content-Type', 'text/html')
      return response.end(`<script>parent.postMessage(${message}, '${target}')</script>`)
    }
    if (location) response.setHeader('Location', mode === 'fragment' ? location.replace('?', '#') : location)
    response.setHeader('Content-Type', said.headers.get('content-type') ?? 'text/plain')
    const nonce = said.headers.get('dpop-nonce')
    if (nonce) response.setHeader('DPoP-Nonce', nonce)
    const body = await said.text()
    return response.writeHead(said.status).end(keycloak ? readable(body) : body)
  }

  return {
    as,
    origin,
    settings: { issuer, plainIssuer, scope },
    /** Seconds by which everybody's clock is ahead from now on. */
    get skew() {
      return skew
    },
    pass(seconds) {
      skew += seconds
    },
    async close() {
      await bff.close()
      for (const server of [app, provider, plain]) {
        server.closeAllConnections()
        server.close()
      }
    },
  }
}
