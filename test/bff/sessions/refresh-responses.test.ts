import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { API, APP, bodyOf, homes, ISSUER, look, refresh, signIn, type World, type WorldOptions } from '../../world.js'

type Body = Record<string, unknown>
type Claims = Record<string, unknown>

const GONE = Symbol('the member is missing')
const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const algorithms = expect.stringMatching(/^"alg" is (none|HS256); idTokenAlgs has RS256, PS256, ES256, EdDSA$/)
const jwt = (header: object, claims: object) => `${encoded(header)}.${encoded(claims)}.c2ln`

/** A world whose provider answers a refresh as `change` says, and whose keys can be out of reach. */
async function changing(open: (options?: WorldOptions) => Promise<World>) {
  const here = {
    change: undefined as ((response: Response) => Promise<Response>) | undefined,
    keysDown: false,
    keyRequests: 0,
  }
  const options: WorldOptions = {
    fetch: async (input, init) => {
      const request = new Request(input, init)
      const { origin, pathname } = new URL(request.url)
      if (origin === API) return Response.json({})
      if (pathname.endsWith('/jwks')) {
        here.keyRequests++
        if (here.keysDown) throw new TypeError('fetch failed')
      }
      const response = await world.as.fetch(request)
      return pathname.endsWith('/token') && here.change ? here.change(response) : response
    },
  }
  const world: World = await open(options)
  return { ...world, here }
}

/** The response with other members. */
const withBody =
  (change: (body: Body) => Body) =>
  async (response: Response): Promise<Response> =>
    response.ok ? Response.json(change((await response.json()) as Body)) : response

const members = (changes: Record<string, unknown>) =>
  withBody((body) => {
    const next: Body = { ...body, ...changes }
    for (const name of Object.keys(changes)) if (changes[name] === GONE) delete next[name]
    return next
  })

