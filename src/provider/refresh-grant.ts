import { compactVerify } from 'jose'
import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import type { ProviderKeys } from './jwt/provider-keys.js'
import { compareIdToken, type OriginalIdToken } from './jwt/refreshed-id-token.js'
import { answerFromError } from './openid-client-errors.js'
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
 * `undefined`: temporarily unavailable.
 */
export async function prepareRefresh(
  settings: ProviderSettings,
  { configuration, proofs, secret }: ProviderConfiguration,
  keys: ProviderKeys,
  required: 'DPoP' | 'Bearer',
): Promise<SpendRefreshToken | undefined> {
  let config: oidc.Configuration
  let dpopOptions: oidc.DPoPOptions
  try {
    config = await configuration()
    dpopOptions = await proofs(config)
    await secret()
  } catch {
    return undefined
  }
  /**
   * An ID Token that cannot be used is dropped: the new tokens are kept, and the ID Token before it goes on to be the hint at
   * sign-out. So it is dropped, too, if its key must be fetched first: the new refresh token would wait for it.
   */
  async function checkIdToken(id_token: unknown, original: OriginalIdToken) {
    const idToken = compareIdToken(id_token, original, settings)
    if (idToken.type !== 'valid') {
      settings.emit({ type: 'id_token_refused', claim: idToken.claim })
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
      return answerFromError(error)
    }
    // A success without any token: nobody knows whether the refresh token is used up.
    if (response.access_token === undefined && response.refresh_token === undefined)
      return { type: 'unknown', answered: true }
    const { access_token, ...members } = readRefreshedTokens(response, settings, required)
    const idToken = response.id_token === undefined ? undefined : await checkIdToken(response.id_token, original)
    if (idToken?.type === 'foreign') return { type: 'foreign' }
    if (access_token === undefined) return { type: 'unusable', refresh_token: members.refresh_token }
    return {
      type: 'tokens',
      access_token,
      ...members,
      ...(idToken?.type === 'valid' && { id_token: idToken.id_token }),
    }
  }
}
