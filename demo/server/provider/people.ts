/** The users of the demo. Their passwords are shown on the sign-in page and protect nothing. */
export const alice = { username: 'alice', password: 'wonderland' } as const
/** Decides calls that need an administrator’s approval. */
export const bob = { username: 'bob', password: 'chessboard' } as const

interface Person {
  password: string
  /** The user’s roles in access tokens. @see RFC 9068 section 2.2.3.1 */
  roles: readonly string[]
  claims: { name: string } & Record<string, unknown>
}

const claimsOf = (username: string, given_name: string, family_name: string) => ({
  name: `${given_name} ${family_name}`,
  given_name,
  family_name,
  preferred_username: username,
  email: `${username}@example.com`,
  email_verified: true,
  locale: 'en-GB',
  updated_at: 1_765_000_000,
})

const people = new Map<string, Person>([
  [alice.username, { password: alice.password, roles: [], claims: claimsOf('alice', 'Alice', 'Liddell') }],
  [bob.username, { password: bob.password, roles: ['administrator'], claims: claimsOf('bob', 'Bob', 'Hatter') }],
])

/** The tenant of all users here: one company for the API. */
export const tenant = 'looking-glass'

/** The claims of each scope. @see OpenID Connect Core 1.0 section 5.4 */
export const claimsByScope = {
  openid: ['sub'],
  profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
}

/** The subject with these credentials. The comparison is simple, because the password is public. */
export function authenticate(username: string, password: string): string | undefined {
  const name = username.trim().toLowerCase()
  return people.get(name)?.password === password ? name : undefined
}

/** The account lookup for oidc-provider. */
export async function findAccount(_ctx: unknown, sub: string) {
  const person = people.get(sub)
  return person && { accountId: sub, claims: async () => ({ sub, ...person.claims }) }
}

/** The display name of a user. */
export const nameOf = (sub: string | undefined): string => people.get(sub ?? '')?.claims.name ?? 'Unknown'

export const rolesOf = (sub: string | undefined): readonly string[] => people.get(sub ?? '')?.roles ?? []
