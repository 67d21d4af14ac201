import { createPageAuth } from '../client/auth.js'
import { type Answer, type Backend, encodeForm, type Form } from '../client/backend.js'
import { createAuth } from '../client/index.js'
import type { Auth, AuthOptions } from '../client/types.js'
import type { RegisteredClaims } from '../protocol/claims.js'
import { systemNow } from '../protocol/time.js'
import type { BackendInPage, BackendInPageSettings } from './backend-in-page.js'
import type { DpopFetch } from './dpop-fetch.js'

export type { Auth, AuthErrorCode, Session } from '../client/index.js'
export { isSallyportError, SallyportError } from '../client/index.js'

export interface BrowserOnlyAuthOptions<Claims = RegisteredClaims>
  extends Omit<AuthOptions<Claims>, 'bff' | 'initial' | 'apis'> {
  /** The provider's `issuer`, character for character as in its metadata. */
  issuer: string
  /** Where the metadata document is, if it is not below the issuer. Its `issuer` must still be the configured one. */
  metadataUrl?: string
  /** A public client: no secret, PKCE, refresh tokens rotated or bound. @see RFC 9700 section 2.2.2 */
  client_id: string
  /** Space-separated. Default `openid profile email`. Add `offline_access` if the provider requires it for refresh tokens. */
  scope?: string
  /** URL prefixes that `auth.fetch` may send tokens to, besides this origin. */
  apis?: Readonly<Record<string, { resource?: string; scope?: string }>>
  /**
   * Binds tokens to a key that is made in this page and cannot be exported (RFC 9449). Default `true`; `false` for providers
   * without DPoP: a copied token then works everywhere.
   */
  dpop?: boolean
  /**
   * Where the provider may send users after sign-out; registered there. The first is the default, the others are for
   * `logout({ returnTo })`. Default `/` on this origin.
   */
  post_logout_redirect_uris?: readonly string[]
  /**
   * Further parameters for the provider's end-session page, for example `{ logout_uri: 'https://app.example.com/' }` for Amazon Cognito.
   * Default none. Cannot replace `client_id`, `post_logout_redirect_uri` and `id_token_hint`.
   */
  endSessionParams?: Readonly<Record<string, string>>
  /** Signature algorithms of ID Tokens. Default RS256, PS256, ES256 and EdDSA. */
  idTokenAlgs?: readonly string[]
  /** Seconds by which clocks may differ. Default 60. */
  clockTolerance?: number
}

/**
 * Sign-in without a backend: the page itself is the OAuth client. The same `Auth` as `createAuth()` returns, with the same
 * popups, step-up, tabs and errors; code flow with PKCE, the ID Token verified in full, refresh tokens in memory only.
 *
 * **What this cannot protect.** Any script that runs in the page (an injected one, a bad dependency, an extension) can do
 * all that the page can: use the tokens through the page, and start a sign-in of its own in a hidden frame to get tokens
 * that this code never sees. No storage and no key prevents that (RFC 10017 sections 5 and 6.3). A reload drops the tokens.
 * They come back only if the provider answers in a hidden frame, which browsers that block third-party cookies prevent for
 * a provider of another site. With a backend (`createAuth()`), scripts cannot reach refresh tokens and a reload keeps the
 * session: prefer it wherever you can run one.
 *
 * @throws TypeError naming the option that cannot be used
 * @throws SallyportError `insecure_context` where Web Crypto is missing
 * @see RFC 10017 section 6.3 (browser-based OAuth client)
 */
export function createBrowserOnlyAuth<Claims = RegisteredClaims>(
  options: BrowserOnlyAuthOptions<Claims>,
): Auth<Claims> {
  const { issuer, client_id, post_logout_redirect_uris = ['/'], ...page } = options
  if (!URL.canParse(issuer) || /[?#]/.test(issuer))
    throw new TypeError('createBrowserOnlyAuth: "issuer" must be an https URL without query and fragment')
  if (!client_id) throw new TypeError('createBrowserOnlyAuth: "client_id" is missing')
  if (typeof document === 'undefined') return createAuth()
  // The name of channels and records, and an address that gets no token.
  const bff = `${issuer.replace(/\/$/, '')}/${encodeURIComponent(client_id)}`
  const network = options.fetch ?? globalThis.fetch.bind(globalThis)

  const settings = (): Omit<BackendInPageSettings, 'dpop' | 'signedInBefore'> => ({
    issuer,
    metadataUrl: options.metadataUrl,
    client_id,
    credential: '',
    clientAuthentication: 'none',
    userinfo_signed_response_alg: undefined,
    redirect_uri: new URL(options.redirect_uri ?? '/callback', location.href).href,
    post_logout_redirect_uris: post_logout_redirect_uris.map((uri) => new URL(uri, location.href).href),
    endSessionParams: options.endSessionParams,
    scope: options.scope ?? 'openid profile email',
    idTokenAlgs: options.idTokenAlgs ?? ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
    clockTolerance: options.clockTolerance ?? 60,
    timeout: 10,
    fetch: network,
    now: options.now ?? systemNow,
    emit: () => {},
  })

  const signedInBefore = signInMarker(`sallyport ${bff}`)
  let loading: Promise<Loaded> | undefined
  let loaded: Loaded | undefined

  /** The code that talks to the provider: one chunk, loaded when a user signs in or has signed in before. */
  async function load(): Promise<Loaded> {
    loading ??= import('./backend-in-page.js').then(({ createBackendInPage, createDpopFetch }) => {
      const dpop = options.dpop === false ? undefined : createDpopFetch(network)
      return { ...createBackendInPage({ ...settings(), signedInBefore, dpop }), dpop }
    })
    // If the chunk did not load, the next call tries again.
    loading.catch(() => {
      loading = undefined
    })
    loaded = await loading
    return loaded
  }

  async function answer(path: string, form: Form | undefined): Promise<Answer> {
    if (/^\/session\b/.test(path) && !loaded && !signedInBefore.get())
      return { status: 200, ok: true, retryAfter: 0, body: { user: null, expires_at: null, reason: 'none' } }
    try {
      const { respond } = await load()
      return await respond(path, form && encodeForm(form))
    } catch (cause) {
      return { status: 0, ok: false, retryAfter: 0, cause }
    }
  }

  const open = (_url: string, _fetch: typeof fetch, note: (text: string) => void): Backend =>
    async function ask(path, form) {
      const answered = await answer(path, form)
      note(`${path} ${answered.status} ${answered.body?.error}`)
      return answered
    }

  return createPageAuth<Claims>(
    // With DPoP, calls of APIs carry a proof of this page's key.
    { ...page, bff, fetch: (input, init) => (loaded?.dpop ?? { fetch: network }).fetch(input, init) },
    open,
  )
}

type Loaded = Pick<BackendInPage, 'respond'> & { dpop: DpopFetch | undefined }

/** Remembers in localStorage that a user has signed in in this browser. It is no credential. */
function signInMarker(key: string): BackendInPageSettings['signedInBefore'] {
  return {
    get() {
      try {
        return localStorage.getItem(key) === 'here' && window.top === window.self
      } catch {
        return false
      }
    },
    set(here) {
      try {
        if (here) localStorage.setItem(key, 'here')
        else localStorage.removeItem(key)
      } catch {}
    },
  }
}
