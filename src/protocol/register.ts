import type { StandardClaims } from './claims.js'

/**
 * Says once which claims your users have, for every function that knows them (`auth.session`, `useAuth()`, `useUser()`,
 * `bff.getSession()`, a guard's `principal.claims`):
 *
 * ```ts
 * declare module 'sallyport' {
 *   interface Register {
 *     claims: { sub: string; name?: string; role: 'admin' | 'reader' }
 *   }
 * }
 * ```
 *
 * Not checked: whether the claims that arrive are like this.
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by the app
export interface Register {}

/** The claims of `Register`; without a declaration there, `Otherwise`. */
export type RegisteredClaims<Otherwise = StandardClaims, Declared = Register> = Declared extends {
  claims: infer Claims
}
  ? Claims
  : Otherwise

type AnyClaims = Readonly<Record<string, unknown>>

/** What a verified credential says: any claims, and perhaps those of `Register`. A key, for example, has none of them. */
export type CredentialClaims = AnyClaims & Readonly<Partial<RegisteredClaims<AnyClaims>>>
