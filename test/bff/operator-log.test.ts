import { readFileSync } from 'node:fs'
import type { BffEvent } from 'sallyport/bff'
import { memoryStore } from 'sallyport/store'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createOperatorLog } from '../../src/bff/operator-log.js'
import { storeErrors } from '../../src/store/contract.js'
import { stranger } from '../flood.js'
import {
  API,
  APP,
  begin,
  call,
  follow,
  formOf,
  ISSUER,
  look,
  randomKey,
  redeem,
  signIn,
  type WorldOptions,
  world,
} from '../world.js'

const full = !!process.env['FULL']

let errors: string[] = []
let infos: string[] = []
beforeEach(() => {
  errors = []
  infos = []
  vi.spyOn(console, 'error').mockImplementation((line) => void errors.push(`${line}`))
  vi.spyOn(console, 'info').mockImplementation((line) => void infos.push(`${line}`))
})
afterEach(() => void vi.restoreAllMocks())

/** A backend without `onEvent`. */
const speaking = (options: WorldOptions = {}) => world({ ...options, onEvent: undefined as never })

const anchors = [...readFileSync('docs/troubleshooting.md', 'utf8').matchAll(/^### `(\w+)`$/gm)].map(([, name]) => name)

describe('a backend without onEvent', () => {
  it('says at the first request what it is, once', async () => {
    const { tab } = await speaking()
    expect(infos).toEqual([])
    await look(tab, '/session')
    await signIn(tab)
    expect(infos).toEqual([
      `[sallyport] ${APP}: mode token-mediating; issuer ${ISSUER}; sessions in sealed cookies (one process only); deviations from RFC 10017 in sections 6.2.1, 6.2.4.4, 6.1.3.2; bff.describe() has more`,
    ])
    expect(errors).toEqual([expect.stringContaining('address_limit_off')])
  })

  it('says where sessions are, all issuers, and what is for development only', async () => {
    const issuers = { acme: { issuer: 'https://acme.example', client_id: 'x', client_secret: randomKey() } }
    const { bff } = await speaking({ mode: 'proxy', issuers, store: 'memory' })
    await bff.fetch(new Request(`${APP}/bff/health`))
    expect(infos.join()).toContain(`issuer ${ISSUER}, https://acme.example; sessions in the store; deviations`)
    const { bff: local } = await speaking({ baseUrl: 'http://localhost:3000', loopbackCookies: true })
    await local.fetch(new Request('http://localhost:3000/bff/health'))
    expect(infos[1]).toContain('; loopbackCookies (development only); ')
  })

  it('[B-40] prints what the operator must act on: cause, remedy and link', async () => {
    const here = await speaking({ client_secret: randomKey() })
    const begun = await begin(here.tab)
    const callback = await follow(here.tab, begun)
    errors = []
    expect((await redeem(here.tab, begun, callback)).status).toBe(503)
    expect(errors).toEqual([
      `[sallyport] operator_error: token: 401 invalid_client, "client authentication failed" (${ISSUER}/token). Compare "client_id", the client’s secret or key, and "clientAuthentication" with the registration at the provider. See docs/troubleshooting.md#operator_error`,
    ])
  })

  it.each([
    ['onEvent', { onEvent: () => {} }],
    ['log: false', { onEvent: undefined, log: false }],
  ])('[twin] with %s prints nothing', async (_name, options) => {
    const here = await world({ client_secret: randomKey(), ...options } as unknown as WorldOptions)
    const begun = await begin(here.tab)
    expect((await redeem(here.tab, begun, await follow(here.tab, begun))).status).toBe(503)
    await here.bff.close()
    expect([...errors, ...infos]).toEqual([])
  })

  it('prints one line a minute of one cause, with the number of times', async () => {
    const here = await speaking()
    here.as.fail('token', { status: 500 }, { times: 100 })
    const failing = async () => {
      const begun = await begin(here.tab)
      await redeem(here.tab, begun, await follow(here.tab, begun))
    }
    const printed = () => errors.filter((line) => line.includes('provider_unavailable'))
    for (let times = 0; times < 5; times++) await failing()
    expect(printed()).toHaveLength(1)
    here.advance(59)
    await failing()
    expect(printed()).toHaveLength(1)
    here.advance(1)
    // Whatever happens next.
    await call(here.tab, '/nothing')
    expect(printed()).toHaveLength(2)
    expect(printed()[1]).toBe(`${printed()[0]} (5 more since the last line)`)
    // What is left is printed at the end.
    await failing()
    await here.bff.close()
    expect(printed()).toHaveLength(3)
    expect(printed()[2]).toContain('(1 more since')
  })

  it('tells causes apart by endpoint', async () => {
    const here = await speaking({ scope: 'openid', resources: {} })
    here.as.fail('userinfo', { status: 500 })
    await signIn(here.tab, { scope: 'openid' })
    here.as.fail('revocation', { status: 503 })
    await call(here.tab, '/logout')
    const codes = errors.map((line) => /^\[sallyport\] (\w+): /.exec(line)?.[1])
    expect(codes).toEqual(expect.arrayContaining(['userinfo_failed']))
    expect(new Set(codes).size).toBe(codes.length)
  })
})

describe('ten thousand anonymous bad requests', () => {
  const token = `eyJhbGciOiJSUzI1NiJ9.${randomKey()}.${randomKey()}`
  const [code, cookie, secret] = [randomKey(), randomKey(), randomKey()]
  const planted = [token, code, cookie, secret]

  /** Each secret, wherever a request can carry one. */
  function requests(origin: string): Request[] {
    const headers = {
      'Sallyport-CSRF': '1',
      Authorization: `Bearer ${token}`,
      Cookie: `__Host-Http-sallyport=${cookie}; __Host-Http-sallyport.idle=${cookie}`,
      'Sallyport-User': secret,
      'X-Forwarded-For': secret,
    }
    const form = { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' }
    const query = `code=${code}&state=${secret}&iss=${ISSUER}&error=${secret}&error_description=${code}%0a%1b[31m${secret}`
    const fields = {
      grant_type: 'authorization_code',
      code,
      state: secret,
      code_verifier: `${secret}${secret}`,
      iss: ISSUER,
    }
    const get = (path: string, more = {}) => new Request(`${origin}/bff${path}`, { headers: { ...headers, ...more } })
    const post = (path: string, body: Record<string, string>) =>
      new Request(`${origin}/bff${path}`, { method: 'POST', headers: form, body: formOf(body) })
    return [
      get(`/${secret}`),
      get(`/api/${token}/${code}?token=${token}`),
      get(`/api/notes/${token}`),
      get(`/callback?${query}`),
      get(`/login?login_hint=${secret}&prompt=${code}&${query}`),
      get(`/logout/continue?id=${secret}`),
      get(`/sessions?cursor=${secret}`),
      get('/session', { Origin: `https://${secret.slice(0, 30)}.example` }),
      get(`/frontchannel-logout?iss=${ISSUER}&sid=${secret}`),
      post('/session', { what: secret }),
      post('/token', fields),
      post('/token', { grant_type: 'refresh_token', refresh_token: token, resource: secret }),
      post('/transaction', { client_id: secret, redirect_uri: `https://evil.example/${token}`, scope: code }),
      post('/backchannel-logout', { logout_token: token }),
      post('/logout', { id_token_hint: token }),
      new Request(`${origin}/${secret}`),
    ]
  }

  it.each([
    ['token-mediating', undefined, 10_000],
    ['token-mediating', 'memory', full ? 10_000 : 1000],
    ['proxy', 'memory', full ? 10_000 : 1000],
  ] as const)(
    'print a handful of lines, and no secret in any (%s, %s)',
    async (mode, store, count) => {
      const options = {
        mode,
        ...(store && { store }),
        ...(mode === 'proxy' && { routes: { notes: { upstream: API, anonymous: true } } }),
        rateLimits: false,
      } as const
      const refused = async () => Promise.reject(new TypeError(`fetch failed for ${secret}`))
      const here: Awaited<ReturnType<typeof world>> = await speaking({
        ...options,
        fetch: (input, init) => (`${input}`.startsWith(API) ? refused() : here.as.fetch(new Request(input, init))),
      })
      for (let sent = 0; sent < count; )
        for (const request of requests(APP)) {
          expect((await here.bff.fetch(request)).status).toBeGreaterThanOrEqual(200)
          sent++
        }
      await stranger(here.bff, '203.0.113.7', mode).flood(100)
      await here.bff.close()
      expect(infos).toHaveLength(1)
      for (const line of [...errors, ...infos])
        for (const each of planted) expect(line).not.toContain(each.slice(0, 20))
      // The API of the anonymous route is down, whoever calls it: one line, and one with the count.
      const down = errors.filter((line) => line.startsWith('[sallyport] upstream_failed'))
      expect(down).toHaveLength(mode === 'proxy' ? 2 : 0)
      expect(errors).toEqual(down)
    },
    60_000,
  )

  it('[B-40] print no secret that a provider repeats, or a store', async () => {
    const client_secret = randomKey()
    const echo = async (input: string | URL | Request, init?: RequestInit) => {
      const request = new Request(input, init)
      const body = await request.clone().text()
      if (request.method !== 'POST') return here.as.fetch(request)
      const said = `${decodeURIComponent(body)} ${atob(request.headers.get('authorization')?.slice(6) ?? '')}`
      return Response.json({ error: 'invalid_request', error_description: `\n\u001b[2J${said}` }, { status: 400 })
    }
    const memory = memoryStore({ now: () => here.now() })
    const store = {
      ...memory,
      consume: async () => {
        throw Object.assign(new Error(`ERR ${secret} ${token}`), { code: 'ERR' })
      },
    }
    const here: Awaited<ReturnType<typeof world>> = await speaking({ client_secret, fetch: echo, store: memory })
    const begun = await begin(here.tab)
    const callback = await follow(here.tab, begun)
    await redeem(here.tab, begun, callback, { code })
    expect(errors.join()).toContain('operator_error: token: 400 invalid_request')
    here.restart({ store, onEvent: undefined } as never)
    for (let times = 0; times < 5; times++) {
      const again = await begin(here.tab)
      await redeem(here.tab, again, await follow(here.tab, again), { code })
    }
    expect(errors.join()).toContain('store_unavailable')
    for (const line of errors) {
      expect(line).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
      for (const each of [...planted, client_secret, begun.code_verifier]) expect(line).not.toContain(each.slice(0, 20))
    }
  })
})

describe('an error of a function among the options', () => {
  it('is one line for its endpoint, without the path of the request', async () => {
    const addressOf = () => {
      throw new TypeError('of the app')
    }
    const here = await speaking({
      mode: 'proxy',
      routes: { notes: { upstream: API, anonymous: true } },
      rateLimits: { address: { consume: async () => {} }, addressOf },
    })
    const headers = { 'Sallyport-CSRF': '1' }
    for (let at = 0; at < 100; at++) await here.bff.fetch(new Request(`${APP}/bff/api/notes/secret-${at}`, { headers }))
    await here.bff.close()
    expect(errors).toHaveLength(2)
    expect(errors[0]).toContain('operator_error: TypeError in /bff/api/*. ')
    expect(errors.join()).not.toContain('secret-')
  })
})

/** One of each type that is printed. */
const samples: readonly BffEvent[] = [
  { type: 'operator_error', detail: 'TypeError in /bff/session' },
  { type: 'provider_unavailable', detail: 'keys: no response, ECONNREFUSED (https://login.example.net/jwks)' },
  {
    type: 'refresh_failed',
    session: 'abcdefgh',
    outcome: 'unknown',
    status: 0,
    detail: 'token: no response, ETIMEDOUT',
  },
  { type: 'id_token_refused', claim: 'iat' },
  { type: 'userinfo_failed', detail: 'userinfo: 403' },
  { type: 'revocation_failed', session: 'abcdefgh' },
  { type: 'upstream_failed', route: 'notes' },
  { type: 'resource_ignored', resource: [API] },
  { type: 'limiter_unavailable' },
  { type: 'address_limit_off', remedy: 'Set "trustedProxies".' },
  { type: 'store_unavailable', detail: 'The store is down' },
  { type: 'store_warning', detail: 'The server evicts keys' },
  { type: 'no_refresh_token', issuer: ISSUER, remedy: 'Add offline_access' },
  { type: 'request_refused', error: 'session_too_large', method: 'POST', path: '/bff/token', detail: 'Too large.' },
]

/** What needs nobody, or what anybody can cause. */
const silent: readonly BffEvent[] = [
  { type: 'signed_in', iss: ISSUER, sub: 'alice', session: 'abcdefgh' },
  { type: 'signed_out', iss: ISSUER, sub: 'alice', session: 'abcdefgh', reason: 'expired' },
  { type: 'token_refreshed', session: 'abcdefgh', resource: [], scope: 'openid' },
  { type: 'provider_logout', channel: 'back', sessions: 1 },
  { type: 'cookie_refused', detail: 'unreadable' },
  { type: 'sign_in_refused', error: 'invalid_scope', detail: 'from the browser' },
  { type: 'id_token_refused', claim: 'tid', detail: 'the tenant x may not sign in' },
  { type: 'refresh_failed', session: 'abcdefgh', outcome: 'refused', status: 400, error: 'invalid_grant' },
  // The event `operator_error` comes with it.
  { type: 'refresh_failed', session: 'abcdefgh', outcome: 'unavailable', status: 401, error: 'invalid_client' },
  ...(['csrf_required', 'not_found', 'state_mismatch', 'issuer_mismatch', 'operator_error'] as const).map(
    (error): BffEvent => ({ type: 'request_refused', error, method: 'GET', path: '/bff/x' }),
  ),
]

describe('the operator log', () => {
  let time = 0
  const open = (development = false) => createOperatorLog({ now: () => time, development })

  it.each(samples.map((event) => [event.type, event] as const))(
    'has a line for %s, whose link exists',
    (type, event) => {
      open().emit(event)
      expect(errors).toHaveLength(1)
      const [line = ''] = errors
      expect(line.startsWith(`[sallyport] ${type}: `)).toBe(true)
      expect(line.endsWith(`. See docs/troubleshooting.md#${type}`)).toBe(true)
      expect(line).not.toMatch(/undefined|\.\. /)
      expect(anchors).toContain(type)
    },
  )

  it('[twin] has none for what needs nobody, and for what anybody can cause', () => {
    const log = open()
    for (const event of silent) log.emit(event)
    log.flush()
    expect(errors).toEqual([])
  })

  it.each([
    ['metadata: 200, its issuer is "x", but the option "issuer" is "y" (https://x.example/)', 'Copy "issuer"'],
    ['metadata: 404 (https://x.example/.well-known/openid-configuration)', 'Compare "issuer"'],
    [
      'pushed authorization request: 400 invalid_request, "redirect_uri did not match" (https://x.example/par)',
      'Register',
    ],
    ['token: 401 (https://x.example/token)', 'Compare "client_id"'],
    ['token: 400 unauthorized_client, "not allowed" (https://x.example/token)', 'Compare "client_id"'],
    [
      'token: 200, an encrypted id_token (https://x.example/token)',
      'Compare the configuration here and at the provider',
    ],
    ['token: not sent, TypeError (https://x.example/token)', 'Look for the error in a function among the options'],
    ['keys: 404 (https://x.example/jwks)', 'Compare the configuration here and at the provider'],
    ['The client’s secret or key cannot be read', 'Check the function that returns it'],
    ['The DPoP key cannot be read again; the previous key is used', 'Check the function that returns it'],
    ['The cookie keys cannot be read again; the previous keys are used', 'Check the function that returns it'],
    ['A cookie key is shorter than 32 characters', 'Check the function that returns it'],
    ['The function "tenants" failed, so nobody of its provider can sign in', 'Look for the error in that function'],
    ['onSignIn threw: what it was called with is not passed again', 'Look for the error in that function'],
    ['A session record was written by a later release; it is not changed', 'Run one release'],
    [
      'A session record cannot be read: it was altered, or its key is not in "cookieKeys" any more. It is ignored',
      'Run one release',
    ],
    [`${storeErrors.store_refused} (42501)`, 'Look up the code'],
    [`${storeErrors.store_not_migrated} (42P01)`, 'Look up the code'],
    [storeErrors.store_format_unknown, 'Run one release'],
    ['The API of "notes" responds with its token in the header x-token: removed', 'Correct that API'],
    ['TypeError in /bff/session', 'That is a bug'],
  ])('knows a remedy: %s', (detail, remedy) => {
    open().emit({ type: 'operator_error', detail })
    expect(errors[0]).toContain(`. ${remedy}`)
  })

  it('tells endpoints of the same name apart, and no responses of one', () => {
    const log = open()
    for (const host of ['x', 'y'])
      for (const status of [500, 502])
        log.emit({ type: 'provider_unavailable', detail: `token: ${status} (https://${host}.example/token)` })
    expect(errors).toHaveLength(2)
    log.flush()
    expect(errors).toHaveLength(4)
    expect(errors[2]).toContain('token: 502 (https://x.example/token)')
  })

  it('links to nothing else', () => {
    expect([...new Set(samples.map(({ type }) => type))].sort()).toEqual([...anchors].sort())
  })

  it('says nothing of private addresses where the app is on loopback', () => {
    open(true).emit({ type: 'address_limit_off', remedy: 'x' })
    expect(errors).toEqual([])
  })

  it('prints no more than fifty causes and one line in a minute, whatever happens', () => {
    const log = open()
    for (let at = 0; at < 10_000; at++) log.emit({ type: 'operator_error', detail: `Cause ${at}` })
    expect(errors).toHaveLength(51)
    time += 60
    log.emit({ type: 'cookie_refused', detail: 'parts' })
    expect(errors).toHaveLength(52)
    expect(errors[51]).toContain('(9949 more since the last line)')
    log.flush()
    expect(errors).toHaveLength(52)
  })

  it('keeps to one line, whatever a text has in it', () => {
    open().emit({ type: 'operator_error', detail: 'a\nb\u001b[2J\u2028c' })
    expect(errors[0]).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
  })
})
