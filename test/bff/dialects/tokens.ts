import { expect } from 'vitest'
import type { Dialect } from './dialect.js'

/** Token responses and grants. */
export const tokens: readonly Dialect[] = [
  {
    name: 'Keycloak',
    quirk: 'has one grant for each browser session and client',
    must: 'keeps the newer session after a second sign-in',
    provider: { grantPerSession: true },
    check: async ({ again }) => expect(await again()).toBeUndefined(),
  },
  {
    name: 'Keycloak',
    quirk: 'says in refresh_expires_in when its session ends without a renewal',
    must: 'ends the session here then, and not before',
    speak: ({ as }) => {
      as.tamper.tokenResponse = (body) => ({ ...body, refresh_expires_in: 5400 })
    },
    check: async ({ session, now }) => expect((await session()).expires_at).toBe(now() + 5400),
  },
  {
    name: 'Keycloak',
    quirk: 'says in refresh_expires_in that an offline session has no end',
    must: 'takes 0 for no end',
    speak: ({ as }) => {
      as.tamper.tokenResponse = (body) => ({ ...body, refresh_expires_in: 0 })
    },
  },
  {
    name: 'Authentik',
    quirk: 'writes null into claims and members that it does not use',
    must: 'takes null for absent',
    speak: ({ as }) => {
      as.tamper.idToken = (claims, header) => ({ claims: { ...claims, acr: null, amr: null, azp: undefined }, header })
      as.tamper.tokenResponse = (body) => ({ ...body, scope: null, expires_in: null })
    },
  },
  {
    name: 'Google',
    quirk: 'sends no new refresh token at a refresh',
    must: 'goes on with the first one',
    provider: { leeway: 1e6 },
    speak: ({ as }) => {
      as.tamper.tokenResponse = (body) => {
        if (as.grants.refresh_token) delete body['refresh_token']
        return body
      }
    },
  },
]
