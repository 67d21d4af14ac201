import { encodeBase64url } from '../../protocol/base64url.js'
import { accessTokenClaims, issueAccessToken } from './access-token.js'
import { authenticate } from './client-authentication.js'
import { proofOf } from './dpop.js'
import { type Claims, sha256, type TamperedToken } from './keys.js'
import {
  type Grant,
  isPublic,
  issue,
  type MockClient,
  type ProviderState,
  randomText,
  scopesOf,
} from './provider-state.js'

export const json = (body: unknown, status = 200): Response =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  })

export const oauthError = (error: string, error_description: string, status = 400): Response =>
  json({ error, error_description }, status)

/** A client that tried by a header gets the supported scheme. @see RFC 6749 section 5.2 */
export function clientRefused({ headers }: Request): Response {
  const refused = oauthError('invalid_client', 'client authentication failed', 401)
  if (headers.has('authorization')) refused.headers.set('WWW-Authenticate', 'Basic realm="token endpoint"')
  return refused
}

/** The token endpoint. @see RFC 6749 sections 4.1.3 and 6 */
export async function token(state: ProviderState, request: Request): Promise<Response> {
  const form = new URLSearchParams(await request.text())
  const client = await authenticate(state, request, form)
  if (!client) return clientRefused(request)
  for (const name of new Set(form.keys()))
    if (name !== 'resource' && form.getAll(name).length > 1) return oauthError('invalid_request', `${name} is repeated`)
  const proof = await proofOf(state, request)
  if (proof && 'error' in proof) return nonceAnswer(state, oauthError(proof.error, 'invalid DPoP proof'))
  const grant_type = form.get('grant_type')
  const asked = { state, form, client, jkt: proof?.jkt }
  if (grant_type === 'authorization_code') return redeem(asked)
  if (grant_type === 'refresh_token') return refresh(asked)
  if (grant_type === 'client_credentials') return clientCredentials(asked)
  return oauthError('unsupported_grant_type', 'authorization_code, refresh_token or client_credentials')
}

/** A request of an authenticated client. */
interface TokenRequest {
  state: ProviderState
  form: URLSearchParams
  client: MockClient
  /** The thumbprint of the key of its DPoP proof. */
  jkt: string | undefined
}

async function redeem(request: TokenRequest): Promise<Response> {
  const { state, form, client } = request
  const code = state.codes.get(form.get('code') ?? '')
  if (code?.client_id !== client.client_id || !code) return oauthError('invalid_grant', 'unknown authorization code')
  if (code.used) {
    // The code was used twice: revoke all tokens that came from it (RFC 6749 section 4.1.2).
    state.revokedFamilies.add(code.family)
    return oauthError('invalid_grant', 'the authorization code was already used')
  }
  code.used = true
  if (state.now() > code.expires) return oauthError('invalid_grant', 'the authorization code has expired')
  if (form.get('redirect_uri') !== code.redirect_uri) return oauthError('invalid_grant', 'the redirect_uri differs')
  const challenge = encodeBase64url(await sha256(form.get('code_verifier') ?? ''))
  if (challenge !== code.code_challenge)
    return oauthError('invalid_grant', 'the code_verifier does not match the code_challenge')
  const resource = form.getAll('resource')
  if (resource.some((item) => !code.resource.includes(item)))
    return oauthError('invalid_target', 'the resource was not authorized')
  state.grants.authorization_code++
  return answer(request, code, code.scope, resource.length ? resource : code.resource)
}

/** A token of the client itself: no user, no ID Token, no refresh token. @see RFC 6749 section 4.4 */
async function clientCredentials({ state, form, client, jkt }: TokenRequest): Promise<Response> {
  if (isPublic(client)) return oauthError('unauthorized_client', 'a public client cannot use client_credentials')
  const { client_id } = client
  state.grants.client_credentials++
  const scope = form.get('scope') ?? ''
  const body = await bearerOf(state, { client_id, sub: client_id }, scope, form.getAll('resource'), jkt)
  return nonceAnswer(state, json(state.tamper.tokenResponse?.(body) ?? body))
}

async function refresh(request: TokenRequest): Promise<Response> {
  const { state, form, client, jkt } = request
  const spent = state.refreshTokens.get(form.get('refresh_token') ?? '')
  if (spent?.client_id !== client.client_id || !spent) return oauthError('invalid_grant', 'unknown refresh token')
  if (spent.spent !== undefined && (state.leeway === 0 || state.now() - spent.spent > state.leeway))
    state.revokedFamilies.add(spent.family)
  if (spent.jkt !== undefined && spent.jkt !== jkt)
    return oauthError('invalid_grant', 'the refresh token is bound to another key')
  if (state.revokedFamilies.has(spent.family)) return oauthError('invalid_grant', 'the refresh token is revoked')
  const requestedScope = form.get('scope')
  if (requestedScope !== null && scopesOf(requestedScope).some((scope) => !scopesOf(spent.scope).includes(scope)))
    return oauthError('invalid_scope', 'the scope exceeds the granted scope')
  const resource = form.getAll('resource')
  if (resource.some((item) => !spent.resource.includes(item)))
    return oauthError('invalid_target', 'the resource was not authorized')
  spent.spent ??= state.now()
  state.grants.refresh_token++
  return answer(request, spent, requestedScope ?? spent.scope, resource.length ? resource : spent.resource)
}

