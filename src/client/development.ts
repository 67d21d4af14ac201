import type { RegisteredClaims } from '../protocol/claims.js'
import { validate, validated } from '../protocol/validate.js'
import { createAuth as create } from './index.js'
import { authCalls, authOptions } from './shapes.js'
import type { Auth, AuthOptions } from './types.js'

export * from './index.js'

/**
 * The same, for whoever is writing the page: options and arguments are examined by type, range and name, and a `TypeError` says what
 * was meant. What resolves the export condition `development` gets this one: dev servers of Vite, webpack and Next do, builds do not.
 */
export function createAuth<Claims = RegisteredClaims>(options: AuthOptions<Claims> = {}): Auth<Claims> {
  validate('createAuth', authOptions, options)
  return validated('auth', create(options), authCalls)
}
