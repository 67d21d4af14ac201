import { readFileSync } from 'node:fs'
import { type BffOptions, createBff, withPeer } from 'sallyport/bff'
import { toExpress } from 'sallyport/node'
import { memoryStore } from 'sallyport/store'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  API,
  APP,
  begin,
  call,
  follow,
  formOf,
  ISSUER,
  randomKey,
  redeem,
  signIn,
  type WorldOptions,
  world,
} from '../world.js'

/** What was said, to whomever: the console, an HTTP response, an error. */
let said: string[] = []
const say = (text: unknown) => void said.push(`${text}`)
beforeEach(() => {
  said = []
  vi.spyOn(console, 'error').mockImplementation(say)
  vi.spyOn(console, 'info').mockImplementation(() => {})
})
afterEach(() => void vi.restoreAllMocks())

const speaking = (options: WorldOptions = {}, provider: Record<string, unknown> = {}) =>
  world({ ...options, onEvent: undefined as never }, provider)

type World = Awaited<ReturnType<typeof world>>
const answered = async (response: Response) => say(await response.text())

/** A whole sign-in, from the page's side. */
async function trySignIn({ tab }: World, callback?: URLSearchParams) {
  const begun = await begin(tab)
  if (!begun.response.ok) return answered(begun.response)
  const response = await redeem(tab, begun, callback ?? (await follow(tab, begun)))
  await answered(response)
}

const send = async ({ bff }: World, path: string, headers: Record<string, string> = {}) =>
  answered(await bff.fetch(new Request(`${APP}${path}`, { headers: { 'Sallyport-CSRF': '1', ...headers } })))

const create = (options: Record<string, unknown>) =>
  createBff({
    issuer: ISSUER,
    client_id: 'notes',
    client_secret: randomKey(),
    baseUrl: APP,
    cookieKeys: [randomKey()],
    ...options,
  } as BffOptions)

function misuse(options: Record<string, unknown>) {
  try {
    create(options)
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    say((error as Error).message)
  }
}

/** The sign-in of a browser that sends no cookie. */
async function withoutCookie(here: World, origin = APP) {
  const response = await here.bff.fetch(
    new Request(`${origin}/bff/token`, {
      method: 'POST',
      headers: { 'Sallyport-CSRF': '1' },
      body: formOf({
        grant_type: 'authorization_code',
        code: 'x',
        state: 'some-state',
        code_verifier: 'v'.repeat(43),
      }),
    }),
  )
  expect(response.status).toBe(400)
  await answered(response)
}

interface Mistake {
  make: () => unknown
  /** What is said names it. */
  remedy: RegExp
}

