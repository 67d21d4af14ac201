import type { RegisteredClaims } from '../protocol/claims.js'
import type { SessionResponse, SignedOutReason } from '../protocol/session.js'
import type { EpochSeconds } from '../protocol/time.js'
import type { AuthError } from './errors.js'

/**
 * Who is signed in, as far as this page knows. `user` exists only with `signed-in`.
 *
 * `unavailable`: the backend could not be reached, so it is not known.
 */
export type Session<Claims = RegisteredClaims> =
  | { readonly status: 'pending' }
  | {
      readonly status: 'signed-in'
      /** The claims that the backend sends to the page. */
      readonly user: Claims
      /** End of the session, epoch seconds, as the backend last said; activity may have moved it since. */
      readonly expiresAt: number | null
    }
  | { readonly status: 'signed-out'; readonly reason: SignedOutReason; readonly error?: AuthError | undefined }
  | { readonly status: 'unavailable'; readonly error: AuthError }

/** What happened, for logs and tests. Has no secret in it. */
export type AuthEvent =
  | { type: 'signed_in' }
  | { type: 'signed_out'; reason: SignedOutReason }
  | { type: 'token_renewed' }
  | { type: 'callback_failed'; error: AuthError }

/** An API on another origin, or one that needs a token of its own. */
export interface Api {
  /** The resource indicator that the token is asked for. @see RFC 8707 section 2 */
  resource?: string | undefined
  /** Space-separated; what this API needs. */
  scope?: string | undefined
  /** The name of its route at the backend, in proxy mode. */
  route?: string | undefined
}

export interface AuthOptions<Claims = RegisteredClaims> {
  /** The address of the backend: a path on this origin or an absolute URL of the same site. Default `/bff`. */
  bff?: string
  /** Where the provider sends users back to; registered there, character for character. Default `/callback` on this origin. */
  redirect_uri?: string
  /** URL prefixes that `auth.fetch` may send tokens to, besides this origin. Compared origin by origin, then by whole path segments. */
  apis?: Readonly<Record<string, Api>>
  /**
   * Called once after a callback, before `ready()` resolves, with the same-origin path where the user was, and with what
   * `login({ appState })` was given. In proxy mode only after a `login()` with `appState`: the backend goes to the path itself.
   * Default: replaces the URL and fires `popstate`, which common routers listen to.
   */
  onReturn?: (returnTo: string, appState?: unknown) => void
  onEvent?: (event: AuthEvent) => void
  /** The result of `bff.getSession(request)` during server rendering, as a first guess: `ready()` still asks the backend. */
  initial?: SessionResponse<Claims>
  /** Default: the page's own `fetch`, read when `createAuth` is called. */
  fetch?: typeof globalThis.fetch
  /** The clock, epoch seconds. Default: the page's own. */
  now?: () => EpochSeconds
}

/** Standard parameters under their own names. @see OpenID Connect Core 1.0 section 3.1.2.1 */
export interface LoginOptions {
  /** A path on this origin to come back to. Default: the current one, hash included. Anything else becomes `/`. */
  returnTo?: string
  /**
   * What `onReturn` gets after this sign-in, whether it succeeded or not: anything that JSON can hold. It is kept in
   * `sessionStorage`, so nothing secret. Without effect with a popup, where this page stays. In proxy mode the page must be served at
   * `redirect_uri`, too.
   */
  appState?: unknown
  /**
   * `true`: in a popup; this page stays. Call `login()` in the click itself, before any `await`, or the browser blocks the
   * popup. `or-redirect` leaves the page where popups are blocked. Default `false`.
   */
  popup?: boolean | 'or-redirect'
  prompt?: 'none' | 'login' | 'consent' | 'select_account' | 'create'
  login_hint?: string
  /** Seconds since the user last authenticated actively; 0 requires it now. */
  max_age?: number
  /** Space-separated, in order of preference. */
  acr_values?: string
  /** Space-separated BCP 47 tags. */
  ui_locales?: string
  /** Space-separated. Default: the backend's configured scope; with `resource`, the scopes of that resource. */
  scope?: string | undefined
  /** @see RFC 8707 section 2 */
  resource?: string | readonly string[]
  /** @see RFC 9396 section 2 */
  authorization_details?: readonly AuthorizationDetail[]
  /** The provider's own parameters (`audience`, `organization`, …); the backend's configuration lists those that a page may send. */
  params?: Readonly<Record<string, string>>
}

/** What exactly the token is for; `type` says which members there are. @see RFC 9396 section 2 */
export interface AuthorizationDetail {
  readonly type: string
  /** The addresses of the resource servers where it is used. */
  readonly locations?: readonly string[]
  readonly actions?: readonly string[]
  readonly datatypes?: readonly string[]
  readonly identifier?: string
  readonly privileges?: readonly string[]
  /** The members that this `type` defines. */
  readonly [member: string]: unknown
}