/** Issues an access token, with its response. @see RFC 9068 section 2.2 */
async function bearerOf(
  state: ProviderState,
  { client_id, sub }: Pick<Grant, 'client_id' | 'sub'>,
  scope: string,
  resource: string[],
  jkt: string | undefined,
): Promise<Claims & { access_token: string }> {
  const aud = resource.length > 1 ? resource : (resource[0] ?? client_id)
  const cnf = jkt === undefined ? {} : { cnf: { jkt } }
  const issued = await issueAccessToken(state, accessTokenClaims(state, { aud, sub, client_id, scope, ...cnf }))
  return { ...issued, expires_in: state.accessTokenLifetime, scope }
}

async function answer(
  { state, client, jkt }: TokenRequest,
  grant: Grant,
  scope: string,
  resource: string[],
): Promise<Response> {
  const { client_id, sub, sid, auth_time, nonce, acr, family } = grant
  const iat = Math.floor(state.now())
  const body = await bearerOf(state, grant, scope, resource, jkt)
  const { access_token } = body
  if (state.grantPerSession) state.accessTokenFamilies.set(access_token, family)
  if (scopesOf(grant.scope).includes('offline_access')) {
    const refresh_token = issue(state, randomText())
    const { scope, resource } = grant
    const binding = isPublic(client) && jkt !== undefined ? { jkt } : {}
    state.refreshTokens.set(refresh_token, { client_id, sub, sid, scope, resource, auth_time, family, ...binding })
    body['refresh_token'] = refresh_token
  }
  const user = state.users.find((one) => one.sub === sub)
  const at_hash = encodeBase64url((await sha256(access_token)).subarray(0, 16))
  const claims = {
    ...user,
    iss: state.issuer,
    aud: client_id,
    sub,
    sid,
    auth_time,
    iat,
    exp: iat + 300,
    at_hash,
    ...(nonce !== undefined && { nonce }),
    ...(acr !== undefined && { acr }),
  }
  const header = { alg: 'RS256' }
  const tampered: TamperedToken = state.tamper.idToken?.(claims, header) ?? { claims, header }
  body['id_token'] = issue(state, await state.keys.sign(tampered))
  return json(state.tamper.tokenResponse?.(body) ?? body)
}

/** Revokes the whole family, or one access token; unknown tokens are ignored. @see RFC 7009 section 2 */
export async function revoke(state: ProviderState, request: Request): Promise<Response> {
  const form = new URLSearchParams(await request.text())
  const client = await authenticate(state, request, form)
  if (!client) return clientRefused(request)
  const token = form.get('token') ?? ''
  const found = state.refreshTokens.get(token)
  if (found?.client_id === client.client_id) state.revokedFamilies.add(found.family)
  if (state.accessTokens.get(token)?.['client_id'] === client.client_id) state.accessTokens.delete(token)
  return new Response(null, { status: 200 })
}

/** Lifetime of a pushed request, seconds. */
const PUSHED_REQUEST_LIFETIME = 60

/** Pushed authorization requests. @see RFC 9126 section 2 */
export async function push(state: ProviderState, request: Request): Promise<Response> {
  const form = new URLSearchParams(await request.text())
  const client = await authenticate(state, request, form)
  if (!client) return clientRefused(request)
  if (form.has('request_uri')) return oauthError('invalid_request', 'a pushed request must not have a request_uri')
  if (!client.redirect_uris.includes(form.get('redirect_uri') ?? ''))
    return oauthError('invalid_request', 'the redirect_uri is not registered')
  form.delete('client_secret')
  form.set('client_id', client.client_id)
  const request_uri = `urn:ietf:params:oauth:request_uri:${randomText()}`
  state.pushed.set(request_uri, { form, expires: state.now() + PUSHED_REQUEST_LIFETIME })
  return json({ request_uri, expires_in: PUSHED_REQUEST_LIFETIME }, 201)
}

/** @see RFC 9449 section 8 */
export function nonceAnswer({ dpopNonce }: ProviderState, response: Response): Response {
  if (dpopNonce !== undefined) response.headers.set('DPoP-Nonce', dpopNonce)
  return response
}
