import { compactVerify } from 'jose'
import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { detailOf } from './failures/failure.js'
import type { FailureReports } from './failures/report.js'
import type { ProviderKeys } from './jwt/provider-keys.js'
import { compareIdToken, type OriginalIdToken } from './jwt/refreshed-id-token.js'
import type { ProviderAnswer } from './refresh-outcome.js'
import type { ProviderSettings } from './settings.js'
import { readRefreshedTokens } from './token-response.js'
import { type UnvalidatedResponse, unvalidated } from './unvalidated-response.js'

/** Uses a refresh token. `original` is what the ID Token of the sign-in said. Never rejects: a failure is part of the answer. */
type SpendRefreshToken = (
  refresh_token: string,
  parameters: URLSearchParams,
  original: OriginalIdToken,
) => Promise<ProviderAnswer>

/**
 * Prepares a refresh: reads the metadata and the client secret first, so that the returned function sends its request at once.
 * A code: it cannot be prepared.
 */
export async function prepareRefresh(
  settings: ProviderSettings,
  { configuration, proofs, secret }: ProviderConfiguration,
  keys: ProviderKeys,
  failures: FailureReports,
  required: 'DPoP' | 'Bearer',
): Promise<SpendRefreshToken | 'temporarily_unavailable' | 'operator_error'> {
  let config: oidc.Configuration
  let dpopOptions: oidc.DPoPOptions
  try {
    config = await configuration()
    dpopOptions = await proofs(config)
    await secret()
  } catch (error) {
    const { code } = failures.report(error, 'token')
    return code === 'temporarily_unavailable' ? code : 'operator_error'
  }
  /**
   * An ID Token that cannot be used is dropped: the new tokens are kept, and the ID Token before it goes on to be the hint at
   * sign-out. So it is dropped, too, if its key must be fetched first: the new refresh token would wait for it.
   */
  async function checkIdToken(id_token: unknown, original: OriginalIdToken) {
    const idToken = compareIdToken(id_token, original, settings)
    if (idToken.type !== 'valid') {
      const { claim, detail } = idToken
      settings.emit({ type: 'id_token_refused', claim, ...(detail !== undefined && { detail }) })
      return idToken
    }
    const algorithms = [...settings.idTokenAlgs]
    const token = idToken.id_token
    const verified = await keys.verifyAtOnce(token, (known) => compactVerify(token, known, { algorithms }))
    if (verified === false) settings.emit({ type: 'id_token_refused', claim: 'signature' })
    return verified ? idToken : undefined
  }
  return async (refresh_token, parameters, original) => {
    let response: UnvalidatedResponse
    try {
      response = unvalidated(await oidc.refreshTokenGrant(config, refresh_token, parameters, dpopOptions))
    } catch (error) {
      return failures.failureAt(error, 'token')
    }
    // A success without any token: nobody knows whether the refresh token is used up.
    const endpoint = failures.endpoint('token')
    if (response.access_token === undefined && response.refresh_token === undefined)
      return { type: 'unreadable', status: 200, detail: detailOf(endpoint, '200, no usable access_token') }
    const { access_token, ...members } = readRefreshedTokens(response, settings, required, endpoint)
    const idToken = response.id_token === undefined ? undefined : await checkIdToken(response.id_token, original)
    if (idToken?.type === 'foreign') return { type: 'foreign' }
    const { refresh_token: next, lost } = members
    if (access_token === undefined)
      return { type: 'unusable', ...(next !== undefined && { refresh_token: next }), ...(lost && { lost }) }
    return {
      type: 'tokens',
      access_token,
      ...members,
      ...(idToken?.type === 'valid' && { id_token: idToken.id_token }),
    }
  }
}
