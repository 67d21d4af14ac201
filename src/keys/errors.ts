import { errorMaker, errorTest } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'

/** What can be wrong with a call of `createApiKeys()`, code → message. */
export const keyErrors = {
  key_not_found: 'This tenant has no key with this id.',
  key_ended: 'This key is revoked, expired or replaced. Create a new one.',
  key_conflict: 'Another request has changed this key at the same time. Read it again.',
} as const

export type KeyErrorCode = keyof typeof keyErrors

export const keyError = errorMaker<KeyErrorCode>(keyErrors)

/** Error code → `error_description` of the response. One text for malformed, unknown and revoked keys. */
export const apiKeyRefusals = {
  invalid_request: 'Send exactly one credential, in a header.',
  invalid_api_key: 'The API key cannot be used here.',
  api_key_expired: 'The API key has expired.',
  quota_exceeded: 'The API key has used up its quota.',
  keys_unavailable: 'The credential check is temporarily unavailable.',
} as const

/** Whether an error comes from this entry of the package. Its `code` is then typed: a misspelt code does not compile. */
export const isSallyportError = errorTest<KeyErrorCode | StoreErrorCode>(keyErrors, storeErrors)
