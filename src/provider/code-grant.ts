import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import type { ProviderFaults } from './faults.js'
import { refusedClaim, validateIdToken } from './id-token.js'
import { errorCode } from './openid-client-errors.js'
import type { ProviderSettings } from './settings.js'
import { type RequireUsable, tokenMembers } from './token-response.js'

/** The tokens and claims that a new session is made of. */
export interface RedeemedCode {
  access_token: string
  refresh_token?: string
  expires_in?: number
  scope?: string
  id_token: string
  claims: oidc.IDToken
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
  faults: ProviderFaults,
  requireUsable: RequireUsable,
): Promise<RedeemedCode> {
  const config = await configuration()
  const { iss } = request
  const url = new URL(request.redirect_uri)
  url.searchParams.set('code', request.code)
  url.searchParams.set('state', request.state)
  if (iss !== undefined) url.searchParams.set('iss', iss)
  try {
    const tokens = await oidc.authorizationCodeGrant(
      config,
      url,
      {
        pkceCodeVerifier: request.code_verifier,
        expectedNonce: request.nonce,
        expectedState: request.state,
        idTokenExpected: true,
        ...(request.max_age !== undefined && { maxAge: request.max_age }),
      },
      new URLSearchParams(request.resource.map((resource) => ['resource', resource])),
      await proofs(config),
    )
    requireUsable(tokens)
    const claims = tokens.claims()
    const { id_token = '', access_token } = tokens
    if (!claims) throw new ProviderError('id_token_invalid', { claim: 'missing' })
    await validateIdToken({ claims, id_token, access_token, acr_values: request.acr_values }, settings)
    return { ...tokenMembers(tokens), id_token, claims }
  } catch (error) {
    throw codeGrantError(error, settings, faults)
  }
}

function codeGrantError(
  error: unknown,
  { emit }: ProviderSettings,
  { common, unavailable }: ProviderFaults,
): ProviderError {
  if (error instanceof ProviderError) return error
  const fault = common(error, 'token')
  if (fault) return fault
  if (error instanceof oidc.ResponseBodyError)
    return new ProviderError('invalid_grant', {
      description: `The provider refused the code: ${errorCode(error.error)}`,
    })
  const claim = refusedClaim(error)
  if (claim) {
    emit({ type: 'id_token_refused', claim })
    return new ProviderError('id_token_invalid', { claim, description: `The ID Token was refused: ${claim}` })
  }
  return unavailable('token')
}
