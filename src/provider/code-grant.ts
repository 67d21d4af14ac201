import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import type { ProviderFaults } from './faults.js'
import { type IdTokenClaims, verifyIdToken } from './jwt/id-token.js'
import type { ProviderKeys } from './jwt/provider-keys.js'
import { requireTenant } from './jwt/tenants.js'
import { errorCode } from './openid-client-errors.js'
import type { ProviderSettings } from './settings.js'
import { type RequireUsable, tokenMembers } from './token-response.js'
import { unverifiedIdToken } from './unvalidated-response.js'

/** The tokens and claims that a new session is made of. */
export interface RedeemedCode {
  access_token: string
  refresh_token?: string
  expires_in?: number
  scope?: string
  id_token: string
  claims: IdTokenClaims
}

/** The parameters of the authorization request, and of its response. */
export interface CodeGrantRequest {
  redirect_uri: string
  code: string
  state: string
  iss?: string | undefined
  code_verifier: string
  nonce: string
  max_age?: number | undefined
  acr_values?: string | undefined
  resource: readonly string[]
}

/** Redeems an authorization code and validates the ID Token. @throws ProviderError */
export async function redeemCode(
  request: CodeGrantRequest,
  settings: ProviderSettings,
  { configuration, proofs }: ProviderConfiguration,
  keys: ProviderKeys,
  faults: ProviderFaults,
  requireUsable: RequireUsable,
): Promise<RedeemedCode> {
  const config = await configuration()
  const url = new URL(request.redirect_uri)
  url.searchParams.set('code', request.code)
  url.searchParams.set('state', request.state)
  try {
    const response = await oidc.authorizationCodeGrant(
      config,
      url,
      { pkceCodeVerifier: request.code_verifier, expectedState: request.state },
      new URLSearchParams(request.resource.map((resource) => ['resource', resource])),
      await proofs(config),
    )
    const tokens = { ...response, id_token: unverifiedIdToken(response) }
    requireUsable(tokens)
    const { id_token, access_token } = tokens
    if (id_token === undefined) throw new ProviderError('id_token_invalid', { claim: 'missing' })
    const { nonce, max_age, acr_values } = request
    const claims = await verifyIdToken({ id_token, access_token, nonce, max_age, acr_values }, settings, keys)
    // For an issuer of many tenants, only the form of `iss` was known before.
    if (request.iss !== undefined && request.iss !== claims.iss) throw new ProviderError('issuer_mismatch')
    await requireTenant(claims, settings)
    return { ...tokenMembers(tokens), id_token, claims }
  } catch (error) {
    throw codeGrantError(error, faults)
  }
}

function codeGrantError(error: unknown, { common, unavailable }: ProviderFaults): ProviderError {
  if (error instanceof ProviderError) return error
  const fault = common(error, 'token')
  if (fault) return fault
  if (error instanceof oidc.ResponseBodyError)
    return new ProviderError('invalid_grant', {
      description: `The provider refused the code: ${errorCode(error.error)}`,
    })
  return unavailable('token')
}
