import { errorMaker, errorTest } from '../protocol/error.js'
import { type StoreErrorCode, storeErrors } from '../store/contract.js'

/** Errors of refresh tokens, code → message. */
export const tokenErrors = {
  refresh_invalid: 'This refresh token is unknown or expired, or its sign-in has ended.',
  refresh_reused: 'This refresh token was used before. All refresh tokens of its sign-in are revoked.',
  refresh_conflict: 'Too many concurrent requests use this refresh token. Try again with the same token.',
} as const

export type TokenErrorCode = keyof typeof tokenErrors

export const tokenError = errorMaker<TokenErrorCode>(tokenErrors, ['refresh_conflict'])

/** Whether an error comes from this entry of the package. Its `code` is then typed: a misspelt code does not compile. */
export const isSallyportError = errorTest<TokenErrorCode | StoreErrorCode>(tokenErrors, storeErrors)