/** What `auth.fetch()` does if an API requires a stronger or more recent sign-in. @see RFC 9470 */
export interface FetchOptions {
  /**
   * `popup` signs in again in a popup and replays the request once, if it is the same user (else `subject_mismatch`);
   * `redirect` leaves the page and rejects `step_up_started`; `popup-or-redirect` leaves it where the popup is blocked; `never`
   * returns the API's answer to the caller. Default `never`.
   *
   * A popup needs a recent click. If the click was too long ago when the API answers (Safari), `popup` rejects `popup_blocked`,
   * and `error.retry()`, called from a click, opens it and resolves to the API's answer.
   */
  stepUp?: 'popup' | 'redirect' | 'popup-or-redirect' | 'never'
}

export interface LogoutOptions {
  /**
   * `true` ends our session only and stays on this page; the user stays signed in at the provider, where nothing is revoked.
   * Default `false`.
   */
  local?: boolean
  /**
   * Where to go afterwards: one of the backend's `post_logout_redirect_uris`, as a path of this origin or an absolute URL. Default: the
   * first of them. With any other the session ends too, and the user comes to the first. Without effect with `local`.
   */
  returnTo?: string
}

export interface ExtendOptions {
  /** `false` only reads the session and its end, without extending it. Default `true`. */
  touch?: boolean
}

export interface TokenOptions {
  /** @see RFC 8707 section 2 */
  resource?: string | undefined
  /** Space-separated; exactly this. Default: the backend's. */
  scope?: string | undefined
  /** Seconds for which the token must still be valid; at most half of its lifetime counts. Default 30. */
  minValidity?: number | undefined
  /** Ends the wait of this caller only. */
  signal?: AbortSignal | undefined
}

export interface Auth<Claims = RegisteredClaims> {
  /** The current session; the same object until something changes. Reading it makes no request. */
  readonly session: Session<Claims>
  /** Calls `listener` at once and after every change. A listener that throws is reported and changes nothing. */
  subscribe(listener: (session: Session<Claims>) => void): () => void
  /**
   * Finishes a callback if the URL is one, else reads the session from the backend: one request. Never rejects.
   * After `unavailable` the next call asks again.
   */
  ready(): Promise<Session<Claims>>
  /**
   * Sends the user to the provider: authorization code flow with PKCE (S256). Never resolves; rejects `cancelled`
   * if the browser's back-forward cache brings the page back.
   *
   * With `popup` the page stays: resolves when the user is signed in, and rejects `popup_blocked`, `popup_closed`,
   * `popup_timeout` (after ten minutes) or the error of the provider's answer. The session before it then stays.
   *
   * @throws TypeError for a protocol parameter in `params`, or an `appState` that JSON cannot hold
   * @throws SallyportError `login_unavailable`, `login_loop`, `subject_mismatch` (with `max_age` or `acr_values`), `storage_unavailable`, `issuer_mismatch`, `invalid_scope`, `invalid_target`, `request_refused`, `chunk_unavailable`, `cancelled`
   */
  login(options?: LoginOptions): Promise<void>
  /**
   * Drops the tokens in this tick, ends the session at the backend, tells the other tabs, then goes to the provider's
   * end-session page, from where the user comes back to `returnTo`. Without such a page it goes to `returnTo`, and resolves if
   * there is none. May be called without a session, and twice.
   *
   * @throws SallyportError `logout_failed`, `cancelled`
   */
  logout(options?: LogoutOptions): Promise<void>
  /**
   * An access token that is valid for `minValidity`, from memory where possible. One renewal at a time, for all callers. The
   * token is for the user at the time of the call: if another user signs in meanwhile, it rejects `subject_mismatch`.
   *
   * @throws SallyportError `login_required`, `subject_mismatch`, `refresh_unavailable`, `backend_unavailable`, `invalid_scope`, `invalid_target`, `request_refused`, `token_not_available`
   * @throws the `signal`'s reason
   */
  getToken(options?: TokenOptions): Promise<string>
  /**
   * `fetch` with an access token: for URLs of this origin and those under `apis`. After a 401 it gets another token once
   * and replays the request once, unless the body is a stream. A request is sent only for the user at the time of the call.
   * In proxy mode the backend answers 409 `user_changed` if another user has signed in and this page does not know yet.
   *
   * Not checked: the identity of the API; redirects to other origins lose the token by the Fetch standard.
   *
   * @throws SallyportError `origin_not_allowed`, what {@link Auth.getToken} throws, and with `stepUp` also
   * `step_up_started`, `step_up_failed` and what {@link Auth.login} throws
   */
  fetch(input: RequestInfo | URL, init?: RequestInit, options?: FetchOptions): Promise<Response>
  /**
   * Tells the backend that the user is active: it extends the idle session, up to its maximum lifetime. All tabs learn the
   * new end. Resolves to the session after that.
   *
   * @throws SallyportError `backend_unavailable`
   */
  extend(options?: ExtendOptions): Promise<Session<Claims>>
  /**
   * Seconds until the session ends, as the backend last said, by the monotonic clock: the page's clock may be wrong. `NaN`
   * if nobody is signed in or the end is not known. Some engines stop that clock while the computer sleeps; the backend decides.
   */
  secondsLeft(): number
  /**
   * The last events, as text for a bug report: requests to the backend with their status, events, settings.
   * No token, code, cookie, claim or query is in it.
   */
  diagnostics(): Promise<string>
  /** Stops listening to other tabs and to the browser. May be called twice; any later call listens again. */
  close(): void
}
