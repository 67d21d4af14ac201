import type { RegisteredClaims } from '../protocol/claims.js'
import type { SessionResponse, SignedOutReason } from '../protocol/session.js'
import type { EpochSeconds } from '../protocol/time.js'
import type { AuthError } from './errors.js'

/**
 * Who is here, as far as this page knows. Claims can only be read where somebody is signed in.
 *
 * `unavailable` means that the backend could not be asked: neither in nor out.
 */
export type Session<Claims = RegisteredClaims> =
  | { readonly status: 'pending' }
  | {
      readonly status: 'signed-in'
      /** The claims that the backend's configuration lets a page see. */
      readonly user: Claims
      /** End of the session, epoch seconds, as last heard; activity may have moved it since. */
      readonly expiresAt: number | null
    }
  | { readonly status: 'signed-out'; readonly reason: SignedOutReason; readonly error?: AuthError | undefined }
  | { readonly status: 'unavailable'; readonly error: AuthError }

/** What happened, for logs and tests. Carries no secret. */
export type AuthEvent =
  | { type: 'signed_in' }
  | { type: 'signed_out'; reason: SignedOutReason }
  | { type: 'token_renewed' }
  | { type: 'callback_failed'; error: AuthError }

/** An API on another origin, or one that wants a token of its own. */
export interface Api {
  /** The resource indicator that the token is asked for. @see RFC 8707 section 2 */
  resource?: string | undefined
  /** Space-separated; what this API needs and no more. */
  scope?: string | undefined
  /** The name of its route at the backend, in proxy mode. */
  route?: string | undefined
}

export interface AuthOptions<Claims = RegisteredClaims> {
  /** Where the backend lives: a path on this origin or an absolute URL of the same site. Default `/bff`. */
  bff?: string
  /** Where the provider sends people back to; registered there, character for character. Default `/callback` on this origin. */
  redirect_uri?: string
  /** URL prefixes that `auth.fetch` may send tokens to, besides this origin. Compared origin by origin, then by whole path segments. */
  apis?: Readonly<Record<string, Api>>
  /**
   * Called once after a callback, before `ready()` resolves, with the same-origin path where the person was.
   * Default: replaces the URL and fires `popstate`, which the common routers hear.
   */
  onReturn?: (returnTo: string) => void
  onEvent?: (event: AuthEvent) => void
  /** What `bff.getSession(request)` said while the page was rendered on the server: a first guess, `ready()` still asks. */
  initial?: SessionResponse<Claims>
  /** Default: the page's own `fetch`, read when `createAuth` is called. */
  fetch?: typeof globalThis.fetch
  /** The clock, epoch seconds. Default: the page's own. */
  now?: () => EpochSeconds
}

/** Standard parameters under their own names. @see OpenID Connect Core 1.0 section 3.1.2.1 */
export interface LoginOptions {
  /** A path on this origin to come back to. Default: where the person is, hash included. Anything else becomes `/`. */
  returnTo?: string
  /**
   * `true`: in a window of its own, and this page stays. Call `login()` in the click itself, before any `await`, or the
   * browser blocks it. `or-redirect` leaves the page where popups are blocked. Default `false`.
   */
  popup?: boolean | 'or-redirect'
  prompt?: 'none' | 'login' | 'consent' | 'select_account' | 'create'
  login_hint?: string
  /** Seconds since the person last authenticated actively; 0 asks for it now. */
  max_age?: number
  /** Space-separated, in order of preference. */
  acr_values?: string
  /** Space-separated BCP 47 tags. */
  ui_locales?: string
  /** Space-separated. Default: the backend's configured scope. */
  scope?: string | undefined
  /** @see RFC 8707 section 2 */
  resource?: string | readonly string[]
  /** @see RFC 9396 section 2 */
  authorization_details?: readonly AuthorizationDetail[]
  /** The provider's own parameters (`audience`, `organization`, …); the backend lists which a page may send. */
  params?: Readonly<Record<string, string>>
}

/** What exactly is asked for: `type` says which members there are. @see RFC 9396 section 2 */
export interface AuthorizationDetail {
  readonly type: string
  /** Where it is to be used: the addresses of resource servers. */
  readonly locations?: readonly string[]
  readonly actions?: readonly string[]
  readonly datatypes?: readonly string[]
  readonly identifier?: string
  readonly privileges?: readonly string[]
  /** The members that this `type` defines. */
  readonly [member: string]: unknown
}

/** How `auth.fetch()` answers an API that wants a stronger or fresher sign-in. @see RFC 9470 */
export interface FetchOptions {
  /**
   * `popup` signs in again in a popup and replays the request once, if it is the same person (else `subject_mismatch`);
   * `redirect` leaves the page and rejects `step_up_started`; `popup-or-redirect` leaves it where the popup is blocked; `never` hands the API's answer to the caller. Default `never`.
   *
   * A popup needs a recent click. Where that is too long ago when the API answers (Safari), `popup` rejects `popup_blocked`,
   * and `error.retry()`, called from a click, opens it and resolves to the API's answer.
   */
  stepUp?: 'popup' | 'redirect' | 'popup-or-redirect' | 'never'
}

