// CPU time of the server process per session check, beside a bare node:http server that answers fixed JSON. One run, the
// two take turns; ratios are the result, since machines are noisy.  npm run build && node bench/session-check.js
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { Agent, createServer, request } from 'node:http'
import { createBff } from 'sallyport/bff'
import { toNodeListener } from 'sallyport/node'
import { generateKeys, mockAuthorizationServer, mockBrowser } from 'sallyport/testing'

const SESSIONS = 200
const REQUESTS = 8000
const CONNECTIONS = 16
const ROUNDS = 5
const origin = 'https://app.example.com'
const issuer = 'https://login.example.net'

if (process.send) await serve()
else await measure()

/** The child: both servers, and the CPU time that they take. */
async function serve() {
  const client_secret = randomBytes(24).toString('hex')
  const as = await mockAuthorizationServer({
    issuer,
    keys: await generateKeys(),
    clients: [{ client_id: 'notes', client_secret, redirect_uris: [`${origin}/callback`] }],
    users: [{ sub: 'alice', name: 'Alice Adams', email: 'alice@example.com' }],
    accessTokenLifetime: 3600,
  })
  as.signIn('alice')
  const scope = 'openid profile email offline_access'
  const bff = createBff({
    issuer,
    client_id: 'notes',
    client_secret,
    baseUrl: origin,
    cookieKeys: [randomBytes(32).toString('hex')],
    scope,
    fetch: as.fetch,
  })
  const cookies = []
  for (let at = 0; at < SESSIONS; at++) cookies.push(await signIn(bff, as))
  const fixed = JSON.stringify({
    mode: 'token-mediating',
    user: { sub: 'alice', name: 'Alice Adams', email: 'alice@example.com' },
    expires_at: 1,
  })
  const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(fixed) }
  const bare = createServer((_, response) => response.writeHead(200, headers).end(fixed))
  const ours = createServer(toNodeListener(bff))
  for (const server of [bare, ours]) await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  process.on('message', () => process.send({ cpu: process.cpuUsage() }))
  process.send({ ports: { bare: bare.address().port, ours: ours.address().port }, cookies })
}

async function signIn(bff, as) {
  const browser = mockBrowser({ origins: { [origin]: bff.fetch, [issuer]: as.fetch } })
  const tab = browser.newTab(`${origin}/`)
  const post = async (path, fields) =>
    (
      await tab.fetch(`/bff${path}`, {
        method: 'POST',
        headers: { 'Sallyport-CSRF': '1' },
        body: new URLSearchParams(fields),
      })
    ).json()
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

async function measure() {
  const child = fork(new URL(import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const heard = () => new Promise((resolve) => child.once('message', resolve))
  const { ports, cookies } = await heard()
  const cpu = async () => {
    child.send('cpu')
    const { user, system } = (await heard()).cpu
    return user + system
  }
  const kinds = {
    'bare node:http, fixed JSON': [ports.bare, 'GET'],
    'GET /session': [ports.ours, 'GET'],
    'POST /session': [ports.ours, 'POST'],
  }
  const samples = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]))
  for (let round = -1; round < ROUNDS; round++)
    for (const [name, [port, method]] of Object.entries(kinds)) {
      const before = await cpu()
      const begun = performance.now()
      await load(port, method, cookies)
      // The first round warms up.
      if (round >= 0)
        samples[name].push({
          cpu: ((await cpu()) - before) / REQUESTS,
          rate: REQUESTS / ((performance.now() - begun) / 1000),
        })
    }
  child.kill()
  const median = (name, key) => samples[name].map((sample) => sample[key]).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]
  const floor = median('bare node:http, fixed JSON', 'cpu')
  console.table(
    Object.fromEntries(
      Object.keys(kinds).map((name) => [
        name,
        {
          'CPU µs/request': +median(name, 'cpu').toFixed(1),
          ratio: +(median(name, 'cpu') / floor).toFixed(2),
          'requests/s': Math.round(median(name, 'rate')),
        },
      ]),
    ),
  )
}

async function load(port, method, cookies) {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  let next = 0
  const one = () =>
    new Promise((resolve, reject) => {
      const headers = { Cookie: cookies[next % cookies.length], 'Sallyport-CSRF': '1' }
      request({ port, host: '127.0.0.1', path: '/bff/session', method, headers, agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`${response.statusCode}`))
        response.resume().on('end', resolve)
      })
        .on('error', reject)
        .end()
    })
  const worker = async () => {
    while (next++ < REQUESTS) await one()
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, worker))
  agent.destroy()
}
