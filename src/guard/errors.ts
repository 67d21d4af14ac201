/** Error code → `error_description` of the response. One text per code: a response never says which check failed. */
export const guardErrors = {
  invalid_request: 'Send exactly one credential, in a header.',
  missing_credentials: 'This resource needs a credential.',
  invalid_token: 'The access token cannot be used here.',
  invalid_dpop_proof: 'The proof of possession cannot be used here.',
  use_dpop_nonce: 'The proof of possession must contain the nonce of this response.',
  insufficient_user_authentication: 'This needs a stronger or fresher sign-in.',
  credential_not_accepted: 'This needs another kind of credential.',
  access_denied: 'This is not allowed.',
  insufficient_scope: 'The credential lacks a scope that this needs.',
  tenant_mismatch: 'The credential belongs to another tenant.',
  keys_unavailable: 'The credential check is temporarily unavailable.',
  operator_error: 'The credential check is not possible. The operator must check the configuration.',
} as const

export type GuardErrorCode = keyof typeof guardErrors
