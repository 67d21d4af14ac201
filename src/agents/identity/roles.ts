/** The scopes of each role. There is no wildcard. */
export type Roles = Readonly<Record<string, readonly string[]>>

/** The roles of applications that define none. `external:invoke` is in none of them. */
export const defaultRoles = {
  reader: ['data:read'],
  writer: ['data:read', 'data:write'],
  executor: ['data:read', 'exec:sandbox'],
} as const

export type RoleOf<Table extends Roles> = keyof Table & string
export type ScopeOf<Table extends Roles> = Table[keyof Table][number]

/** The scopes of a role; none for an unknown role. */
export const scopesOf = (roles: Roles, role: string): readonly string[] =>
  Object.hasOwn(roles, role) ? (roles[role] ?? []) : []
