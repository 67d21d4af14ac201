import fc from 'fast-check'
import { expect, it } from 'vitest'
import { APP, bodyOf, signIn, world } from '../world.js'

/** Whatever is sent: an answer, never a 5xx, never a token, and the session of the person stays as it was. */
it('is not upset by cookies, headers, paths and bodies of any kind', async () => {
  const { bff, tab, browser, as } = await world()
  await signIn(tab)
  const own = browser.jar.header(`${APP}/`) ?? ''
  const issued = [...as.issued]
  const names = [
    '__Host-Http-sallyport',
    '__Host-Http-sallyport-2',
    '__Host-Http-sallyport-idle',
    '__Host-Http-sallyport-tx.AAAAAAAAAAAAAAAA',
    '__Host-Http-sallyport-logout',
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
    ),
  )
  const headers = fc.record(
    {
      'Sallyport-CSRF': fc.constantFrom('1', '0', '1, 1'),
      Origin: fc.constantFrom(APP, 'null', 'https://evil.example', ''),
      'Sec-Fetch-Site': fc.constantFrom('same-origin', 'none', 'cross-site', 'x'),
      'Sec-Fetch-Mode': fc.constantFrom('navigate', 'cors', 'x'),
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
      cookies,
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
        // A person's own cookie may be in there by chance: then, and only then, an access token is an answer.
        for (const secret of issued)
          if (!(own && pieces.every((piece) => cookie.includes(piece)))) expect(said).not.toContain(secret)
        expect(response.headers.get('location') ?? APP).toMatch(/^https:\/\/(app\.example\.com|login\.example\.net)/)
      },
    ),
    { numRuns: 3000, seed: 20_261_124 },
  )
  const session = await bff.fetch(
    new Request(`${APP}/bff/session`, { method: 'POST', headers: { 'Sallyport-CSRF': '1', Cookie: own } }),
  )
  expect((await bodyOf(session)).user.sub).toBe('alice')
}, 60_000)
