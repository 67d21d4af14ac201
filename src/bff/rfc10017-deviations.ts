import type { Providers } from './providers.js'
import type { Settings } from './settings.js'

/** Every difference of this configuration from RFC 10017, with its section and the reason. */
export function deviationsOf(settings: Settings, { all }: Providers): readonly string[] {
  const { mode, response_mode, loopbackCookies, routes, allowedOrigins } = settings
  const routesWith = (which: 'sse' | 'websocket') =>
    [...routes].flatMap(([name, route]) => (route[which] ? [name] : [])).join(', ')
  const withoutPkce = all.flatMap(({ known, settings: { issuer } }) => {
    const metadata = known()
    return metadata && !metadata.code_challenge_methods_supported?.includes('S256') ? [issuer] : []
  })
  return [
    ...(mode === 'proxy' ? [] : mediating),
    ...(mode === 'proxy' ? [transactionCookie[response_mode === 'form_post' ? 'form_post' : 'query']] : []),
    'Section 6.1.3.2: the cookie for sign-out at the provider is SameSite=Lax; it can be used once, within two minutes.' +
      (mode === 'proxy'
        ? ' The cookie that names the session that a sign-in replaces is SameSite=Lax, too; it opens no session.'
        : ''),
    ...(loopbackCookies
      ? ['Section 6.1.3.2: loopbackCookies sets cookies without Secure and without a name prefix, for development.']
      : []),
    ...(routesWith('sse')
      ? [
          `Section 6.1.3.3.2: EventSource sends no header; for GET of ${routesWith('sse')} Sec-Fetch-Site: same-origin is required instead.`,
        ]
      : []),
    ...(routesWith('websocket')
      ? [
          `Section 6.1.3.3.2: a WebSocket sends no header; for ${routesWith('websocket')} its Origin must be exactly that of baseUrl.`,
        ]
      : []),
    ...(allowedOrigins.length
      ? [`Section 9.4: one session serves pages of several origins: ${allowedOrigins.join(', ')}.`]
      : []),
    ...withoutPkce.map(
      (issuer) =>
        `Section 6.1.3.1: ${issuer} does not say that it enforces PKCE; state and nonce, bound to the browser, replace it.`,
    ),
  ]
}

const mediating = [
  'Section 6.2.1: the page begins the code flow; each sign-in is bound to the browser that began it.',
  'Section 6.2.4.4 prefers a full BFF: in this mode access tokens reach the page, in memory.',
]

const transactionCookie = {
  query:
    'Section 6.1.3.2: the cookie of a running sign-in is SameSite=Lax, because the provider redirects to the callback.',
  form_post:
    'Section 6.1.3.2: the cookie of a running sign-in is SameSite=None, because the provider posts a form to the callback.',
}
