/** The one person of the demo. Her password stands on the sign-in page: it protects nothing. */
export const alice = { username: 'alice', password: 'wonderland' } as const

const claims = {
  name: 'Alice Liddell',
  given_name: 'Alice',
  family_name: 'Liddell',
  preferred_username: alice.username,
  email: 'alice@example.com',
  email_verified: true,
  locale: 'en-GB',
  updated_at: 1_765_000_000,
}

/** The tenant of everybody here: one company, as far as the API is concerned. */
export const tenant = 'looking-glass'

/** Which claims each scope opens. @see OpenID Connect Core 1.0 section 5.4 */
export const claimsByScope = {
  openid: ['sub'],
  profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
}

/** The subject that signs in with these credentials. Compared plainly: the password is printed beside the field. */
export const authenticate = (username: string, password: string): string | undefined =>
  username.trim().toLowerCase() === alice.username && password === alice.password ? alice.username : undefined

/** What oidc-provider asks for by subject. */
export const findAccount = async (_ctx: unknown, sub: string) =>
  sub === alice.username ? { accountId: sub, claims: async () => ({ sub, ...claims }) } : undefined

/** How a page may call the person. */
export const nameOf = (sub: string | undefined): string => (sub === alice.username ? claims.name : 'Unknown')
