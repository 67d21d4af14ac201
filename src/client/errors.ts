import { SallyportError, type SallyportErrorOptions } from '../protocol/error.js'

/** What can go wrong in the page, code → message. The codes are the contract; the words may get better. */
export const clientErrors = {
  login_required: 'Nobody is signed in. Call auth.login().',
  backend_unavailable: 'The backend cannot be asked who is signed in. Try again later.',
  refresh_unavailable: 'No access token can be had right now. The session is kept; try again later.',
  request_refused: 'The backend refused the request. See cause.',
  invalid_scope: 'The backend is not configured to hand out this scope.',
  invalid_target: 'The backend is not configured to hand out tokens for this resource.',
  token_not_available: 'In proxy mode no token reaches the page. Use auth.fetch().',
  origin_not_allowed:
    'auth.fetch() sends tokens to this origin and to URLs under "apis" only, and never to the backend.',
  chunk_unavailable: 'A part of sallyport could not be loaded. Check the network or the deployment and try again.',
  cancelled: 'The page came back before the redirect was done.',
  logout_failed: 'The backend could not be reached to sign out. The session may still be alive; try again.',
  insecure_context: 'Web Crypto is missing: sallyport needs https: or localhost.',
  not_in_browser: 'There is no browser here: sign-in happens in the page.',
} as const

export type EagerErrorCode = keyof typeof clientErrors

/** Makes the error of one of the codes above. */
export function clientError(code: EagerErrorCode, options?: SallyportErrorOptions): SallyportError<EagerErrorCode> {
  return new SallyportError(code, clientErrors[code], options)
}

/** The same, for what may succeed later without anybody changing anything. */
export const notNow = (code: EagerErrorCode, cause?: unknown): SallyportError<EagerErrorCode> =>
  clientError(code, { retryable: true, cause })