describe.each(homes)('a refresh that has succeeded, with %s', (_home, open) => {
  it.each<[what: string, changes: Body, told: Body]>([
    ['everything null that may be absent', { id_token: null, expires_in: null, scope: null }, { expires_in: 300 }],
    ['an unknown member that is null', { unknown: null }, {}],
    ['no ID Token', { id_token: GONE }, {}],
    ['an ID Token of another type', { id_token: 7 }, {}],
    ['an empty ID Token', { id_token: '' }, {}],
    ['an ID Token that is no JWT', { id_token: 'a.b.c' }, {}],
    ['an encrypted ID Token', { id_token: 'e30.a.b.c.d' }, {}],
    ['an ID Token of JSON that is no object', { id_token: 'W10.W10.c2ln' }, {}],
    ['no lifetime', { expires_in: GONE }, { expires_in: 300 }],
    ['a lifetime as text', { expires_in: '120' }, { expires_in: 120 }],
    ['a lifetime that is none', { expires_in: 'soon' }, { expires_in: 300 }],
    ['a negative lifetime', { expires_in: -1 }, { expires_in: 300 }],
    ['a lifetime of another type', { expires_in: { seconds: 3 } }, { expires_in: 300 }],
    ['an endless lifetime', { expires_in: 1e300 }, { expires_in: 31_536_000 }],
    ['a list of scopes', { scope: ['openid', 'notes:read'] }, { scope: 'openid notes:read' }],
    ['an empty list of scopes', { scope: [] }, { scope: '' }],
    ['a scope of another type', { scope: 7 }, {}],
    ['a scope that holds a line break', { scope: 'a\nb' }, {}],
    ['a type of token in capitals', { token_type: 'BEARER' }, {}],
  ])('[B-36][B-36 twin] is taken with %s', async (_what, changes, told) => {
    const { tab, as, advance, here } = await changing(open)
    const { access_token } = await bodyOf(await signIn(tab))
    advance(301)
    here.change = members(changes)
    const taken = await bodyOf(await refresh(tab))
    expect(taken).toMatchObject(told)
    expect(taken.access_token).not.toBe(access_token)
    expect((await bodyOf(await refresh(tab))).access_token).toBe(taken.access_token)
    here.change = undefined
    advance(31_536_000 / 1000)
    if (told['expires_in'] !== 31_536_000) expect((await refresh(tab)).status).toBe(200)
    expect(as.grants.refresh_token).toBe(told['expires_in'] === 31_536_000 ? 1 : 2)
  })

  it.each<[what: string, changes: Body, told: string]>([
    ['no access token', { access_token: GONE }, ''],
    ['an access token that is null', { access_token: null }, ''],
    ['an access token of another type', { access_token: 7 }, 'no usable access_token ('],
    ['an access token that ends a header', { access_token: 'a\r\nb' }, 'no usable access_token ('],
    ['no type of token', { token_type: GONE }, 'no usable token_type: unknown, and only Bearer'],
    ['a type of token that is none', { token_type: ['Bearer'] }, 'no usable token_type: unknown, and only Bearer'],
    ['tokens that are bound to a key', { token_type: 'DPoP' }, 'no usable token_type: dpop, and only Bearer'],
  ])('[B-36] keeps the refresh token that came with %s', async (_what, changes, told) => {
    const { tab, as, advance, here, events, restart } = await changing(open)
    await signIn(tab)
    advance(301)
    here.change = members(changes)
    for (let at = 1; at <= 3; at++) {
      const response = await refresh(tab)
      expect([response.status, (await bodyOf(response)).error]).toEqual([503, 'operator_error'])
      // Nobody asks again before the wait is over.
      expect((await refresh(tab)).status).toBe(503)
      expect(as.grants.refresh_token).toBe(at)
      advance(60)
    }
    if (told) expect(JSON.stringify(events)).toContain(told)
    here.change = undefined
    // The new refresh token is in the cookie or the store, not in this process alone.
    restart()
    expect((await refresh(tab)).status).toBe(200)
    expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
  })

  it.each<[what: string, changes: Body, status: number]>([
    ['whose scope is not the requested one', { scope: 'openid notes:read notes:write' }, 400],
    ['without an access token', { access_token: GONE }, 503],
  ])('[B-36] keeps a response %s in proxy mode, too', async (_what, changes, status) => {
    const routes = { notes: { upstream: `${API}/v1`, resource: API, scope: 'notes:read' } }
    const { tab, advance, here, restart } = await changing((options) => open({ ...options, mode: 'proxy', routes }))
    await tab.navigate(`${APP}/bff/login`)
    const ask = () => tab.fetch('/bff/api/notes/x', { headers: { 'Sallyport-CSRF': '1' } })
    advance(301)
    here.change = members(changes)
    expect((await ask()).status).toBe(status)
    here.change = undefined
    restart()
    advance(61)
    expect((await ask()).status).toBe(200)
  })

  it('[B-36] gives no token of an unknown scope to a page that asked for less, and keeps the session', async () => {
    const { tab, here } = await changing(open)
    await signIn(tab)
    here.change = members({ scope: 7 })
    expect((await bodyOf(await refresh(tab, { scope: 'notes:read' }))).error).toBe('invalid_scope')
    here.change = undefined
    expect((await bodyOf(await refresh(tab, { scope: 'notes:read' }))).scope).toBe('notes:read')
  })

  it.each<[claim: string, value: unknown]>([
    ['iss', 'https://evil.example'],
    ['iss', `${ISSUER}/`],
    ['sub', 'mallory'],
    ['sub', 7],
    ['aud', 'another'],
    ['aud', ['another', 'one']],
    ['azp', 'another'],
    ['nonce', 'of another sign-in'],
    ['nonce', 7],
  ])('[B-36] ends the session when its ID Token has another %s: %j', async (claim, value) => {
    for (const signature of [undefined, 'other-key'] as const) {
      const { tab, as, advance, events } = await changing(open)
      await signIn(tab)
      as.tamper.idToken = (claims, header) => ({
        claims: { ...claims, [claim]: value },
        header,
        ...(signature && { signature }),
      })
      advance(301)
      expect(await bodyOf(await refresh(tab))).toMatchObject({ error: 'invalid_grant', reason: 'revoked' })
      expect(events).toContainEqual({ type: 'id_token_refused', claim })
      expect((await bodyOf(await look(tab, '/session'))).user).toBeNull()
    }
  })

  it.each<[what: string, change: (claims: Claims, now: number) => Claims, refused?: string]>([
    ['the original nonce', (claims) => claims],
    ['no nonce', ({ nonce: _, ...claims }) => claims],
    ['several audiences, this client among them', (claims) => ({ ...claims, aud: ['another', 'notes'] })],
    ['this client as azp', (claims) => ({ ...claims, azp: 'notes' })],
    ['null for what may be absent', (claims) => ({ ...claims, azp: null, nonce: null, acr: null })],
    ['its end in the past', (claims, now) => ({ ...claims, iat: now - 900, exp: now - 600 })],
    ['no end', ({ exp: _, ...claims }) => claims],
    ['a beginning in the future', (claims, now) => ({ ...claims, iat: now + 9000, nbf: now + 9000 })],
    ['times of another type', (claims) => ({ ...claims, iat: 'now', exp: 'later', auth_time: 'then' })],
    ['another hash of the access token', (claims) => ({ ...claims, at_hash: 'another' })],
    ['no sub', ({ sub: _, ...claims }) => claims, 'sub'],
    ['no iss', ({ iss: _, ...claims }) => claims, 'iss'],
    ['an aud of null', (claims) => ({ ...claims, aud: null }), 'aud'],
  ])('[B-36 twin] goes on when its ID Token has %s', async (_what, change, refused) => {
    const { tab, as, advance, now, events } = await changing(open)
    await signIn(tab)
    as.tamper.idToken = (claims, header) => ({ claims: change(claims, now()), header })
    for (let at = 0; at < 2; at++) {
      advance(301)
      expect((await refresh(tab)).status).toBe(200)
    }
    expect(events.filter(({ type }) => type === 'id_token_refused')).toEqual(
      refused ? Array.from({ length: 2 }, () => ({ type: 'id_token_refused', claim: refused })) : [],
    )
  })

  it('[B-36] goes on when the provider sends the original ID Token again, which has expired', async () => {
    const { tab, as, advance, here, eventTypes } = await changing(open)
    let original: unknown
    as.tamper.tokenResponse = (body) => {
      original ??= body['id_token']
      return body
    }
    await signIn(tab)
    here.change = withBody((body) => ({ ...body, id_token: original }))
    for (let at = 0; at < 5; at++) {
      advance(3600)
      expect((await refresh(tab)).status).toBe(200)
    }
    expect(eventTypes()).not.toContain('id_token_refused')
  })

  it.each<[what: string, header: object, claim: string]>([
    ['no algorithm', { alg: 'none' }, 'alg'],
    ['an algorithm that is not configured', { alg: 'HS256' }, 'alg'],
    ['another type', { alg: 'RS256', typ: 'logout+jwt' }, 'typ'],
    ['a signature that is none', { alg: 'RS256' }, 'signature'],
    ['an unknown crit', { alg: 'RS256', crit: ['b64x'], b64x: true }, 'signature'],
  ])('[B-36] drops an ID Token with %s, and that alone', async (_what, header, claim) => {
    const { tab, advance, here, events } = await changing(open)
    await signIn(tab)
    const id_token = jwt(header, { iss: ISSUER, sub: 'alice', aud: 'notes' })
    here.change = members({ id_token })
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
    expect(events).toContainEqual({ type: 'id_token_refused', claim, ...(claim === 'alg' && { detail: algorithms }) })
    here.change = undefined
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
  })

  it('[B-36] waits for no keys: an outage of theirs is told as one of the keys, and known ones serve', async () => {
    const { tab, as, advance, here, events, restart } = await changing(open)
    await signIn(tab)
    here.keysDown = true
    const before = here.keyRequests
    for (let at = 0; at < 3; at++) {
      advance(301)
      expect((await refresh(tab)).status).toBe(200)
    }
    expect(here.keyRequests).toBe(before)
    expect(events.map(({ type }) => type)).not.toContain('id_token_refused')
    as.tamper.idToken = (claims, header) => ({ claims, header, signature: 'other-key' })
    advance(301)
    expect((await refresh(tab)).status).toBe(200)
    expect(events).toContainEqual({ type: 'id_token_refused', claim: 'signature' })
    as.tamper.idToken = undefined
    restart()
    for (let at = 0; at < 3; at++) {
      advance(301)
      expect((await refresh(tab)).status).toBe(200)
    }
    expect(events).toContainEqual({
      type: 'provider_unavailable',
      detail: `keys: no response, TypeError (${ISSUER}/jwks)`,
    })
    expect(JSON.stringify(events)).not.toContain('token: ')
    expect(events.map(({ type }) => type)).not.toContain('refresh_failed')
  })

  const odd = [GONE, null, 7, -1, true, [], {}, ['x'], '', 'x', 'a\r\nb', 'ü']
  const oddOr = (...more: unknown[]) => fc.option(fc.constantFrom(...odd, ...more), { nil: undefined, freq: 2 })
  const responses = fc.record({
    changes: fc.record({
      access_token: oddOr(),
      refresh_token: oddOr(),
      token_type: oddOr('Bearer', 'bearer', 'DPoP', 'mac'),
      expires_in: oddOr('60', '1e300', 'NaN'),
      scope: oddOr('openid', ['openid', 'notes:read'], [7]),
      id_token: oddOr(
        'a.b.c',
        'e30.e30.',
        'e30.a.b.c.d',
        jwt({ alg: 'none' }, {}),
        jwt({ alg: 'RS256' }, { aud: 'notes' }),
      ),
      unknown: oddOr(),
    }),
    status: fc.constantFrom(200, 200, 200, 200, 201, 202, 203, 206, 207, 226, 299),
    type: fc.constantFrom('application/json', 'application/json;charset=UTF-8', 'text/html', 'text/plain', undefined),
    headers: fc.constantFrom<Record<string, string>>(
      {},
      { 'WWW-Authenticate': 'Bearer error="invalid_token"' },
      { 'Content-Length': '3' },
      { 'Cache-Control': 'public', 'Retry-After': '9999', Date: 'never' },
      { Location: 'https://evil.example/', Refresh: '0' },
      { 'WWW-Authenticate': 'DPoP error="use_dpop_nonce"', 'DPoP-Nonce': 'n-1' },
      { 'Content-Encoding': 'identity', 'Transfer-Encoding': 'chunked', Connection: 'close' },
    ),
    bom: fc.boolean(),
  })

  it('[B-36] never loses a session after a success that held tokens', async () => {
    await fc.assert(
      fc.asyncProperty(responses, async ({ changes, status, type, headers, bom }) => {
        const { tab, as, advance, here } = await changing(open)
        const { access_token } = await bodyOf(await signIn(tab))
        advance(301)
        let sent: Body = {}
        here.change = async (response) => {
          if (!response.ok) return response
          sent = (await response.json()) as Body
          for (const [name, value] of Object.entries(changes)) {
            if (value === GONE) delete sent[name]
            else if (value !== undefined) sent[name] = value
          }
          const bytes = new TextEncoder().encode(`${bom ? '\ufeff' : ''}${JSON.stringify(sent)}`)
          return new Response(bytes, { status, headers: { ...headers, ...(type && { 'Content-Type': type }) } })
        }
        const answer = await bodyOf(await refresh(tab))
        here.change = undefined
        const usable = (name: string) => changes[name as 'access_token'] === undefined || sent[name] === 'x'
        const bearer = /^bearer$/i.test(`${sent['token_type']}`) && typeof sent['token_type'] === 'string'
        // As soon as there is a usable access token, it is served.
        if (usable('access_token') && bearer) {
          expect(answer.access_token).toBe(sent['access_token'])
          expect(answer.access_token).not.toBe(access_token)
        }
        expect((await bodyOf(await look(tab, '/session'))).user.sub).toBe('alice')
        // The new refresh token has come and is spoilt: nobody has revoked it.
        if (changes.refresh_token !== undefined && !usable('refresh_token') && sent['refresh_token'] != null) {
          if (answer.expires_in > 40_000) return
          advance(40_000)
          const end = await bodyOf(await refresh(tab))
          expect(end).toMatchObject({ error: 'invalid_grant', reason: 'refresh_lost' })
        }
        // Otherwise every later refresh succeeds.
        if (changes.refresh_token !== undefined) return
        for (let at = 0; at < 2; at++) {
          advance(40_000)
          if (as.grants.refresh_token === 1 && answer.expires_in > 40_000) return
          expect((await refresh(tab)).status).toBe(200)
        }
      }),
      { numRuns: 60 },
    )
  })

  const errors = fc.record({
    status: fc.oneof(
      fc.constantFrom(
        302,
        400,
        401,
        403,
        404,
        405,
        408,
        410,
        413,
        415,
        418,
        421,
        425,
        429,
        500,
        501,
        502,
        503,
        504,
        520,
        599,
      ),
      fc.integer({ min: 300, max: 599 }).filter((status) => status !== 304),
    ),
    body: fc.constantFrom<unknown>(
      undefined,
      '<html>',
      '{',
      null,
      [],
      {},
      { error: null },
      { error: 7 },
      { error: '' },
      { error: 'no code' },
      { error: 'invalid_request' },
      { error: 'invalid_client' },
      { error: 'unauthorized_client' },
      { error: 'unsupported_grant_type' },
      { error: 'temporarily_unavailable', error_description: null },
      { error: 'server_error', error_description: ['a'] },
      { message: 'Forbidden' },
    ),
    type: fc.constantFrom('application/json', 'application/problem+json', 'text/html', undefined),
    headers: fc.constantFrom<Record<string, string>>(
      {},
      { 'WWW-Authenticate': 'Basic realm="x"' },
      { 'WWW-Authenticate': 'nonsense,,=' },
      { 'Retry-After': 'soon' },
      { Location: '://' },
    ),
  })

  it('[B-40][B-40 twin] tells an outage from a mistake by status and body alone, and neither ends a session', async () => {
    await fc.assert(
      fc.asyncProperty(errors, async ({ status, body, type, headers }) => {
        const { tab, as, advance, events } = await changing(open)
        await signIn(tab)
        advance(301)
        const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
        // Instead of an answer: the refresh token is not spent.
        as.fail('token', {
          status,
          ...(text && { body: text }),
          headers: { ...headers, ...(type && { 'Content-Type': type }) },
        })
        const { error } = await bodyOf(await refresh(tab))
        const said = status < 500 ? `${(body as { error?: unknown } | null | undefined)?.error || ''}` : ''
        const firewall = status === 403 && (!said || said === '7')
        const outage =
          [408, 425, 429].includes(status) ||
          status >= 500 ||
          firewall ||
          /^(temp.*|server_error)$/.test(status >= 400 ? said : '')
        expect(error).toBe(outage ? 'temporarily_unavailable' : 'operator_error')
        const mistakes = events.filter((event) => event.type === 'operator_error')
        expect(mistakes.map(({ detail }) => detail.slice(0, 10))).toEqual(outage ? [] : [`token: ${status}`])
        advance(301)
        expect((await refresh(tab)).status).toBe(200)
      }),
      { numRuns: 100 },
    )
  })
})
