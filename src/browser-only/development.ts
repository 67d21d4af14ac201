import { withCallbackWarning } from '../client/callback-warning.js'
import { authCalls } from '../client/validation.js'
import type { RegisteredClaims } from '../protocol/claims.js'
import { validate, validated } from '../protocol/validate.js'
import { type Auth, type BrowserOnlyAuthOptions, createBrowserOnlyAuth as create } from './index.js'
import { browserOnlyOptions } from './validation.js'

export * from './index.js'

/** The same, with validated options and arguments. @see createAuth in `sallyport`, whose development build does the same */
export function createBrowserOnlyAuth<Claims = RegisteredClaims>(
  options: BrowserOnlyAuthOptions<Claims>,
): Auth<Claims> {
  validate('createBrowserOnlyAuth', browserOnlyOptions, options)
  return withCallbackWarning(validated('auth', create(options), authCalls), options)
}
