/** The address claim. @see OpenID Connect Core 1.0 section 5.1.1 */
export interface AddressClaim {
  formatted?: string
  street_address?: string
  locality?: string
  region?: string
  postal_code?: string
  country?: string
}

/** What a page may learn about the user, with the standard's claim names. @see OpenID Connect Core 1.0 section 5.1 */
export interface StandardClaims {
  sub: string
  name?: string
  given_name?: string
  family_name?: string
  middle_name?: string
  nickname?: string
  preferred_username?: string
  profile?: string
  picture?: string
  website?: string
  email?: string
  email_verified?: boolean
  gender?: string
  birthdate?: string
  zoneinfo?: string
  locale?: string
  phone_number?: string
  phone_number_verified?: boolean
  address?: AddressClaim
  updated_at?: number
}

/**
 * Declares once which claims your users have, for every function that returns them (`auth.session`, `useAuth()`,
 * `useUser()`, `bff.getSession()`, a guard's `principal.claims`):
 *
 * ```ts
 * declare module 'sallyport' {
 *   interface Register {
 *     claims: { sub: string; name?: string; role: 'admin' | 'reader' }
 *   }
 * }
 * ```
 *
 * Not checked: whether the claims that arrive match the declaration.
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

/**
 * The claims of a verified credential: any claims, and possibly those of `Register`. An API key, for example, has none
 * of them.
 */
export type CredentialClaims = AnyClaims & Readonly<Partial<RegisteredClaims<AnyClaims>>>
