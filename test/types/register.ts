// Compiled by itself: what is declared here holds in the whole program. `refuses.ts` has the same without a declaration.
import { type Auth, createAuth, type Session } from 'sallyport'
import type { Bff } from 'sallyport/bff'
import { createBrowserOnlyAuth } from 'sallyport/browser-only'
import type { Principal } from 'sallyport/guard'
import { useAuth, useUser } from 'sallyport/react'
import { createTestAuth } from 'sallyport/testing/auth'

declare module 'sallyport' {
  interface Register {
    claims: { sub: string; role: 'admin' | 'reader' }
  }
}

type Role = 'admin' | 'reader'
type Is<Found, Wanted> = (<T>() => T extends Found ? 1 : 2) extends <T>() => T extends Wanted ? 1 : 2 ? true : false
type RoleOf<Of> = Extract<Of, { status: 'signed-in' }> extends { user: { role: infer Found } } ? Found : never

declare const auth: Auth
declare const bff: Bff
declare const principal: Principal
const created = createAuth()
const direct = createBrowserOnlyAuth({ issuer: 'x', client_id: 'x' })
const tested = createTestAuth()
const rendered = await bff.getSession(new Request('x'))

export const all: [
  Is<RoleOf<Session>, Role>,
  Is<RoleOf<typeof auth.session>, Role>,
  Is<RoleOf<typeof created.session>, Role>,
  Is<RoleOf<typeof direct.session>, Role>,
  Is<RoleOf<typeof tested.session>, Role>,
] = [true, true, true, true, true]
export const roles: (Role | undefined)[] = [rendered?.user?.role, principal.claims.role]

export function Greeting() {
  const { session } = useAuth()
  const user = useUser()
  const same: [Is<RoleOf<typeof session>, Role>, Is<typeof user, { sub: string; role: Role } | undefined>] = [
    true,
    true,
  ]
  // A page that knows better says so.
  const other: string | undefined = useUser<{ email: string }>()?.email
  // @ts-expect-error not one of the roles
  if (user?.role === 'writer') return same
  // @ts-expect-error not a claim that is declared
  return user?.email ?? other
}

// @ts-expect-error not one of the roles
rendered?.user?.role === 'writer'
// @ts-expect-error a key has no role
export const role: Role = principal.claims.role
// @ts-expect-error not one of the roles
principal.claims.role === 'writer'
// What only the credential says is there as before, and nothing is known of it.
export const tenant: unknown = principal.claims['tenant']
createAuth({ initial: rendered as NonNullable<typeof rendered> })