/** In the words of the table in docs/troubleshooting.md. */
const mistakes: Record<string, Mistake> = {
  'wrong client secret': {
    make: async () => trySignIn(await speaking({ client_secret: randomKey() })),
    remedy: /Compare "client_id", the client’s secret/,
  },
  'typo in `issuer`': {
    make: async () => trySignIn(await speaking({ issuer: `${ISSUER}/realm` })),
    remedy: /Compare "issuer" \(or "metadataUrl"\)/,
  },
  '`issuer` with a slash more or less': {
    make: async () => trySignIn(await speaking({ issuer: `${ISSUER}/` })),
    remedy: /Copy "issuer" from the provider’s metadata document/,
  },
  'provider down, or not reachable from the server': {
    async make() {
      const here: World = await speaking({ fetch: (input, init) => here.as.fetch(new Request(input, init)) })
      here.as.fail('discovery', 'refused')
      await trySignIn(here)
    },
    remedy: /check that this server reaches that URL: DNS, firewall/,
  },
  'redirect URI not in `redirect_uris`': {
    make: async () => answered((await begin((await speaking()).tab, { redirect_uri: `${APP}/other` })).response),
    remedy: /configured "redirect_uris", character for character/,
  },
  '`COOKIE_KEY` not set': { make: () => misuse({ cookieKeys: [undefined] }), remedy: /node -p "crypto\.randomBytes/ },
  'short or sample key': { make: () => misuse({ cookieKeys: ['hunter2'] }), remedy: /node -p "crypto\.randomBytes/ },
  '`http:` address off loopback': {
    make: () => misuse({ baseUrl: 'http://app.example.com' }),
    remedy: /must be https:/,
  },
  'path in `baseUrl`': { make: () => misuse({ baseUrl: `${APP}/notes` }), remedy: /an origin alone, like https:/ },
  'misspelt option': { make: () => misuse({ cookieKey: randomKey() }), remedy: /did you mean "cookieKeys"\?/ },
  'milliseconds for seconds': {
    make: () => misuse({ absoluteTimeout: 604_800_000 }),
    remedy: /at most; got 604800000/,
  },
  'page on another host or port than `baseUrl`, `localhost` included': {
    make: async () => send(await speaking(), '/bff/session', { Origin: 'http://127.0.0.1:5173' }),
    remedy: /"allowedOrigins" does not list it.* from https:\/\/app\.example\.com/,
  },
  'backend mounted at another path, or a proxy removes a part of it': {
    make: async () => send(await speaking(), '/auth/session'),
    remedy: /all endpoints are under \/bff/,
  },
  'page for one mode, backend in the other': {
    async make() {
      await answered(await call((await speaking({ mode: 'proxy' })).tab, '/transaction'))
    },
    remedy: /mode: "token-mediating" in the options/,
  },
  'list of devices without a store': { make: async () => send(await speaking(), '/bff/sessions'), remedy: /a "store"/ },
  'backend on another site than the page': {
    make: async () => withoutCookie(await speaking()),
    remedy: /must be on the same site/,
  },
  '`loopbackCookies` missing, Safari': {
    async make() {
      const baseUrl = 'http://localhost:3000'
      await withoutCookie(await speaking({ baseUrl }), baseUrl)
    },
    remedy: /set \\"loopbackCookies\\" for development/,
  },
  'clock ten minutes off': {
    make: async () => trySignIn(await speaking({ now: () => 1_790_000_000 - 600 })),
    remedy: /Compare the clock of this server/,
  },
  'provider signs with another algorithm': {
    make: async () => trySignIn(await speaking({ idTokenAlgs: ['ES384'] })),
    remedy: /Set "idTokenAlgs"/,
  },
  'no refresh token': {
    make: async () => signIn((await speaking()).tab, { scope: 'openid' }),
    remedy: /Allow refresh tokens for this client/,
  },
  'sessions too large for cookies': {
    async make() {
      const users = [{ sub: 'alice', name: 'x'.repeat(9000) }]
      await trySignIn(await speaking({}, { users }))
    },
    remedy: /remove it from "claims"/,
  },
  'proxy in front that is not in `trustedProxies`': {
    async make() {
      const { bff } = await speaking({ mode: 'proxy' })
      await bff.fetch(withPeer(new Request(`${APP}/bff/login`), { address: '10.0.0.1', encrypted: true }))
    },
    remedy: /Name your proxies in "trustedProxies"/,
  },
  'Redis or PostgreSQL down': {
    async make() {
      const down = async () => Promise.reject(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
      const here = await speaking({ store: { ...memoryStore(), get: down, write: down, consume: down } })
      const Cookie = `__Host-Http-sallyport=${randomKey()}`
      for (let times = 0; times < 4; times++) {
        await trySignIn(here)
        await send(here, '/bff/session', { Cookie })
      }
    },
    remedy: /Check that this server reaches the store/,
  },
  'API of a route down': {
    async make() {
      const routes = { notes: { upstream: API, anonymous: true } }
      const fetch = async () => Promise.reject(new TypeError('fetch failed'))
      await send(await speaking({ mode: 'proxy', routes, fetch }), '/bff/api/notes/x')
    },
    remedy: /Check the API, and "upstream" and "timeout"/,
  },
  '`onSignIn` throws': {
    async make() {
      const onSignIn = () => {
        throw new Error('of the app')
      }
      await trySignIn(await speaking({ onSignIn }))
    },
    remedy: /that function of yours/,
  },
  'JSON body parser before `toExpress`': {
    make() {
      const request = {
        method: 'POST',
        url: '/session',
        headers: { 'content-type': 'application/json', 'content-length': '2' },
        readableEnded: true,
        body: {},
      }
      toExpress(create({ log: false }))(request as never, {} as never, (error) => say((error as Error).message))
    },
    remedy: /above app\.use\(express\.json\(\)\)/,
  },
}

/** The table of the page: mistake → what it says. */
const rows = new Map(
  [...readFileSync('docs/troubleshooting.md', 'utf8').matchAll(/^\| (.+?) +\| .+? +\| `(.+?)` +\| .+? +\|$/gm)].map(
    ([, mistake = '', says = '']) => [mistake, says],
  ),
)

describe('mistakes with the backend', () => {
  it.each(Object.entries(mistakes))('%s: the cause and the remedy are told', async (mistake, { make, remedy }) => {
    await make()
    // JSON quotes what it has in it.
    const all = said.join('\n').replaceAll('\\"', '"')
    expect(all).toContain(rows.get(mistake))
    expect(said.join('\n') + all).toMatch(remedy)
  })

  it('are all in docs/troubleshooting.md, and no others', () => {
    expect([...rows.keys()].sort()).toEqual(Object.keys(mistakes).sort())
  })

  it('[twin] an old cookie key that is not set is none', async () => {
    for (const unset of [undefined, '']) {
      const newer = randomKey()
      const { bff } = await speaking({ cookieKeys: [newer, unset, randomKey()] })
      expect((await bff.describe()).cookieKeyIds).toHaveLength(2)
      expect(() => create({ cookieKeys: [unset, newer] })).toThrow(/"cookieKeys" has no first key.*node -p/)
    }
    expect(() => create({ cookieKeys: undefined })).toThrow(/"cookieKeys" is missing: .*node -p/)
    expect(() => create({ cookieKeys: [randomKey(), 'short'] })).toThrow(/"cookieKeys" is shorter/)
  })

  it('[twin] a configuration without any is silent', async () => {
    const { tab, bff } = await speaking({ rateLimits: false })
    expect((await signIn(tab)).status).toBe(200)
    await bff.close()
    expect(said).toEqual([])
  })
})
