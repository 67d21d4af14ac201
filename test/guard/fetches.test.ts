import { createServer, type IncomingMessage, type Server } from 'node:http'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { accessToken, createGuard } from 'sallyport/guard'
import { afterEach, describe, expect, it } from 'vitest'
import { goodClaims } from './claims.js'

const API = 'https://api.example.com'
const { privateKey, publicKey } = await generateKeyPair('RS256')
const publicJwk: JWK = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }
const NOW = 1_790_000_000

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

type Answers = (
  path: string,
  origin: string,
  request: IncomingMessage,
) => { status: number; body?: unknown; location?: string }

/** A real server, and the paths that were asked for. */
async function listen(answers: Answers) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    const { status, body, location } = answers(path, origin, request)
    response.writeHead(status, { 'Content-Type': 'application/json', ...(location && { Location: location }) })
    response.end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  servers.push(server)
  await new Promise((resolve) => server.once('listening', resolve))
  const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  return { asked, origin }
}

const usual: Answers = (path, issuer) => {
  if (path.endsWith('openid-configuration'))
    return {
      status: 200,
      body: { issuer, jwks_uri: `${issuer}/jwks`, introspection_endpoint: `${issuer}/introspect` },
    }
  if (path === '/jwks') return { status: 200, body: { keys: [publicJwk] } }
  if (path === '/introspect') return { status: 200, body: { active: true, aud: API, sub: 'alice' } }
  return { status: 404 }
}

/** An issuer, a guard that asks it by the platform's own `fetch`, and somebody else's server. */
async function scene(answers = usual) {
  const elsewhere = await listen(usual)
  const issuer = await listen((path, origin, request) => {
    const { location, ...answer } = answers(path, origin, request)
    return { ...answer, ...(location && { location: location.replace('ELSEWHERE', elsewhere.origin) }) }
  })
  const introspection = { client_id: 'api', client_secret: 'secret' }
  const accept = [accessToken({ issuer: issuer.origin, introspection })]
  const protect = createGuard({ resource: API, accept, now: () => NOW })
  return {
    issuer,
    elsewhere,
    token: (header: object = {}, claims: object = {}) =>
      new SignJWT({ ...goodClaims(issuer.origin, API, NOW), ...claims })
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'one', ...header })
        .sign(privateKey),
    async call(token: string) {
      const outcome = await protect(new Request(API, { headers: { Authorization: `Bearer ${token}` } }))
      return outcome.ok ? 200 : outcome.response.status
    },
  }
}

describe('what a guard fetches', () => {
  it('[A-39 twin][A-41 twin][A-42 twin] is what its issuer says of itself', async () => {
    const { call, token, issuer, elsewhere } = await scene()
    expect([await call(await token()), await call('opaque')]).toEqual([200, 200])
    expect(new Set(issuer.asked)).toEqual(new Set(['/.well-known/openid-configuration', '/jwks', '/introspect']))
    expect(elsewhere.asked).toEqual([])
  })

  it.each<[string, (elsewhere: string) => Promise<object> | object]>([
    ['a path as kid', () => ({ kid: '../../../../etc/passwd' })],
    ['SQL as kid', () => ({ kid: "' OR 1=1 --" })],
    ['10 kB of kid', () => ({ kid: 'k'.repeat(10_000) })],
    ['an address as kid', (elsewhere) => ({ kid: `${elsewhere}/jwks#one` })],
    ['a jku', (elsewhere) => ({ jku: `${elsewhere}/jwks` })],
    ['an x5u', (elsewhere) => ({ x5u: `${elsewhere}/jwks` })],
    ['a jku in the metadata service', () => ({ jku: 'http://169.254.169.254/latest' })],
    ['its own jwk', async () => ({ jwk: await exportJWK(publicKey) })],
  ])('[A-39][A-42] is nothing that a token names: %s', async (_name, header) => {
    const { call, token, issuer, elsewhere } = await scene()
    expect(await call(await token(await header(elsewhere.origin)))).toBe(401)
    expect(elsewhere.asked).toEqual([])
    for (const path of issuer.asked) expect(['/.well-known/openid-configuration', '/jwks']).toContain(path)
  })

  it('[A-42][A-41] is nothing for a token of an issuer that is not listed, also before there are any keys', async () => {
    const { call, token, issuer, elsewhere } = await scene()
    for (const iss of [elsewhere.origin, `${issuer.origin}/`, 'http://[::ffff:7f00:1]', 'http://100.64.0.1', undefined])
      expect(await call(await token({}, { iss }))).toBe(401)
    expect([...issuer.asked, ...elsewhere.asked]).toEqual([])
  })

  it.each([['/.well-known/openid-configuration'], ['/jwks'], ['/introspect']])(
    '[A-42] is not what %s redirects to',
    async (from) => {
      const { call, token, issuer, elsewhere } = await scene((path, ...rest) =>
        path === from ? { status: 307, location: `ELSEWHERE${path}` } : usual(path, ...rest),
      )
      if (from !== '/introspect') expect(await call(await token())).toBe(503)
      if (from !== '/jwks') expect(await call('opaque')).toBe(503)
      expect(issuer.asked).toContain(from)
      expect(elsewhere.asked).toEqual([])
    },
  )

  it('[A-40] is fetched once for a thousand tokens with unknown keys', async () => {
    const { call, token, issuer } = await scene()
    expect(await call(await token())).toBe(200)
    const [, payload, signature] = (await token()).split('.')
    const header = (kid: string) =>
      Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid })).toString('base64url')
    for (let made = 0; made < 1000; made++)
      expect(await call(`${header(`k${made}`)}.${payload}.${signature}`)).toBe(401)
    expect(issuer.asked.filter((path) => path === '/jwks').length).toBeLessThanOrEqual(2)
  })
})
