import { authCalls } from '../client/shapes.js'
import type { StandardClaims } from '../protocol/claims.js'
import { examine, examined } from '../protocol/examine.js'
import { type Auth, type BrowserOnlyAuthOptions, createBrowserOnlyAuth as create } from './index.js'
import { browserOnlyOptions } from './shapes.js'

export * from './index.js'

/** The same, for whoever is writing the page. @see createAuth in `sallyport`, whose development build does the same */
export function createBrowserOnlyAuth<Claims = StandardClaims>(options: BrowserOnlyAuthOptions<Claims>): Auth<Claims> {
  examine('createBrowserOnlyAuth', browserOnlyOptions, options)
  return examined('auth', create(options), authCalls)
}
