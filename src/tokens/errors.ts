import { errorTest, SallyportError } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'

/** What can be wrong with a refresh token of one's own, code → message. */
export const tokenErrors = {
  refresh_invalid: 'This refresh token is not known, has expired, or its sign-in is over.',
  refresh_reused: 'This refresh token was used before: all that came from its sign-in is ended.',
  refresh_conflict: 'Many use this refresh token at this very moment: ask again, with the same.',
} as const

export type TokenErrorCode = keyof typeof tokenErrors

export const tokenError = (code: TokenErrorCode): SallyportError<TokenErrorCode> =>
  new SallyportError(code, tokenErrors[code], { retryable: code === 'refresh_conflict' })

/** Whether an error comes from here: its `code` is then one of a closed list, and a misspelt one does not compile. */
export const isSallyportError = errorTest<TokenErrorCode | StoreErrorCode>(tokenErrors, storeErrors)
