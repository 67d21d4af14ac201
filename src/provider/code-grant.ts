import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import type { ProviderFaults } from './faults.js'
import { acceptIdToken, refusedClaim } from './id-token.js'
import { errorCode } from './openid-client-errors.js'
import type { ProviderSettings } from './settings.js'
import { picked, type RequireUsable } from './token-response.js'

/** A redeemed code: what the session is made of. */
export interface Redeemed {
  access_token: string
  refresh_token?: string
  expires_in?: number
  scope?: string
  id_token: string
  claims: oidc.IDToken
}

/** What was sealed when the sign-in began, and what came back. */
export interface Redemption {
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

/** Redeems an authorization code, and checks the ID Token. @throws ProviderError */
export async function redeemCode(
  redemption: Redemption,
  settings: ProviderSettings,
  { configuration, proofs }: ProviderConfiguration,
  faults: ProviderFaults,
  requireUsable: RequireUsable,
): Promise<Redeemed> {
  const config = await configuration()
  const { iss } = redemption
  const url = new URL(redemption.redirect_uri)
  url.searchParams.set('code', redemption.code)
  url.searchParams.set('state', redemption.state)
  if (iss !== undefined) url.searchParams.set('iss', iss)
  try {
    const tokens = await oidc.authorizationCodeGrant(
      config,
      url,
      {
        pkceCodeVerifier: redemption.code_verifier,
        expectedNonce: redemption.nonce,
        expectedState: redemption.state,
        idTokenExpected: true,
        ...(redemption.max_age !== undefined && { maxAge: redemption.max_age }),
      },
      new URLSearchParams(redemption.resource.map((resource) => ['resource', resource])),
      await proofs(config),
    )
    requireUsable(tokens)
    const claims = tokens.claims()
    const { id_token = '', access_token } = tokens
    if (!claims) throw new ProviderError('id_token_invalid', { claim: 'missing' })
    await acceptIdToken({ claims, id_token, access_token, acr_values: redemption.acr_values }, settings)
    return { ...picked(tokens), id_token, claims }
  } catch (error) {
    throw redemptionError(error, settings, faults)
  }
}

function redemptionError(
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
