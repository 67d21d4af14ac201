import { errorTest, SallyportError, type SallyportErrorOptions } from '../protocol/error.js'
import type { ErrorResponse } from '../protocol/session.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'

/** The `error` of every answer that is no success: status and default description. The words are RFC 6749's where it has one. */
export const bffErrors = {
  invalid_request: [400, 'The request is missing a parameter, repeats one, or has one that is not known here.'],
  authorization_error: [400, 'The provider did not sign anybody in.'],
  invalid_grant: [400, 'The code or the session cannot be used.'],
  invalid_scope: [400, 'This scope is not configured for the page.'],
  invalid_target: [400, 'This resource is not configured for the page.'],
  interaction_required: [
    400,
    'The provider wants to see the person before it gives a token for this: sign in again, naming this resource.',
  ],
  unsupported_grant_type: [400, 'The grant_type is authorization_code or refresh_token.'],
  state_mismatch: [400, "The state is not the one of this browser's sign-in."],
  transaction_consumed: [400, 'This sign-in has been finished already.'],
  issuer_mismatch: [400, 'The response does not come from the configured issuer.'],
  id_token_invalid: [400, 'The ID Token was refused.'],
  subject_mismatch: [400, 'Another person than the one who was asked for.'],
  session_too_large: [400, 'The session does not fit into two cookies of 3.5 kB.'],
  session_expired: [401, 'Nobody is signed in.'],
  csrf_required: [403, 'The header Sallyport-CSRF: 1 and a request from the configured origin are required.'],
  not_found: [404, 'There is no such endpoint.'],
  method_not_allowed: [405, 'This endpoint does not answer to this method.'],
  user_changed: [409, 'Another person is signed in than the page shows. Nothing was done; ask /session who is here.'],
  refresh_race: [409, 'Another process has renewed this session; ask again with the newer cookie.'],
  request_too_large: [413, 'The body is larger than 16 KiB.'],
  unsupported_media_type: [415, 'The body is to be application/x-www-form-urlencoded.'],
  too_many_requests: [429, 'Too many requests in a short time; ask again later.'],
  upstream_unavailable: [502, 'The API cannot be reached.'],
  upstream_timeout: [504, 'The API takes too long.'],
  temporarily_unavailable: [503, 'The provider cannot be reached. The session is kept.'],
  operator_error: [
    503,
    'The provider refuses this client. The session is kept; the operator has to look at the configuration.',
  ],
} as const

export type BffErrorCode = keyof typeof bffErrors

/** What `temporarily_unavailable` is called where it is the store that does not answer. */
export const storeDown = 'The session store cannot be reached, or cannot do this. The session is kept.'

/** The refusals that say when to come again, by `Retry-After`. */
export const retryLater = (code: BffErrorCode): boolean =>
  code === 'refresh_race' || bffErrors[code][0] === 503 || bffErrors[code][0] === 429

/** What else an error answer may say. */
export interface RefusalDetails extends SallyportErrorOptions {
  description?: string | undefined
  reason?: ErrorResponse['reason']
  claim?: string | undefined
  transaction?: ErrorResponse['transaction']
  /** Seconds. */
  retryAfter?: number
  /** The methods that there are. */
  allow?: readonly string[]
  /** `Set-Cookie` values that go with the answer. */
  cookies?: readonly string[]
}

/** An error that knows the answer it becomes. */
export class Refusal extends SallyportError<BffErrorCode> {
  readonly details: RefusalDetails

  constructor(code: BffErrorCode, details: RefusalDetails = {}) {
    const [, standard] = bffErrors[code]
    super(code, details.description ?? standard, { retryable: retryLater(code), ...details })
    this.details = details
  }

  override toJSON() {
    return { name: this.name, code: this.code, message: this.message, retryable: this.retryable }
  }
}

/** Whether an error comes from here: its `code` is then one of a closed list, and a misspelt one does not compile. */
export const isSallyportError = errorTest<BffErrorCode | StoreErrorCode>(bffErrors, storeErrors)
