/** What each role may, and no more. There is no wildcard. */
export type Roles = Readonly<Record<string, readonly string[]>>

/** The roles where an application names none of its own. `external:invoke` belongs to none of them. */
export const defaultRoles = {
  reader: ['data:read'],
  writer: ['data:read', 'data:write'],
  executor: ['data:read', 'exec:sandbox'],
} as const

export type RoleOf<Table extends Roles> = keyof Table & string
export type ScopeOf<Table extends Roles> = Table[keyof Table][number]

/** The scopes of a role; of a role that is not there, none. */
export const scopesOf = (roles: Roles, role: string): readonly string[] =>
  Object.hasOwn(roles, role) ? (roles[role] ?? []) : []
