import { anyText, bool, check, object, optional } from '../../protocol/shape.js'
import { type Calls, call, validated } from '../../protocol/validate.js'

export interface StoredCookie {
  name: string
  value: string
  domain: string
  hostOnly: boolean
  path: string
  secure: boolean
  httpOnly: boolean
  sameSite: 'Strict' | 'Lax' | 'None'
  /** Epoch seconds; `Infinity` for a session cookie. */
  expires: number
}

/** The context of a request that matters for cookies. */
export interface CookieContext {
  /** Whether the request and its whole redirect chain are same-site. */
  sameSite: boolean
  /** A top-level navigation by a safe method. */
  navigation: boolean
}

export interface CookieJar {
  /** Processes a `Set-Cookie` header of a response from `url`. Returns whether the cookie was stored. */
  set(url: string, header: string, context?: CookieContext): boolean
  /** The `Cookie` header of a request to `url`; `undefined` if there is none. */
  header(url: string, context?: CookieContext): string | undefined
  /** The `document.cookie` of a script at `url`. */
  script(url: string): string
  all(): StoredCookie[]
  clear(): void
}

const url = check<string>('an absolute URL', (value) => typeof value === 'string' && URL.canParse(value))
const context = optional(object<CookieContext>({ sameSite: bool, navigation: bool }))

/** The parameters of a jar's functions. The content of a header is accepted or ignored, as in a browser. */
export const cookieJarCalls = {
  set: call(['url', url], ['header', anyText], ['context', context]),
  header: call(['url', url], ['context', context]),
  script: call(['url', url]),
  all: call(),
  clear: call(),
} satisfies Calls<CookieJar>

/**
 * A cookie jar with a browser's rules: HttpOnly, Secure, SameSite (default Lax), Path, Domain, host-only, Max-Age
 * before Expires, and the name prefixes. Ports of one host share cookies.
 *
 * Names and values are bytes, one character each. Only space and tab are trimmed, not U+00A0. A header with a control
 * character is refused. A cookie without a name is stored, and sent as its value.
 *
 * Not supported: public suffixes, limits of number, partitions.
 *
 * @see draft-ietf-httpbis-layered-cookies
 */
export function createCookieJar(now: () => number): CookieJar {
  let cookies: StoredCookie[] = []
  const own: CookieContext = { sameSite: true, navigation: false }
  const live = () => {
    cookies = cookies.filter(({ expires }) => expires > now())
    return cookies
  }
  const matching = (url: URL, { sameSite, navigation }: CookieContext) =>
    live().filter(
      (cookie) =>
        (cookie.hostOnly ? url.hostname === cookie.domain : isSameOrSubdomain(url.hostname, cookie.domain)) &&
        pathMatches(url.pathname, cookie.path) &&
        (!cookie.secure || trustworthy(url)) &&
        (sameSite || cookie.sameSite === 'None' || (cookie.sameSite === 'Lax' && navigation)),
    )

  const jar: CookieJar = {
    set(address, header, context = own) {
      const url = new URL(address)
      const cookie = parse(header, url, now())
      if (!cookie || !isAccepted(cookie, url, header)) return false
      // A cross-site subrequest stores no cookies that only same-site requests send.
      if (!context.sameSite && !context.navigation && cookie.sameSite !== 'None') return false
      const others = live().filter(
        (old) => !(old.name === cookie.name && old.domain === cookie.domain && old.path === cookie.path),
      )
      // A new value keeps the position: the order of a Cookie header is the order of creation.
      cookies = cookie.expires > now() ? [...others, cookie] : others
      return true
    },
    header(address, context = own) {
      const found = matching(new URL(address), context)
      return found.length ? found.map(written).join('; ') : undefined
    },
    script: (address) =>
      matching(new URL(address), own)
        .filter(({ httpOnly }) => !httpOnly)
        .map(written)
        .join('; '),
    all: () => live().map((cookie) => ({ ...cookie })),
    clear() {
      cookies = []
    },
  }
  return validated('jar', jar, cookieJarCalls)
}

const written = ({ name, value }: StoredCookie): string => (name ? `${name}=${value}` : value)

/** https:, or loopback: Chromium and Firefox store Secure cookies there. */
const trustworthy = (url: URL): boolean =>
  url.protocol === 'https:' || /^(localhost|.+\.localhost|127\..+|\[::1\])$/.test(url.hostname)

const isSameOrSubdomain = (host: string, domain: string): boolean => host === domain || host.endsWith(`.${domain}`)

const pathMatches = (path: string, prefix: string): boolean =>
  path === prefix || (path.startsWith(prefix) && (prefix.endsWith('/') || path[prefix.length] === '/'))

/** Trims the whitespace of RFC 6265 section 5.2: space and tab only. */
const trimBlanks = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '')

const controls = /[\0-\x08\x0a-\x1f\x7f]/

function parse(header: string, url: URL, now: number): StoredCookie | undefined {
  const [pair = '', ...attributes] = header.split(';')
  const at = pair.indexOf('=')
  if (controls.test(header) || !trimBlanks(pair.slice(at + 1) + pair.slice(0, Math.max(0, at)))) return undefined
  const found = new Map(
    attributes.map((attribute) => {
      const [name = '', ...value] = attribute.split('=')
      return [trimBlanks(name).toLowerCase(), trimBlanks(value.join('='))] as const
    }),
  )
  const maxAge = found.get('max-age')
  const expires = found.get('expires')
  const domain = found.get('domain')?.replace(/^\./, '').toLowerCase()
  const sameSite = found.get('samesite')?.toLowerCase()
  return {
    name: trimBlanks(pair.slice(0, Math.max(0, at))),
    value: trimBlanks(pair.slice(at + 1)),
    domain: domain || url.hostname,
    hostOnly: !domain,
    path: found.get('path')?.startsWith('/') ? (found.get('path') ?? '/') : url.pathname.replace(/\/[^/]*$/, '') || '/',
    secure: found.has('secure'),
    httpOnly: found.has('httponly'),
    sameSite: sameSite === 'strict' ? 'Strict' : sameSite === 'none' ? 'None' : 'Lax',
    expires:
      maxAge !== undefined && /^-?\d+$/.test(maxAge)
        ? now + Number(maxAge)
        : expires
          ? Date.parse(expires) / 1000
          : Number.POSITIVE_INFINITY,
  }
}

const prefixes = /^__(secure|host|http)-/

/** Whether a browser would store the cookie at all. */
function isAccepted(cookie: StoredCookie, url: URL, header: string): boolean {
  // A cookie without a name is sent as its value, which must not look like the name of another cookie.
  const name = (cookie.name || cookie.value).toLowerCase()
  if (!cookie.name && prefixes.test(name)) return false
  if (header.length > 4096 || !isSameOrSubdomain(url.hostname, cookie.domain)) return false
  if (cookie.secure && !trustworthy(url)) return false
  if (cookie.sameSite === 'None' && !cookie.secure) return false
  if (name.startsWith('__secure-') && !cookie.secure) return false
  if (name.startsWith('__host-') && !(cookie.secure && cookie.hostOnly && cookie.path === '/')) return false
  if (name.startsWith('__http-') && !(cookie.secure && cookie.httpOnly)) return false
  return !(name.startsWith('__host-http-') && !cookie.httpOnly)
}
