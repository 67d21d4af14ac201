import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import { concernsRequest, detailOf } from './failures/failure.js'
import { type FailureReports, reportMistake } from './failures/report.js'
import { type IdTokenClaims, verifyIdToken } from './jwt/id-token.js'
import type { ProviderKeys } from './jwt/provider-keys.js'
import { requireTenant } from './jwt/tenants.js'
import type { ProviderSettings } from './settings.js'
import { type RequireUsable, tokenMembers } from './token-response.js'
import { unverifiedIdToken } from './unvalidated-response.js'

/** The tokens and claims that a new session is made of. */
export interface RedeemedCode {
  access_token: string
  refresh_token?: string
  expires_in?: number
  /** Seconds until the refresh token can no longer be used. */
  refresh_expires_in?: number
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
  failures: FailureReports,
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
    if (id_token === undefined) throw missingIdToken(settings)
    if (isEncrypted(id_token))
      throw reportMistake(detailOf(failures.endpoint('token'), '200, an encrypted id_token'), settings)
    const { nonce, max_age, acr_values } = request
    const claims = await verifyIdToken({ id_token, access_token, nonce, max_age, acr_values }, settings, keys)
    // For an issuer of many tenants, only the form of `iss` was known before.
    if (request.iss !== undefined && request.iss !== claims.iss) throw new ProviderError('issuer_mismatch')
    await requireTenant(claims, settings)
    return { ...tokenMembers(tokens), id_token, claims }
  } catch (error) {
    throw codeGrantError(error, failures)
  }
}

function missingIdToken({ emit }: ProviderSettings): ProviderError {
  emit({ type: 'id_token_refused', claim: 'missing' })
  return new ProviderError('id_token_invalid', { claim: 'missing', description: 'There is no ID Token.' })
}

/** Whether a token is a JWE: it has five parts. @see RFC 7516 section 3.1 */
const isEncrypted = (token: string): boolean => token.split('.').length === 5

function codeGrantError(error: unknown, failures: FailureReports): ProviderError {
  const failure = failures.failureAt(error, 'token')
  if (error instanceof ProviderError || !concernsRequest(failure)) return failures.report(error, 'token')
  return new ProviderError('invalid_grant', {
    description: `The provider refused the code: ${failure.error}`,
    detail: failure.detail,
  })
}
