import type { Principal } from 'sallyport/guard'
import { describe, expect, it } from 'vitest'
import { isPerson } from '../../src/agents/is-person.js'
import { world } from './world.js'

const NOW = 1_790_000_000
const base: Principal = {
  method: 'access_token',
  iss: 'https://login.example.com',
  sub: 'alice',
  client_id: 'app',
  tenant: 'acme',
  scopes: ['admin:approve', 'data:read'],
  expiresAt: NOW + 600,
  claims: {},
}
const uuid = '6f1c2d3e-0000-4000-8000-000000000001'

/** What clients on their own behalf bring, by provider. */
const programs: Array<[string, Partial<Principal>]> = [
  ['Keycloak, today', { sub: uuid, claims: { azp: 'app', preferred_username: 'service-account-app' } }],
  ['Keycloak, without profile', { sub: uuid, claims: { azp: 'app' } }],
  ['Keycloak, before', { sub: uuid, claims: { azp: 'app', auth_time: 0 } }],
  ['Auth0', { sub: 'app@clients', claims: { gty: 'client-credentials', azp: 'app' } }],
  ['Auth0, with a claim of an action', { sub: 'app@clients', claims: { auth_time: NOW } }],
  ['Entra', { sub: uuid, claims: { idtyp: 'app', oid: uuid, azp: 'app', roles: ['admin'] } }],
  ['Entra, with a time', { sub: uuid, claims: { idtyp: 'app', auth_time: NOW } }],
  ['Okta', { sub: 'app', claims: { cid: 'app' } }],
  ['RFC 9068', { sub: 'app', claims: { auth_time: NOW } }],
  ['nobody in particular', {}],
  ['a time as text', { claims: { auth_time: `${NOW}` } }],
  ['an actor', { claims: { auth_time: NOW, act: { sub: 'x' } } }],
  ['a key', { method: 'api_key', claims: { auth_time: NOW } }],
  ['a certificate', { method: 'client_certificate', claims: { auth_time: NOW } }],
  ['an agent', { method: 'agent_token', claims: { auth_time: NOW } }],
]

const people: Array<[string, Partial<Principal>]> = [
  ['a session', { method: 'session_cookie' }],
  ['a token that says when they signed in', { claims: { auth_time: NOW - 5, azp: 'app' } }],
]

describe('a person', () => {
  it.each(programs)('[G-17] is not: %s', async (_, changes) => {
    const by = { ...base, ...changes }
    expect(isPerson(by)).toBe(false)
    const { agents, approvals } = await world()
    await expect(agents.consent('agent_a', { subject: by, scopes: ['data:read'] })).rejects.toMatchObject({
      code: 'delegation_refused',
    })
    const { id } = await approvals.request({ tenant: 'acme', agent: 'agent_a', tool: 't', args: {}, kind: 'admin' })
    await expect(approvals.decide(id, { by, approve: true })).rejects.toMatchObject({ code: 'approver_refused' })
    expect((await approvals.get(id, { tenant: 'acme' }))?.status).toBe('pending')
  })

  it.each(people)('[G-17 twin] is: %s', async (_, changes) => {
    const by = { ...base, ...changes }
    const { agents, approvals } = await world()
    await agents.consent('agent_a', { subject: by, scopes: ['data:read'] })
    const { id } = await approvals.request({ tenant: 'acme', agent: 'agent_a', tool: 't', args: {}, kind: 'admin' })
    expect(await approvals.decide(id, { by, approve: true })).toMatchObject({ status: 'approved' })
  })

  it('[G-17][G-17 twin] is whom the application knows, but never a program', () => {
    const entra = ({ claims }: Principal) => claims['idtyp'] === 'user'
    expect(isPerson({ ...base, claims: { idtyp: 'user' } }, entra)).toBe(true)
    expect(isPerson({ ...base, claims: { auth_time: NOW } }, entra)).toBe(false)
    expect(isPerson({ ...base, method: 'session_cookie' }, entra)).toBe(true)
    for (const [, changes] of programs.filter(([name]) => !/nobody|time as text|without profile|before/.test(name)))
      expect(isPerson({ ...base, ...changes }, () => true)).toBe(false)
    expect(isPerson(base, (() => 'yes') as never)).toBe(false)
  })
})
