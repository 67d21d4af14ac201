// Ten thousand sessions for five minutes: checks, renewals, sign-outs and sign-ins, and what that leaves in the memory of
// the server process.   npm run build && node bench/soak.js [minutes] [sessions]
import { fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { createBff } from 'sallyport/bff'
import { toNodeListener } from 'sallyport/node'
import { memoryStore } from 'sallyport/store'
import { mockAuthorizationServer } from 'sallyport/testing'

const origin = 'https://app.example.com'
const client = { client_id: 'notes', client_secret: process.argv[5] ?? randomBytes(24).toString('hex') }
/** Seconds. Each session is renewed that often. */
const LIFETIME = 60
const CONNECTIONS = 16
/** Seconds between two looks at the memory. */
const STEP = 15

const roles = { provider, backend }
const role = roles[process.argv[2]]
if (role) await role(process.argv[3], process.argv[4])
else await soak(Number(process.argv[2] ?? 5) * 60, Number(process.argv[3] ?? 10_000))

async function provider() {
  let as
  const server = createServer(async (incoming, outgoing) => {
    let body = ''
    for await (const part of incoming) body += part
    const { method, headers, url } = incoming
    const response = await as.fetch(new Request(issuer + url, { method, headers, ...(body && { body }) }), {})
    outgoing.writeHead(response.status, Object.fromEntries(response.headers)).end(await response.text())
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${server.address().port}`
  as = await mockAuthorizationServer({
    issuer,
    clients: [{ ...client, redirect_uris: [`${origin}/callback`] }],
    users: [{ sub: 'alice', name: 'Alice Adams' }],
    accessTokenLifetime: LIFETIME,
  })
  as.signIn('alice')
  process.on('disconnect', () => process.exit())
  process.send(issuer)
}

async function backend(issuer) {
  const bff = createBff({
    issuer,
    ...client,
    baseUrl: origin,
    cookieKeys: [randomBytes(32).toString('hex')],
    scope: 'openid profile offline_access',
    store: memoryStore(),
  })
  const server = createServer(toNodeListener(bff))
  server.listen(0, '127.0.0.1', () => process.send(`http://127.0.0.1:${server.address().port}/bff`))
  process.on('message', () => {
    globalThis.gc()
    process.send(process.memoryUsage())
  })
  process.on('disconnect', () => process.exit())
}

function start(name, ...args) {
  const child = fork(import.meta.filename, [name, ...args], { execArgv: ['--expose-gc', '--no-warnings'] })
  const heard = () => new Promise((resolve) => child.once('message', resolve))
  return { child, heard }
}

async function soak(seconds, count) {
  const asking = start('provider', '', '', client.client_secret)
  const issuer = await asking.heard()
  const serving = start('backend', issuer, '', client.client_secret)
  const url = await serving.heard()
  const memory = async () => {
    serving.child.send('memory')
    const { rss, heapUsed } = await serving.heard()
    return { 'heap MB': +(heapUsed / 2 ** 20).toFixed(1), 'rss MB': Math.round(rss / 2 ** 20) }
  }

  const done = { checks: 0, renewals: 0, signIns: 0, signOuts: 0 }
  const people = []
  await inParallel(async () => {
    while (people.length < count) people.push(await signIn(url, issuer))
  })
  console.log(`${people.length} sessions`)

  const begun = performance.now()
  const rows = [{ second: 0, ...(await memory()), ...done }]
  let measuring
  const looks = setInterval(() => {
    measuring = memory().then((now) => {
      rows.push({ second: Math.round((performance.now() - begun) / 1000), ...now, ...done })
      console.log(JSON.stringify(rows.at(-1)))
    })
  }, STEP * 1000)
  let next = 0
  await inParallel(async () => {
    while (performance.now() - begun < seconds * 1000) {
      const at = next++ % count
      // Everybody comes by four times in the lifetime of a token, three times of them only to look.
      const look = (at + Math.floor(next / count)) % 4 !== 0
      const pace = begun + (next / count) * LIFETIME * 250 - performance.now()
      if (pace > 0) await new Promise((resolve) => setTimeout(resolve, pace))
      if (next % 500 === 0) {
        await call(url, '/logout', people[at])
        people[at] = await signIn(url, issuer)
        done.signOuts++
        done.signIns++
      } else if (!look) {
        const { token } = await call(url, '/session', people[at])
        if (!token) throw new Error('a session was lost')
        if (token.expires_in > LIFETIME - 2) done.renewals++
      } else if (!(await call(url, '/session', people[at], undefined, 'GET')).user)
        throw new Error('a session was lost')
      done.checks++
    }
  })
  clearInterval(looks)
  await measuring
  rows.push({ second: Math.round((performance.now() - begun) / 1000), ...(await memory()), ...done })
  console.table(rows)
  serving.child.disconnect()
  asking.child.disconnect()
}

function inParallel(work) {
  return Promise.all(Array.from({ length: CONNECTIONS }, work))
}

async function signIn(url, issuer) {
  const person = { cookie: '' }
  const code_verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('hex')
  const { location } = await call(url, '/transaction', person, {
    response_type: 'code',
    client_id: 'notes',
    redirect_uri: `${origin}/callback`,
    state,
    nonce: randomBytes(16).toString('hex'),
    code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const answer = await fetch(location, { redirect: 'manual' })
  const { code } = Object.fromEntries(new URL(answer.headers.get('location')).searchParams)
  const { user } = await call(url, '/token', person, {
    grant_type: 'authorization_code',
    code,
    iss: issuer,
    state,
    code_verifier,
  })
  if (user?.sub !== 'alice') throw new Error('nobody signed in')
  return person
}

async function call(url, path, person, fields, method = 'POST') {
  const response = await fetch(url + path, {
    method,
    headers: { 'Sallyport-CSRF': '1', Cookie: person.cookie },
    ...(fields && { body: new URLSearchParams(fields) }),
  })
  for (const line of response.headers.getSetCookie()) {
    const [pair] = line.split(';')
    const others = person.cookie.split('; ').filter((cookie) => cookie && !cookie.startsWith(`${pair.split('=')[0]}=`))
    person.cookie = [...others, ...(/Max-Age=0/.test(line) ? [] : [pair])].join('; ')
  }
  return response.json()
}
