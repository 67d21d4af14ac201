import { SallyportError, type SallyportErrorOptions } from '../protocol/error.js'

/** What can be wrong between a client and its provider, code → message. RFC 6749's words where it has one. */
export const providerErrors = {
  temporarily_unavailable: 'The provider cannot be reached.',
  operator_error: 'The provider refuses this client, or what it answers cannot be used.',
  issuer_mismatch: 'The response does not come from the configured issuer.',
  id_token_invalid: 'The ID Token was refused.',
  subject_mismatch: 'UserInfo is for another subject than the ID Token.',
  invalid_grant: 'The provider refused the code.',
  invalid_request: 'The provider refused the request.',
  invalid_scope: 'The provider refused the scope.',
  invalid_target: 'The provider refused the resource.',
} as const

export type ProviderErrorCode = keyof typeof providerErrors

export interface ProviderErrorDetails extends SallyportErrorOptions {
  /** What is wrong in this case, where the code alone does not say. */
  description?: string
  /** The claim at fault. */
  claim?: string
}

/** A fault of the provider, of its answer, or of how this client is registered there. */
export class ProviderError extends SallyportError<ProviderErrorCode> {
  readonly details: ProviderErrorDetails

  constructor(code: ProviderErrorCode, details: ProviderErrorDetails = {}) {
    const retryable = code === 'temporarily_unavailable'
    super(code, details.description ?? providerErrors[code], { retryable, ...details })
    this.details = details
  }
}
