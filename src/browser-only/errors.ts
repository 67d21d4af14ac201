import { SallyportError } from '../protocol/error.js'
import type { SignedOutReason } from '../protocol/session.js'
import { ProviderError, type ProviderErrorCode, providerErrors } from '../provider/errors.js'

/** The errors that stand in for a backend's: what the provider may be at fault for, and what only this page can. */
const browserOnlyErrors = {
  ...providerErrors,
  invalid_grant: 'The code or the session cannot be used.',
  interaction_required: 'The provider wants to see the person before it gives a token for this.',
  state_mismatch: "The state is not the one of this browser's sign-in.",
  refresh_race: 'The refresh token was spent meanwhile; ask again.',
  not_found: 'There is no such endpoint.',
} as const

export type BrowserOnlyErrorCode = ProviderErrorCode | keyof typeof browserOnlyErrors

export interface BrowserOnlyErrorDetails {
  reason?: SignedOutReason
  claim?: string
  /** Seconds. */
  retryAfter?: number
}

/** An error that knows what the page is told. */
export class BrowserOnlyError extends SallyportError<BrowserOnlyErrorCode> {
  readonly details: BrowserOnlyErrorDetails

  constructor(code: BrowserOnlyErrorCode, details: BrowserOnlyErrorDetails = {}) {
    super(code, browserOnlyErrors[code])
    this.details = details
  }
}

/** The status that a backend would answer with. */
const statusOf = (code: BrowserOnlyErrorCode): number =>
  code === 'temporarily_unavailable' || code === 'operator_error'
    ? 503
    : code === 'refresh_race'
      ? 409
      : code === 'not_found'
        ? 404
        : 400

/** What a backend would answer; `undefined` for what is no such error. */
export function errorAnswerOf(error: unknown) {
  if (!(error instanceof BrowserOnlyError || error instanceof ProviderError)) return undefined
  const { reason, claim, retryAfter = 0 } = error.details as BrowserOnlyErrorDetails
  const status = statusOf(error.code)
  const said = { error: error.code, error_description: error.message }
  const body = { ...said, ...(reason && { reason }), ...(claim !== undefined && { claim }) }
  return { status, ok: false, retryAfter, body, cause: { status, ...said } }
}
