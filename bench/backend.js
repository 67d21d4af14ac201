// A server process to be measured: it says where it listens and which cookies are signed in, and answers `cpu`.
import { randomBytes } from 'node:crypto'
import { Agent, createServer, request } from 'node:http'
import { createClient } from 'redis'
import { createBff } from 'sallyport/bff'
import { toNodeListener } from 'sallyport/node'
import { memoryStore } from 'sallyport/store'
import { redisStore } from 'sallyport/store/redis'
import { generateKeys, mockAuthorizationServer, mockBrowser } from 'sallyport/testing'

const origin = 'https://app.example.com'
const issuer = 'https://login.example.net'

/** A bare server: what Node itself costs. */
function bare() {
  const user = { sub: 'alice', name: 'Alice Adams', email: 'alice@example.com' }
  const fixed = JSON.stringify({ mode: 'token-mediating', user, expires_at: 1 })
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(fixed) }
  return { listener: (_, response) => response.writeHead(200, headers).end(fixed), cookies: [''] }
}

/** An API that answers small JSON. */
function api() {
  const fixed = JSON.stringify({
    notes: [
      { id: 1, text: 'Buy milk' },
      { id: 2, text: 'Call Bob' },
    ],
    next: null,
  })
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(fixed) }
  return { listener: (_, response) => response.writeHead(200, headers).end(fixed), cookies: [''] }
}

/** A proxy that asks nobody who is there: what Node itself costs. */
function bareProxy(port) {
  const agent = new Agent({ keepAlive: true })
  const listener = (incoming, outgoing) => {
    const options = {
      agent,
      port,
      host: '127.0.0.1',
      method: incoming.method,
      path: incoming.url,
      headers: incoming.headers,
    }
    const call = request(options, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(call)
  }
  return { listener, cookies: [''] }
}

const stores = {
  sealed: () => undefined,
  memory: () => memoryStore(),
  async redis(port) {
    const client = await createClient({ url: `redis://127.0.0.1:${port}`, commandOptions: { timeout: 0 } }).connect()
    return redisStore({ send: (args) => client.sendCommand(args) })
  },
}

/** A backend with so many people signed in. */
async function backend(kind, sessions, port, apiPort) {
  const client_secret = randomBytes(24).toString('hex')
  const as = await mockAuthorizationServer({
    issuer,
    keys: await generateKeys(),
    clients: [{ client_id: 'notes', client_secret, redirect_uris: [`${origin}/callback`, `${origin}/bff/callback`] }],
    users: [{ sub: 'alice', name: 'Alice Adams', email: 'alice@example.com' }],
    accessTokenLifetime: 3600,
  })
  as.signIn('alice')
  const store = await stores[kind](port)
  // The backend's own network is the provider; that of the APIs is real.
  globalThis.fetch = as.fetch
  const bff = createBff({
    issuer,
    client_id: 'notes',
    client_secret,
    baseUrl: origin,
    cookieKeys: [randomBytes(32).toString('hex')],
    scope: 'openid profile email offline_access',
    ...(store && { store }),
    ...(apiPort && { mode: 'proxy', routes: { notes: { upstream: `http://127.0.0.1:${apiPort}`, limit: 2 ** 31 } } }),
  })
  const cookies = []
  for (let at = 0; at < sessions; at++) cookies.push(await (apiPort ? signInByNavigation : signIn)(bff, as))
  return { listener: toNodeListener(bff), cookies }
}

async function signInByNavigation(bff, as) {
  const browser = mockBrowser({ origins: { [origin]: bff.fetch, [issuer]: as.fetch } })
  await browser.newTab(`${origin}/`).navigate(`${origin}/bff/login`)
  return browser.jar.header(`${origin}/`)
}

async function signIn(bff, as) {
  const browser = mockBrowser({ origins: { [origin]: bff.fetch, [issuer]: as.fetch } })
  const tab = browser.newTab(`${origin}/`)
  const headers = { 'Sallyport-CSRF': '1' }
  const post = async (path, fields) =>
    (await tab.fetch(`/bff${path}`, { method: 'POST', headers, body: new URLSearchParams(fields) })).json()
  const code_verifier = randomBytes(32).toString('base64url')
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(code_verifier))
  const state = randomBytes(16).toString('hex')
  const { location } = await post('/transaction', {
    response_type: 'code',
    client_id: 'notes',
    redirect_uri: `${origin}/callback`,
    state,
    nonce: randomBytes(16).toString('hex'),
    code_challenge: Buffer.from(digest).toString('base64url'),
    code_challenge_method: 'S256',
  })
  const { searchParams } = new URL((await tab.navigate(location)).url)
  const { code, iss } = Object.fromEntries(searchParams)
  const { user } = await post('/token', { grant_type: 'authorization_code', code, iss, state, code_verifier })
  if (user?.sub !== 'alice') throw new Error('nobody signed in')
  return browser.jar.header(`${origin}/`)
}

const [kind, sessions, port, apiPort] = process.argv.slice(2)
const simple = { bare, api, 'bare-proxy': () => bareProxy(apiPort) }
const { listener, cookies } = simple[kind]?.() ?? (await backend(kind, Number(sessions), port, Number(apiPort)))
const server = createServer(listener)
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port, cookies }))
process.on('message', () => {
  process.send({ cpu: process.cpuUsage(), memory: process.memoryUsage() })
})
process.on('disconnect', () => process.exit())
