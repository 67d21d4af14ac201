import { errorTest, SallyportError } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'

/** What a key ring or a vault refuses, code → message. */
export const keyRingErrors = {
  key_ring_busy: 'Another process is rotating this key at this moment: ask again when it is done.',
  key_ring_failed:
    'The provider or the vault did not do what the key ring asked; what was done is kept, and the next step goes on from there.',
  provider_key_missing: 'The vault holds no key for this call: rotate once, or put a key there by hand.',
  vault_read_only: 'This vault is read only: its keys are rotated where they come from.',
} as const

export type KeyRingErrorCode = keyof typeof keyRingErrors

/** The ones that the same call may overcome later. */
const retryable: readonly KeyRingErrorCode[] = ['key_ring_busy', 'key_ring_failed']

export const keyRingError = (code: KeyRingErrorCode, cause?: unknown): SallyportError<KeyRingErrorCode> =>
  new SallyportError(code, keyRingErrors[code], {
    retryable: retryable.includes(code),
    ...(cause !== undefined && { cause }),
  })

/** Whether an error comes from here: its `code` is then one of a closed list, and a misspelt one does not compile. */
export const isSallyportError = errorTest<KeyRingErrorCode | StoreErrorCode>(keyRingErrors, storeErrors)
