// CPU time per judgement of the guard beside jose.jwtVerify with a cached JWKS, and of an API key beside the bare hash and
// comparison that it cannot do without. One process, one run, all take turns; the ratios are the result. CPU
// time, since a signature is verified in another thread and the wait for it is longer than the work.
//   npm run build && node bench/guard.js
import { createHash, timingSafeEqual } from 'node:crypto'
import { createRemoteJWKSet, customFetch, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { accessToken, createGuard } from 'sallyport/guard'
import { apiKey, createApiKeys } from 'sallyport/keys'
import { memoryStore } from 'sallyport/store'

// Many short rounds: what else the machine does meets all of them alike.
const ROUNDS = 61
const FRESH = 144
const REPEATED = 2400
const issuer = 'https://issuer.example'
const resource = 'https://api.example.com'

const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }] }
const fetch = async (url) => Response.json(`${url}`.endsWith('/jwks') ? jwks : { issuer, jwks_uri: `${issuer}/jwks` })
const keySet = createRemoteJWKSet(new URL(`${issuer}/jwks`), { [customFetch]: fetch })
const options = { algorithms: ['RS256'], issuer, audience: resource, typ: 'at+jwt' }

const now = Math.floor(Date.now() / 1000)
let made = 0
const sign = () =>
  new SignJWT({ sub: 'alice', client_id: 'notes', scope: 'notes:read notes:write', tenant: 'acme', jti: `${made++}` })
    .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'one' })
    .setIssuer(issuer)
    .setAudience(resource)
    .setIssuedAt(now)
    .setExpirationTime(now + 3600)
    .sign(privateKey)

const protect = createGuard({ resource, accept: [accessToken({ issuer, fetch })] })
const requestWith = (headers) => new Request(`${resource}/notes`, { headers })
const allowed = async (request) => {
  if (!(await protect(request, { scopes: ['notes:read'] })).ok) throw new Error('refused')
}

const keys = createApiKeys({ store: memoryStore(), prefix: 'bench', scopes: ['notes:read'] })
const { key } = await keys.create({ tenant: 'acme', owner: 'alice', name: 'bench', scopes: ['notes:read'] })
const protectKeys = createGuard({ resource, accept: [apiKey(keys)] })
const digest = createHash('sha256').update(key).digest()

const repeated = await sign()
const repeatedRequest = requestWith({ Authorization: `Bearer ${repeated}` })
const keyRequest = requestWith({ 'X-API-Key': key })

/** How often each is called in a round; the tokens of a round are new to all who get them. */
const contestants = {
  'jose.jwtVerify': [REPEATED / 10, () => jwtVerify(repeated, keySet, options)],
  'guard, the same token again': [REPEATED, () => allowed(repeatedRequest)],
  'jose.jwtVerify, fresh tokens': [FRESH, ({ token }) => jwtVerify(token, keySet, options)],
  'guard, fresh tokens': [FRESH, ({ request }) => allowed(request)],
  'SHA-256 and comparison': [REPEATED, () => timingSafeEqual(createHash('sha256').update(key).digest(), digest)],
  'keys.verify': [REPEATED, () => keys.verify(key)],
  'guard with apiKey': [REPEATED, () => protectKeys(keyRequest, { scopes: ['notes:read'] })],
}
const WIDTHS = [1, 16]
const samples = Object.fromEntries(
  WIDTHS.map((width) => [width, Object.fromEntries(Object.keys(contestants).map((name) => [name, []]))]),
)
for (let round = -1; round < ROUNDS; round++)
  for (const width of WIDTHS) {
    const fresh = await Promise.all(
      Array.from({ length: FRESH }, async () => {
        const token = await sign()
        return { token, request: requestWith({ Authorization: `Bearer ${token}` }) }
      }),
    )
    const order = Object.entries(contestants)
    if (round % 2) order.reverse()
    for (const [name, [times, call]] of order) {
      const before = process.cpuUsage()
      if (width === 1) for (let at = 0; at < times; at++) await call(fresh[at % FRESH])
      else
        for (let at = 0; at < times; at += width)
          await Promise.all(Array.from({ length: width }, (_, more) => call(fresh[(at + more) % FRESH])))
      const { user, system } = process.cpuUsage(before)
      // The first round warms up.
      if (round >= 0) samples[width][name].push((user + system) / times)
    }
  }

const rows = [
  ['guard, the same token again', 'jose.jwtVerify', 'times as fast'],
  ['guard, fresh tokens', 'jose.jwtVerify, fresh tokens', 'times as fast'],
  ['keys.verify', 'SHA-256 and comparison', 'times as long'],
  ['guard with apiKey', 'SHA-256 and comparison', 'times as long'],
]
for (const width of WIDTHS) {
  const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]
  const times = (name) => samples[width][name]
  const ratio = (name, beside, reads) =>
    median(
      times(name).map((own, round) =>
        reads.endsWith('fast') ? times(beside)[round] / own : own / times(beside)[round],
      ),
    )
  console.log(width === 1 ? 'One after another:' : `${width} at once:`)
  console.table(
    Object.fromEntries(
      rows.map(([name, beside, reads]) => [
        name,
        {
          ratio: +ratio(name, beside, reads).toFixed(2),
          'CPU µs': +median(times(name)).toFixed(2),
          beside,
          'its CPU µs': +median(times(beside)).toFixed(2),
          reads,
        },
      ]),
    ),
  )
}
