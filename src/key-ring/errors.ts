import { errorMaker, errorTest } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'

/** Errors of key rings and vaults, code → message. */
export const keyRingErrors = {
  key_ring_busy: 'Another process is rotating this key: try again when it is done.',
  key_ring_failed:
    'The provider or the vault failed. The steps so far are stored; the next call of step() goes on from there.',
  provider_key_missing: 'The vault has no key for this call: rotate once, or put a key there by hand.',
  vault_read_only: 'This vault is read-only: rotate its keys where they come from.',
} as const

export type KeyRingErrorCode = keyof typeof keyRingErrors

export const keyRingError = errorMaker<KeyRingErrorCode>(keyRingErrors, ['key_ring_busy', 'key_ring_failed'])

/** Whether an error comes from this entry of the package. Its `code` is then typed: a misspelt code does not compile. */
export const isSallyportError = errorTest<KeyRingErrorCode | StoreErrorCode>(keyRingErrors, storeErrors)
