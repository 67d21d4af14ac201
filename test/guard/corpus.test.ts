import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { jwksCache, validateJwtAccessToken } from 'oauth4webapi'
import { accessToken, createGuard } from 'sallyport/guard'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ISSUER } from '../world.js'

const API = 'https://api.example.com'
const NOW = 1_790_000_000
const algorithms = {
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
  PS256: { name: 'RSA-PSS', saltLength: 32 },
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
} as const
type Alg = keyof typeof algorithms
const algs = Object.keys(algorithms) as Alg[]

const pairs = async () =>
  Object.fromEntries(
    await Promise.all(algs.map(async (alg) => [alg, await generateKeyPair(alg, { extractable: true })] as const)),
  ) as Record<Alg, { privateKey: CryptoKey; publicKey: CryptoKey }>
const own = await pairs()
const strangers = await pairs()
const jwks: { keys: JWK[] } = {
  keys: await Promise.all(
    algs.map(async (alg) => ({ ...(await exportJWK(own[alg].publicKey)), kid: alg, alg, use: 'sig' })),
  ),
}

type Json = Record<string, unknown>
interface Draft {
  header: Json
  claims: Json
  alg: Alg
  keys: Record<Alg, { privateKey: CryptoKey }>
  /** Applied to the finished token. */
  spoil?: (token: string) => string
}
type Fault = (draft: Draft, random: () => number) => Draft

/** `undefined` takes a member out. */
const claims =
  (changes: Json): Fault =>
  (draft) => ({ ...draft, claims: { ...draft.claims, ...changes } })
const header =
  (changes: Json): Fault =>
  (draft) => ({ ...draft, header: { ...draft.header, ...changes } })
const spoil =
  (change: (token: string) => string): Fault =>
  (draft) => ({ ...draft, spoil: change })
const withSignature = (change: (signature: string) => string) =>
  spoil((token) => token.replace(/[^.]+$/, (signature) => change(signature)))

/** One fault each. */
const faults: Record<string, Fault> = {
  ...Object.fromEntries(
    ['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id'].flatMap(
      (claim): Array<[string, Fault]> => [
        [`no ${claim}`, claims({ [claim]: undefined })],
        [`${claim} is null`, claims({ [claim]: null })],
        [`${claim} is an object`, claims({ [claim]: { a: 1 } })],
        [`${claim} is true`, claims({ [claim]: true })],
        [`${claim} is of the other type`, claims({ [claim]: /^(iat|exp)$/.test(claim) ? `${NOW + 100}` : 7 })],
      ],
    ),
  ),
  'another issuer': claims({ iss: 'https://evil.example' }),
  'the issuer with a slash': claims({ iss: `${ISSUER}/` }),
  'the issuer in capitals': claims({ iss: ISSUER.toUpperCase() }),
  'another audience': claims({ aud: 'https://other.example.com' }),
  'the audience with two slashes': claims({ aud: `${API}//` }),
  'no audience in the list': claims({ aud: [] }),
  'others in the list': claims({ aud: ['https://a.example', 'https://b.example'] }),
  expired: (draft, random) => claims({ exp: NOW - 31 - Math.floor(random() * 1e6) })(draft, random),
  'not valid yet': (draft, random) => claims({ nbf: NOW + 31 + Math.floor(random() * 1e6) })(draft, random),
  'nbf is text': claims({ nbf: `${NOW}` }),
  'no typ': header({ typ: undefined }),
  'typ JWT': header({ typ: 'JWT' }),
  'typ of a logout token': header({ typ: 'logout+jwt' }),
  'typ is a number': header({ typ: 7 }),
  'alg none': (draft) => ({ ...draft, header: { ...draft.header, alg: 'none' }, spoil: unsigned }),
  'alg HS256': header({ alg: 'HS256' }),
  'alg that is not taken': header({ alg: 'RS512' }),
  'alg of another key': (draft) => ({
    ...draft,
    header: { ...draft.header, alg: draft.alg === 'RS256' ? 'ES256' : 'RS256' },
  }),
  'no alg': header({ alg: undefined }),
  'unknown kid': header({ kid: 'nobody' }),
  'a critical extension': header({ crit: ['x'], x: 1 }),
  'a stranger’s key': (draft) => ({ ...draft, keys: strangers }),
  'no signature': spoil((token) => unsigned(token)),
  'half a signature': withSignature((signature) => signature.slice(0, 40)),
  'a changed signature': withSignature((signature) => [...signature].reverse().join('')),
  'changed claims': (draft) => ({
    ...draft,
    spoil: (token) => token.replace(/\.[^.]+\./, `.${encode({ ...draft.claims, sub: 'mallory' })}.`),
  }),
  'claims that are a list': spoil((token) => token.replace(/\.[^.]+\./, `.${encode(['alice'])}.`)),
  'two parts': spoil((token) => token.replace(/\.[^.]+$/, '')),
  'four parts': spoil((token) => `${token}.x`),
  'a confirmation that is text': claims({ cnf: 'key' }),
  'a confirmation of another kind': claims({ cnf: { kid: 'x' } }),
  'bound to a key, as Bearer': claims({ cnf: { jkt: 'x'.repeat(43) } }),
}

