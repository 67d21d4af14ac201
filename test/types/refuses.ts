// Compiled by `npm run check`: every line below an `@ts-expect-error` must fail to compile, or the check fails.
import { type Auth, createAuth, isSallyportError, SallyportError, type Session } from 'sallyport'
import * as agentErrors from 'sallyport/agents'
import { type Agents, createAgents, type Namespace, type TenantKey, tenantOf } from 'sallyport/agents'
import * as bffErrors from 'sallyport/bff'
import { createBff } from 'sallyport/bff'
import * as directErrors from 'sallyport/browser-only'
import { accessToken, createGuard, type Principal } from 'sallyport/guard'
import * as ringErrors from 'sallyport/key-ring'
import * as keyErrors from 'sallyport/keys'
import * as machineErrors from 'sallyport/machine'
import * as nodeErrors from 'sallyport/node'
import * as storeErrors from 'sallyport/store'
import * as postgresErrors from 'sallyport/store/postgres'
import * as redisErrors from 'sallyport/store/redis'
import * as tokenErrors from 'sallyport/tokens'

declare const session: Session
declare const auth: Auth<{ sub: string; role: 'admin' | 'reader' }>

// Claims can only be read where somebody is signed in.
// @ts-expect-error nobody may be signed in
export const name = session.user
if (session.status === 'signed-out') {
  // @ts-expect-error nobody is
  session.user
}
export const narrowed = session.status === 'signed-in' ? session.user.sub : session.status
if (session.status === 'signed-in') {
  // @ts-expect-error a snapshot is read-only
  session.expiresAt = 5
  // @ts-expect-error not a claim of the standard
  session.user.role
}
if (auth.session.status === 'signed-in') {
  const { role } = auth.session.user
  // @ts-expect-error claims of one's own are typed
  const wrong: 'writer' = role
  void wrong
}

// @ts-expect-error no client secret in a page
createAuth({ client_secret: 'x' })
// @ts-expect-error the page does not choose its provider
createAuth({ issuer: 'https://as.example.com' })
// @ts-expect-error not a prompt
auth.login({ prompt: 'sometimes' })
// @ts-expect-error there is no plain PKCE to choose
auth.login({ code_challenge_method: 'plain' })
// @ts-expect-error tokens are asked for, not set
auth.getToken('token')

// @ts-expect-error a backend is a confidential client
createBff({ issuer: 'x', client_id: 'x', baseUrl: 'x', cookieKeys: ['x'] })
// @ts-expect-error there are two modes
createBff({ issuer: 'x', client_id: 'x', client_secret: 'x', baseUrl: 'x', cookieKeys: ['x'], mode: 'implicit' })
// @ts-expect-error an audience is needed
createGuard({ accept: [accessToken({ issuer: 'x' })] })
// @ts-expect-error a principal is only there where the outcome is good
createGuard({ resource: 'x', accept: [] })(new Request('x')).then((outcome) => outcome.principal)

// What belongs to a tenant is found by a name that only the verified caller’s namespace makes.
declare const principal: Parameters<typeof tenantOf>[0]
declare function historyOf(conversation: TenantKey<'conversation'>): void
declare function cached(key: TenantKey<'cache'>): void
historyOf(tenantOf(principal).conversation('42'))
// @ts-expect-error a text names no tenant
historyOf('t/acme/conversation/42')
// @ts-expect-error an index is no conversation
historyOf(tenantOf(principal).retrieval('42'))
// @ts-expect-error a prompt alone is no key: another tenant may have sent the same
cached('What do I earn?')
// @ts-expect-error the key has to be waited for
cached(tenantOf(principal).cacheKey({ model: 'gpt-mini', prompt: 'x' }))
// @ts-expect-error a cached response depends on its model
tenantOf(principal).cacheKey({ prompt: 'x' })
// @ts-expect-error a tenant out of a body is no caller
tenantOf({ tenant: 'globex' })
// @ts-expect-error only tenantOf makes one
export const forged: Namespace = { ...tenantOf(principal), tenant: 'globex', conversation: () => '' }
// @ts-expect-error whose it is cannot be changed
tenantOf(principal).tenant = 'globex'
declare const options: Parameters<typeof createAgents>[0]
const agents = createAgents({ tokens: options.tokens, store: options.store })
export const general: Agents = agents
declare const publicKey: { kty: string }
// @ts-expect-error there are three roles
agents.register({ tenant: 'acme', owner: 'ops', role: 'admin', publicKey })
// @ts-expect-error no role has this scope
agents.issue('agent_x', { tenant: 'acme', scopes: ['external:invoke'] })
// @ts-expect-error an agent belongs to a tenant
agents.register({ owner: 'ops', role: 'reader', publicKey })

// A code is one of those of the entry that the error comes from: each is known, and a misspelt one is none.
declare const error: unknown
if (isSallyportError(error)) {
  error.code === 'login_required'
  // @ts-expect-error misspelt
  error.code === 'login_requird'
  // @ts-expect-error of another entry
  error.code === 'key_not_found'
}
if (error instanceof SallyportError) {
  error.code === 'popup_closed'
  // @ts-expect-error misspelt
  error.code === 'popup_close'
}
if (session.status === 'signed-out') {
  session.error?.code === 'state_mismatch'
  // @ts-expect-error misspelt
  session.error?.code === 'state_missmatch'
}
// @ts-expect-error there is no such code
new SallyportError('unheard_of', 'words')
if (directErrors.isSallyportError(error)) {
  error.code === 'login_required'
  // @ts-expect-error misspelt
  error.code === 'login_requred'
}
if (bffErrors.isSallyportError(error)) {
  error.code === 'store_unavailable'
  // @ts-expect-error misspelt
  error.code === 'store_unavailible'
}
if (keyErrors.isSallyportError(error)) {
  error.code === 'key_not_found'
  // @ts-expect-error misspelt
  error.code === 'key_not_fond'
}
if (agentErrors.isSallyportError(error)) {
  error.code === 'approval_required'
  // @ts-expect-error misspelt
  error.code === 'approval_requird'
}
if (ringErrors.isSallyportError(error)) {
  error.code === 'key_ring_busy'
  // @ts-expect-error misspelt
  error.code === 'keyring_busy'
}
if (machineErrors.isSallyportError(error)) {
  error.code === 'client_refused'
  // @ts-expect-error misspelt
  error.code === 'client_refuse'
}
if (tokenErrors.isSallyportError(error)) {
  error.code === 'refresh_reused'
  // @ts-expect-error misspelt
  error.code === 'refresh_reuse'
}
if (storeErrors.isSallyportError(error)) {
  error.code === 'hold_unknown'
  // @ts-expect-error misspelt
  error.code === 'hold_unkown'
}
if (redisErrors.isSallyportError(error)) {
  error.code === 'store_refused'
  // @ts-expect-error misspelt
  error.code === 'store_refusd'
}
if (postgresErrors.isSallyportError(error)) {
  error.code === 'store_not_migrated'
  // @ts-expect-error misspelt
  error.code === 'store_not_migratd'
}
if (nodeErrors.isSallyportError(error)) {
  error.code === 'vault_exposed'
  // @ts-expect-error misspelt
  error.code === 'vault_exposd'
}

// Claims without a declaration in `Register`: the standard ones of a user, and anything in a credential.
declare const caller: Principal
export const scope: unknown = caller.claims['scope']
// @ts-expect-error nothing is known of it
export const role: string = caller.claims['role']
export const email: string | undefined = session.status === 'signed-in' ? session.user.email : undefined
