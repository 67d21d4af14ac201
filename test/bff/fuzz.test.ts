import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { API, APP, bodyOf, homes, ISSUER, signIn, type World, type WorldOptions } from '../world.js'

/** Requests in all: 200,000 with `npm run test:full`. */
const RUNS = process.env['FULL'] === '1' ? 200_000 : 10_000

const backends = homes.flatMap(([home, open]) =>
  (['token-mediating', 'proxy'] as const).map((mode) => [mode, home, open] as const),
)

/** Alice, signed in; in proxy mode before an API that answers every call. */
async function signedIn(mode: 'token-mediating' | 'proxy', open: (options: WorldOptions) => Promise<World>) {
  if (mode === 'token-mediating') {
    const here = await open({ mode })
    await signIn(here.tab)
    return here
  }
  const here: World = await open({
    mode,
    routes: { notes: { upstream: `${API}/v1` }, open: { upstream: API, anonymous: true } },
    fetch: async (input, init) => {
      const request = new Request(input, init)
      if (new URL(request.url).origin === ISSUER) return here.as.fetch(request)
      expect(new URL(request.url).origin).toBe(API)
      return Response.json({ api: 'said' })
    },
  })
  await here.tab.navigate(`${APP}/bff/login`)
  return here
}

/** Whatever is sent: an answer, never a 5xx, never a token, and the session of the person stays as it was. */
describe.each(backends)('a backend in %s mode, with %s', (mode, _home, open) => {
  it('is not upset by cookies, headers, paths and bodies of any kind', async () => {
    const here = await signedIn(mode, open)
    const own = here.browser.jar.header(`${APP}/`) ?? ''
    await fuzz(here, mode)
    const headers = { 'Sallyport-CSRF': '1', Cookie: own }
    const session = await here.bff.fetch(new Request(`${APP}/bff/session`, { method: 'POST', headers }))
    expect((await bodyOf(session)).user.sub).toBe('alice')
  }, 900_000)
})

async function fuzz({ bff, browser, as }: World, mode: string) {
  const own = browser.jar.header(`${APP}/`) ?? ''
  const issued = [...as.issued]
  const names = [
    '__Host-Http-sallyport',
    '__Host-Http-sallyport.2',
    '__Host-Http-sallyport.idle',
    '__Host-Http-sallyport.tx.AAAAAAAAAAAAAAAA',
    '__Host-Http-sallyport.logout',
    '__proto__',
    'x',
  ]
  const printable = fc.stringMatching(/^[\x21-\x7e]{0,60}$/)
  const pieces = own.split('; ').map((pair) => pair.slice(pair.indexOf('=') + 1))
  const value = fc.oneof(
    printable,
    fc.constantFrom(...pieces),
    fc.constantFrom(...pieces).map((sealed) => sealed.slice(0, -5)),
    fc.constantFrom('....', 'a.b.c.d.e', ''),
  )
  const cookies = fc
    .array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 6 })
    .map((pairs) => pairs.map((pair) => pair.join('=')).join('; '))
    // Without its idle cookie, or with two, a session has been idle for too long: that is an end of it, and no fault.
    .filter((text) => !text.includes(`__Host-Http-sallyport=${pieces[0]}`))
  const parameters = [
    'grant_type',
    'code',
    'state',
    'iss',
    'code_verifier',
    'refused',
    'sub',
    'min_validity',
    'resource',
    'scope',
    'response_type',
    'client_id',
    'redirect_uri',
    'nonce',
    'code_challenge',
    'code_challenge_method',
    'max_age',
    '__proto__',
    'constructor',
    'return_to',
    'prompt',
    'login_hint',
    'error',
    'error_description',
    'everywhere',
    'logout_token',
    'sid',
  ]
  const word = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.constantFrom(
      'authorization_code',
      'refresh_token',
      'code',
      'S256',
      'notes',
      `${APP}/callback`,
      'openid',
      '30',
      '-1',
      '1e9',
      'NaN',
    ),
  )
  const body = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc
      .array(fc.tuple(fc.constantFrom(...parameters), word), { maxLength: 12 })
      .map((pairs) => new URLSearchParams(pairs).toString()),
  )
  const path = fc.oneof(
    fc.constantFrom(
      '/session',
      '/token',
      '/transaction',
      '/logout/continue',
      '/health',
      '/login',
      '/callback',
      '/sessions',
      '/sessions/x',
      '/backchannel-logout',
      '/frontchannel-logout',
      '/api/notes/x',
      '/api/notes',
      '/api/open/a/b?c=d',
      '/api/',
      '/.well-known/openid-configuration',
      '/',
      '',
    ),
    fc.webPath(),
    fc.constantFrom(
      '/../bff/session',
      '/%2e%2e/session',
      '//session',
      '/session/',
      '/SESSION',
      '/session%00',
      '/token;x',
      '/token?a=b&a=c',
      '/api/notes/..%2f..%2fx',
      '/api/open//evil.example',
      '/api/open/@evil.example',
      '/login?return_to=//evil.example',
      '/login?return_to=/x&return_to=/y',
      '/callback?code=x&state=y&error=z',
    ),
  )
  const headers = fc.record(
    {
      'Sallyport-CSRF': fc.constantFrom('1', '0', '1, 1'),
      Origin: fc.constantFrom(APP, 'null', 'https://evil.example', ''),
      'Sec-Fetch-Site': fc.constantFrom('same-origin', 'none', 'cross-site', 'x'),
      'Sec-Fetch-Mode': fc.constantFrom('navigate', 'cors', 'x'),
      Accept: fc.constantFrom('text/html', '*/*'),
      'Content-Type': fc.constantFrom(
        'application/x-www-form-urlencoded',
        'APPLICATION/X-WWW-FORM-URLENCODED; charset=x',
        'text/plain',
        'application/json',
        '',
      ),
      'Content-Length': fc.constantFrom('0', '-1', 'x', '99999999999999999999'),
      Authorization: printable,
      'X-Forwarded-Host': fc.constant('evil.example'),
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'),
      path,
      headers,
      fc.oneof({ weight: 9, arbitrary: cookies }, fc.constant(own)),
      body,
      async (method, at, sent, cookie, text) => {
        const request = new Request(`${APP}/bff${at}`, {
          method,
          headers: { ...sent, Cookie: cookie },
          ...(method !== 'GET' && method !== 'HEAD' && { body: text }),
        })
        const response = await bff.fetch(request)
        expect(response.status, `${method} ${at}`).toBeLessThan(500)
        const said = (await response.text()) + [...response.headers].join()
        // A person's own cookie may be in there by chance: then, and only then, and never in proxy mode, an access token is
        // an answer.
        for (const secret of issued)
          if (mode === 'proxy' || !pieces.every((piece) => cookie.includes(piece))) expect(said).not.toContain(secret)
        expect(response.headers.get('location') ?? APP).toMatch(/^https:\/\/(app\.example\.com|login\.example\.net)/)
      },
    ),
    { numRuns: RUNS / backends.length, seed: 20_261_127 },
  )
}
