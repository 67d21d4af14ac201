import { SallyportError, type SallyportErrorOptions } from '../protocol/error.js'

/**
 * What can go wrong in the page, code → message. The codes are the contract; the words may get better. Every page load
 * carries this table, so the words are few: `docs/errors.md` has the long form.
 */
export const clientErrors = {
  login_required: 'Call auth.login()',
  backend_unavailable: 'No answer from the backend',
  refresh_unavailable: 'No token now',
  request_refused: 'Refused: see cause',
  invalid_scope: 'Refused: see cause',
  invalid_target: 'Refused: see cause',
  token_not_available: 'Use auth.fetch()',
  origin_not_allowed: 'Not in "apis"',
  chunk_unavailable: 'A script is missing',
  cancelled: 'Came back',
  logout_failed: 'No answer from the backend',
  insecure_context: 'Needs https:',
  not_in_browser: 'Needs a browser',
} as const

export type EagerErrorCode = keyof typeof clientErrors

/** Makes the error of one of the codes above. */
export const clientError = (code: EagerErrorCode, options?: SallyportErrorOptions): SallyportError<EagerErrorCode> =>
  new SallyportError(code, clientErrors[code], options)

/** The same, for what may succeed later without anybody changing anything. */
export const notNow = (code: EagerErrorCode, cause?: unknown): SallyportError<EagerErrorCode> =>
  clientError(code, { retryable: true, cause })

/** Whether a word of the backend is one of the codes above. */
export const isClientCode = (code: string): code is EagerErrorCode => Object.hasOwn(clientErrors, code)
