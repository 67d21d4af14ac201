import type { RegisteredClaims } from '../protocol/claims.js'
import { validate, validated } from '../protocol/validate.js'
import { withCallbackWarning } from './callback-warning.js'
import { createAuth as create } from './index.js'
import { type RouteAuthOptions, requireAuth as requireUser } from './require-auth.js'
import type { Auth, AuthOptions } from './types.js'
import { authCalls, authOptions, routeAuthOptions } from './validation.js'

export * from './index.js'

/**
 * The same, for development: types, ranges and names of options and arguments are validated, and a `TypeError` says what is
 * wrong. Dev servers of Vite, webpack and Next load this one (export condition `development`), builds do not.
 */
export function createAuth<Claims = RegisteredClaims>(options: AuthOptions<Claims> = {}): Auth<Claims> {
  validate('createAuth', authOptions, options)
  return withCallbackWarning(validated('auth', create(options), authCalls), options)
}

/** The same, with its options validated. */
export function requireAuth<Claims = RegisteredClaims>(auth: Auth<Claims>, options: RouteAuthOptions = {}) {
  validate('requireAuth', routeAuthOptions, options)
  return requireUser(auth, options)
}
