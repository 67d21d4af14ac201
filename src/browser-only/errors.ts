import { SallyportError } from '../protocol/error.js'
import type { SignedOutReason } from '../protocol/session.js'
import { ProviderError, type ProviderErrorCode, providerErrors } from '../provider/errors.js'

/** Errors of the provider, and those that a backend would answer. */
const browserOnlyErrors = {
  ...providerErrors,
  invalid_grant: 'The code or the session cannot be used.',
  interaction_required: 'The provider requires the user to sign in or to consent before it issues this token.',
  state_mismatch: 'The state belongs to no sign-in of this browser.',
  refresh_race: 'The refresh token has been used meanwhile; try again.',
  not_found: 'Unknown endpoint.',
} as const

type BrowserOnlyErrorCode = ProviderErrorCode | keyof typeof browserOnlyErrors

interface BrowserOnlyErrorDetails {
  reason?: SignedOutReason
  claim?: string
  /** Seconds. */
  retryAfter?: number
}

/** An error with the details that the page gets. */
export class BrowserOnlyError extends SallyportError<BrowserOnlyErrorCode> {
  readonly details: BrowserOnlyErrorDetails

  constructor(code: BrowserOnlyErrorCode, details: BrowserOnlyErrorDetails = {}) {
    super(code, browserOnlyErrors[code])
    this.details = details
  }
}

/** The status of a backend's answer. */
const statusOf = (code: BrowserOnlyErrorCode): number =>
  code === 'temporarily_unavailable' || code === 'operator_error'
    ? 503
    : code === 'refresh_race'
      ? 409
      : code === 'not_found'
        ? 404
        : 400

/** The backend's answer for an error; `undefined` for any other error. */
export function errorAnswerOf(error: unknown) {
  if (!(error instanceof BrowserOnlyError || error instanceof ProviderError)) return undefined
  const { reason, claim, retryAfter = 0 } = error.details as BrowserOnlyErrorDetails
  const status = statusOf(error.code)
  const errorMembers = { error: error.code, error_description: error.message }
  const body = { ...errorMembers, ...(reason && { reason }), ...(claim !== undefined && { claim }) }
  return { status, ok: false, retryAfter, body, cause: { status, ...errorMembers } }
}
