import type { Providers } from './providers.js'
import type { Settings } from './settings.js'

/** Every place where a configuration differs from what RFC 10017 describes, each with its section and the reason. */
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
    'Section 6.1.3.2: the cookie that leads on to the provider at sign-out is SameSite=Lax; it is good once, for seconds.' +
      (mode === 'proxy' ? ' So is the one that says which session a sign-in replaces; it opens none.' : ''),
    ...(loopbackCookies
      ? ['Section 6.1.3.2: loopbackCookies sets cookies without Secure and without a name prefix, for development.']
      : []),
    ...(routesWith('sse')
      ? [
          `Section 6.1.3.3.2: EventSource sends no header; for GET of ${routesWith('sse')} the browser’s Sec-Fetch-Site: same-origin takes its place.`,
        ]
      : []),
    ...(routesWith('websocket')
      ? [
          `Section 6.1.3.3.2: a WebSocket sends no header; for ${routesWith('websocket')} its Origin must be exactly ours.`,
        ]
      : []),
    ...(allowedOrigins.length
      ? [`Section 9.4: one session serves pages of several origins: ${allowedOrigins.join(', ')}.`]
      : []),
    ...withoutPkce.map(
      (issuer) =>
        `Section 6.1.3.1: ${issuer} does not say that it enforces PKCE; state and nonce, bound to the browser, stand in.`,
    ),
  ]
}

const mediating = [
  'Section 6.2.1: the page begins the code flow; each sign-in is bound to the browser that began it.',
  'Section 6.2.4.4 prefers a full BFF: here access tokens reach the page, in memory.',
]

const transactionCookie = {
  query:
    'Section 6.1.3.2: the cookie of a sign-in under way is SameSite=Lax: the provider sends people back by a link.',
  form_post:
    'Section 6.1.3.2: the cookie of a sign-in under way is SameSite=None: the provider sends people back by a form.',
}
