import { errorTest, SallyportError } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'

/** What can be wrong with a call of `createApiKeys()`, code → message. */
export const keyErrors = {
  key_not_found: 'There is no such key in this tenant.',
  key_ended: 'This key is revoked, expired or replaced: create a new one.',
  key_conflict: 'Somebody else has changed this key at the same time: read it again.',
} as const

export type KeyErrorCode = keyof typeof keyErrors

export const keyError = (code: KeyErrorCode): SallyportError<KeyErrorCode> => new SallyportError(code, keyErrors[code])

/** What a caller is told. One text for malformed, unknown and revoked keys. */
export const apiKeyRefusals = {
  invalid_request: 'Send exactly one credential, in a header.',
  invalid_api_key: 'The API key cannot be used here.',
  api_key_expired: 'The API key has expired.',
  quota_exceeded: 'The API key has used up its quota.',
  keys_unavailable: 'The credential cannot be checked now.',
} as const

/** Whether an error comes from here: its `code` is then one of a closed list, and a misspelt one does not compile. */
export const isSallyportError = errorTest<KeyErrorCode | StoreErrorCode>(keyErrors, storeErrors)
