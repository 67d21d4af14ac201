import { SallyportError, type SallyportErrorOptions } from '../protocol/error.js'
import type { SignInErrorCode } from './sign-in-errors.js'
import type { StepUpErrorCode } from './step-up-errors.js'

/**
 * Errors in the page, code → meaning. The codes are the contract. Page loads do not contain this table: there the message
 * is the code and a reference to docs/errors.md.
 */
export const clientErrors = {
  login_required: 'Nobody is signed in. Call auth.login().',
  subject_mismatch: 'Another user has signed in than the one who was here, or was asked to.',
  backend_unavailable: 'The backend is temporarily unavailable.',
  refresh_unavailable: 'New tokens are temporarily unavailable.',
  request_refused: 'The backend refuses the request. See cause.',
  invalid_scope: 'The backend refuses the scope. See cause.',
  invalid_target: 'The backend refuses the resource. See cause.',
  token_not_available: 'The backend keeps the tokens. Use auth.fetch().',
  origin_not_allowed: 'No token for this URL. See "apis".',
  chunk_unavailable: 'A script of the app did not load.',
  cancelled: 'The browser brought the page back.',
  logout_failed: 'The backend is temporarily unavailable. The session may still be alive there.',
  insecure_context: 'Web Crypto is missing: this needs https:.',
  not_in_browser: 'This needs a browser.',
} as const

export type EagerErrorCode = keyof typeof clientErrors

/** All that an `Auth` can reject with, and `session.error` can say. */
export type AuthErrorCode = EagerErrorCode | SignInErrorCode | StepUpErrorCode

export type AuthError = SallyportError<AuthErrorCode>

/** An error with one of the codes above. */
export const clientError = (code: EagerErrorCode, options?: SallyportErrorOptions): SallyportError<EagerErrorCode> =>
  new SallyportError(code, `${code}: see docs/errors.md`, options)

/** The same, for what may succeed later without a change. */
export const temporaryError = (code: EagerErrorCode, cause?: unknown): SallyportError<EagerErrorCode> =>
  clientError(code, { retryable: true, cause })

/** Whether the backend's `error` is one of the codes above. */
export const isClientCode = (code: string): code is EagerErrorCode =>
  /^(invalid_(scope|target)|subject_mismatch)$/.test(code)
