import { errorTest, SallyportError, type SallyportErrorOptions } from '../protocol/error.js'
import type { ErrorResponse } from '../protocol/session.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'

/** The `error` of every error response: status and default description. The codes are those of RFC 6749 where it has one. */
export const bffErrors = {
  invalid_request: [400, 'A parameter is missing, repeated or unknown.'],
  authorization_error: [400, 'The provider refused the sign-in.'],
  invalid_grant: [400, 'The code or the session cannot be used.'],
  invalid_scope: [400, 'This scope is not configured for the page.'],
  invalid_target: [400, 'This resource is not configured for the page.'],
  interaction_required: [
    400,
    'The provider requires interaction before it issues a token for this resource: sign in again with this resource.',
  ],
  unsupported_grant_type: [400, 'grant_type must be authorization_code or refresh_token.'],
  state_mismatch: [400, 'The state does not match the sign-in of this browser.'],
  transaction_consumed: [400, 'This sign-in is already finished.'],
  issuer_mismatch: [400, 'The response does not come from the configured issuer.'],
  id_token_invalid: [400, 'The ID Token was refused.'],
  subject_mismatch: [400, 'The user who signed in is not the requested one.'],
  session_too_large: [400, 'The session does not fit into two cookies of 3.5 kB.'],
  session_expired: [401, 'Nobody is signed in.'],
  csrf_required: [403, 'The header Sallyport-CSRF: 1 and a request from the configured origin are required.'],
  not_found: [404, 'There is no such endpoint.'],
  method_not_allowed: [405, 'This endpoint does not support this method.'],
  user_changed: [
    409,
    'The page shows another user than the one who is signed in. Nothing was done; call /session for the current user.',
  ],
  refresh_race: [409, 'Another process has refreshed this session; try again with the newer cookie.'],
  request_too_large: [413, 'The body is larger than 16 KiB.'],
  unsupported_media_type: [415, 'The body must be application/x-www-form-urlencoded.'],
  too_many_requests: [429, 'Too many requests in a short time; try again later.'],
  upstream_unavailable: [502, 'The API cannot be reached.'],
  upstream_timeout: [504, 'The API did not respond in time.'],
  temporarily_unavailable: [503, 'The provider cannot be reached. The session is kept.'],
  operator_error: [
    503,
    'The provider refuses this client, or cannot be used as configured. The session is kept; the operator has been told.',
  ],
} as const

export type BffErrorCode = keyof typeof bffErrors

/** The description of `temporarily_unavailable` if the store is down. */
export const storeDown = 'The session store cannot be reached, or cannot do this. The session is kept.'

/** Refusals with `Retry-After`. */
export const retryLater = (code: BffErrorCode): boolean =>
  code === 'refresh_race' || bffErrors[code][0] === 503 || bffErrors[code][0] === 429

/** Details of an error response. */
export interface RefusalDetails extends SallyportErrorOptions {
  description?: string | undefined
  reason?: ErrorResponse['reason']
  claim?: string | undefined
  /** For the operator's event. It is in no response. */
  detail?: string | undefined
  transaction?: ErrorResponse['transaction']
  /** Seconds. */
  retryAfter?: number
  /** For the header `Allow`. */
  allow?: readonly string[]
  /** `Set-Cookie` values. */
  cookies?: readonly string[]
}

/** An error that becomes an error response. */
export class Refusal extends SallyportError<BffErrorCode> {
  readonly details: RefusalDetails

  constructor(code: BffErrorCode, details: RefusalDetails = {}) {
    const [, standard] = bffErrors[code]
    const retryable = retryLater(code) && code !== 'operator_error'
    super(code, details.description ?? standard, { retryable, ...details })
    this.details = details
  }

  override toJSON() {
    return { name: this.name, code: this.code, message: this.message, retryable: this.retryable }
  }
}

/** Whether an error comes from this entry of the package. Its `code` is then typed: a misspelt code does not compile. */
export const isSallyportError = errorTest<BffErrorCode | StoreErrorCode>(bffErrors, storeErrors)
