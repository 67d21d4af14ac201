import { SallyportError, type SallyportErrorOptions } from '../protocol/error.js'

/** Code → message. The codes are those of RFC 6749 where it has one. */
export const providerErrors = {
  temporarily_unavailable: 'The provider cannot be reached.',
  operator_error: 'The provider refuses this client, or its response cannot be used.',
  issuer_mismatch: 'The response does not come from the configured issuer.',
  id_token_invalid: 'The ID Token was refused.',
  subject_mismatch: 'The UserInfo response and the ID Token are for different subjects.',
  invalid_grant: 'The provider refused the code.',
  invalid_request: 'The provider refused the request.',
  invalid_scope: 'The provider refused the scope.',
  invalid_target: 'The provider refused the resource.',
} as const

export type ProviderErrorCode = keyof typeof providerErrors

interface ProviderErrorDetails extends SallyportErrorOptions {
  /** Replaces the default message. */
  description?: string
  /** The claim that was refused. */
  claim?: string
  /** What the operator has to know, and nobody else. */
  detail?: string
}

/** The provider is down, its response is invalid, or this client is registered wrongly. */
export class ProviderError extends SallyportError<ProviderErrorCode> {
  readonly details: ProviderErrorDetails

  constructor(code: ProviderErrorCode, details: ProviderErrorDetails = {}) {
    const retryable = code === 'temporarily_unavailable'
    super(code, details.description ?? providerErrors[code], { retryable, ...details })
    this.details = details
  }
}
