import type { RegisteredClaims } from '../protocol/claims.js'
import { SallyportError as AnySallyportError, type SallyportErrorClass } from '../protocol/error.js'
import { createPageAuth } from './auth.js'
import { type AuthErrorCode, clientError } from './errors.js'
import type { Auth, AuthOptions, Session } from './types.js'

// A star, so that `declare module 'sallyport'` reaches the interface itself.
export * from '../protocol/claims.js'
export type { SessionResponse, SignedOutReason } from '../protocol/session.js'
export type { AuthErrorCode, EagerErrorCode } from './errors.js'
export { type RouteArguments, type RouteAuthOptions, requireAuth } from './require-auth.js'
export type { SignInErrorCode } from './sign-in-errors.js'
export type { StepUpErrorCode } from './step-up-errors.js'
export type {
  Api,
  Auth,
  AuthEvent,
  AuthOptions,
  AuthorizationDetail,
  ExtendOptions,
  FetchOptions,
  LoginOptions,
  LogoutOptions,
  Session,
  TokenOptions,
} from './types.js'

/** The class of every error here, with the codes that there are in a page. */
export const SallyportError: SallyportErrorClass<AuthErrorCode> = AnySallyportError
export type SallyportError<Code extends AuthErrorCode = AuthErrorCode> = AnySallyportError<Code>

/** Whether an error comes from this entry of the package. Its `code` is then typed: a misspelt code does not compile. */
export const isSallyportError = (error: unknown): error is SallyportError => error instanceof AnySallyportError

/**
 * Sign-in for this page, through its backend (`sallyport/bff`).
 *
 * Access tokens are kept in a closure: not in storage, not on `window`, not in a message to another tab. A script that runs
 * in the page can still ask for one as the app does, while the page is open. The refresh token and the ID Token never reach
 * the page. `createAuth()` makes no request; `ready`, `subscribe`, `getToken`, `fetch` and `login` do.
 *
 * Without a browser (server rendering) the session stays `pending`, and functions that need a browser reject `not_in_browser`.
 *
 * @typeParam Claims the claims that the backend's `claims` option sends to the page. Default: those of `Register`, else the standard ones.
 * Not checked
 * @throws TypeError naming the option that cannot be used
 * @throws SallyportError `insecure_context` where Web Crypto is missing (plain http: off loopback)
 * @see RFC 10017 section 6.2 (token-mediating backend)
 */
export function createAuth<Claims = RegisteredClaims>(options: AuthOptions<Claims> = {}): Auth<Claims> {
  return typeof document === 'undefined' ? createAbsentAuth() : createPageAuth(options)
}

function createAbsentAuth<Claims>(): Auth<Claims> {
  const session: Session<Claims> = { status: 'pending' }
  const absent = () => Promise.reject(clientError('not_in_browser'))
  return {
    session,
    subscribe(listener) {
      listener(session)
      return () => {}
    },
    ready: async () => session,
    login: absent,
    logout: absent,
    getToken: absent,
    fetch: absent,
    extend: absent,
    secondsLeft: () => Number.NaN,
    diagnostics: absent,
    close() {},
  }
}