export interface LogoutOptions {
  /** `true` ends our session only and stays on this page; the person remains signed in at the provider. Default `false`. */
  local?: boolean
}

export interface ExtendOptions {
  /** `false` only asks who is here now, and for how long, which is no activity. Default `true`. */
  touch?: boolean
}

export interface TokenOptions {
  /** @see RFC 8707 section 2 */
  resource?: string | undefined
  /** Space-separated; exactly this, never more. Default: the backend's. */
  scope?: string | undefined
  /** Seconds that the token must still be good for; at most half of its lifetime counts. Default 30. */
  minValidity?: number | undefined
  /** Ends this caller's wait only; others go on waiting. */
  signal?: AbortSignal | undefined
}

export interface Auth<Claims = RegisteredClaims> {
  /** A snapshot; the same object until something changes. Reading it starts nothing. */
  readonly session: Session<Claims>
  /** Calls `listener` at once and after every change. A listener that throws is reported and changes nothing. */
  subscribe(listener: (session: Session<Claims>) => void): () => void
  /**
   * Finishes a callback if the URL is one, else asks the backend who is here: one request. Never rejects.
   * After `unavailable` the next call asks again.
   */
  ready(): Promise<Session<Claims>>
  /**
   * Sends the person to the provider: authorization code flow with PKCE (S256). Never resolves; rejects `cancelled`
   * if the browser's back-forward cache brings the page back.
   *
   * With `popup` the page stays: resolves when somebody is signed in, and rejects `popup_blocked`, `popup_closed`,
   * `popup_timeout` (after ten minutes) or what was wrong with the provider's answer. Who was here before stays then.
   *
   * @throws TypeError for a protocol parameter in `params`
   * @throws SallyportError `login_unavailable`, `login_loop`, `subject_mismatch` (with `max_age` or `acr_values`), `storage_unavailable`, `issuer_mismatch`, `invalid_scope`, `invalid_target`, `request_refused`, `chunk_unavailable`, `cancelled`
   */
  login(options?: LoginOptions): Promise<void>
  /**
   * Drops the tokens in this tick, ends the session at the backend, tells the other tabs, then goes to the provider's
   * end-session page. Resolves only when there is nowhere to go. Harmless without a session, and when called twice.
   *
   * @throws SallyportError `logout_failed`, `cancelled`
   */
  logout(options?: LogoutOptions): Promise<void>
  /**
   * An access token with `minValidity` left, from memory where possible. One renewal at a time, however many ask. Whoever was
   * here when it was asked for gets it: when another person signs in meanwhile, it rejects `subject_mismatch`.
   *
   * @throws SallyportError `login_required`, `subject_mismatch`, `refresh_unavailable`, `backend_unavailable`, `invalid_scope`, `invalid_target`, `request_refused`, `token_not_available`
   * @throws the `signal`'s reason
   */
  getToken(options?: TokenOptions): Promise<string>
  /**
   * `fetch` with an access token: for URLs of this origin and those under `apis`. After a 401 it asks once for another
   * token and replays once, unless the body is a stream. Nothing is sent, or sent again, as another person than was here at
   * the call. In proxy mode the backend's own 409 `user_changed` is the answer when somebody else has signed in unheard.
   *
   * Not checked: whether the API is what it says it is; redirects to other origins lose the token by the Fetch standard.
   *
   * @throws SallyportError `origin_not_allowed`, what {@link Auth.getToken} throws, and with `stepUp` also
   * `step_up_started`, `step_up_failed` and what {@link Auth.login} throws
   */
  fetch(input: RequestInfo | URL, init?: RequestInit, options?: FetchOptions): Promise<Response>
  /**
   * Tells the backend that the person is active, so that an idle session goes on; every tab hears of its new end. At
   * most what is left of the session's whole life can be won. Resolves to the session as it is then.
   *
   * @throws SallyportError `backend_unavailable`
   */
  extend(options?: ExtendOptions): Promise<Session<Claims>>
  /**
   * Seconds until the session ends, as last heard and by the monotonic clock: a page's clock may be off. `NaN` while nobody
   * is signed in or nobody can say. Some engines stop that clock while the computer sleeps; the backend decides.
   */
  secondsLeft(): number
  /**
   * What happened here lately, as text for a bug report: requests to the backend with their status, events, settings.
   * No token, code, cookie, claim or query is in it.
   */
  diagnostics(): Promise<string>
  /** Stops listening to other tabs and to the browser. Harmless when called twice; any later call listens again. */
  close(): void
}