/** What only ours refuses, as docs/guard.md says; everything else must come out the same. */
const stricter: Record<string, Fault> = {
  'issued in the future': claims({ iat: NOW + 3600 }),
  'an empty subject': claims({ sub: '' }),
  'an empty client': claims({ client_id: '' }),
  'brings its own key': header({ jwk: { kty: 'oct' } }),
  'says where its key is': header({ jku: 'https://evil.example/jwks' }),
  'too long': claims({ filling: 'x'.repeat(20_000) }),
  'a padded signature': withSignature((signature) => `${signature}==`),
  'an empty confirmation': claims({ cnf: {} }),
}

const unsigned = (token: string) => token.replace(/[^.]+$/, '')
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The same corpus in every run: mulberry32. */
function seeded(seed: number) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A token that is right, in one of many ways, with one fault or none. */
async function write(random: () => number, fault?: Fault): Promise<string> {
  const pick = <Item>(...items: Item[]): Item => items[Math.floor(random() * items.length)] as Item
  const alg = pick(...algs)
  const draft: Draft = {
    alg,
    keys: own,
    header: { alg, typ: pick('at+jwt', 'application/at+jwt', 'AT+JWT'), kid: alg },
    claims: {
      iss: ISSUER,
      aud: pick<unknown>(API, [API], ['https://other.example.com', API]),
      sub: pick('alice', 'bob', 'ünï', '0'),
      client_id: pick('notes', 'cli'),
      iat: NOW - Math.floor(random() * 1000),
      exp: NOW + 1 + Math.floor(random() * 10_000),
      jti: `${random()}`,
      ...(random() < 0.5 && { nbf: NOW - Math.floor(random() * 100) }),
      ...(random() < 0.5 && { scope: pick('', 'notes:read', 'notes:read notes:write') }),
      ...(random() < 0.3 && { 'https://claims.example/x': [{ deep: { er: random() } }] }),
    },
  }
  const final = fault?.(draft, random) ?? draft
  const input = `${encode(final.header)}.${encode(final.claims)}`
  const { privateKey } = final.keys[alg]
  const signature = await crypto.subtle.sign(algorithms[alg], privateKey, Buffer.from(input))
  const token = `${input}.${Buffer.from(signature).toString('base64url')}`
  return final.spoil?.(token) ?? token
}

/** Both judges, each with its keys from the same set. */
function judges() {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW * 1000 })
  onTestFinished(() => void vi.useRealTimers())
  const fetch = (async (input: RequestInfo | URL) =>
    Response.json(`${input}`.endsWith('/jwks') ? jwks : metadata)) as typeof globalThis.fetch
  const metadata = { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` }
  const protect = createGuard({ resource: API, accept: [accessToken({ issuer: ISSUER, fetch })], now: () => NOW })
  const request = (token: string) => new Request(`${API}/notes`, { headers: { Authorization: `Bearer ${token}` } })
  return {
    ours: async (token: string) => {
      const outcome = await protect(request(token))
      expect(outcome.ok || outcome.response.status).toSatisfy((status) => status === true || status === 401)
      return outcome.ok
    },
    theirs: (token: string) =>
      validateJwtAccessToken(metadata, request(token), API, {
        signingAlgorithms: algs,
        [jwksCache]: { jwks: structuredClone(jwks), uat: NOW },
      } as Parameters<typeof validateJwtAccessToken>[3]).then(
        () => true,
        () => false,
      ),
  }
}

describe('2,400 access tokens, judged by this guard and by oauth4webapi', () => {
  it('are judged the same: good ones, and ones with a single fault', async () => {
    const { ours, theirs } = judges()
    const random = seeded(9068)
    const different: string[] = []
    const counts = { accepted: 0, refused: 0 }
    const named = Object.entries(faults)
    for (let made = 0; made < 2400; made++) {
      const [name, fault] = random() < 0.35 ? ['good', undefined] : (named[made % named.length] as [string, Fault])
      const token = await write(random, fault)
      const mine = await ours(token)
      // Again, since a verified token is remembered.
      if (mine !== (await theirs(token)) || mine !== (await ours(token)))
        different.push(`${name}: ${mine ? 'accepted' : 'refused'} here`)
      counts[mine ? 'accepted' : 'refused']++
    }
    expect(different).toEqual([])
    expect(counts.accepted).toBeGreaterThan(700)
    expect(counts.refused).toBeGreaterThan(1400)
  }, 60_000)

  it.each(Object.entries(stricter))('are refused here alone: %s', async (_name, fault) => {
    const { ours, theirs } = judges()
    const token = await write(seeded(7), fault)
    expect([await ours(token), await theirs(token)]).toEqual([false, true])
  })
})
