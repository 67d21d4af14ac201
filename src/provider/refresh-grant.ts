import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import { isIdToken } from './id-token.js'
import { answerFromError } from './openid-client-errors.js'
import type { ProviderAnswer } from './refresh-outcome.js'
import type { ProviderSettings } from './settings.js'
import { type RequireUsable, tokenMembers } from './token-response.js'

/** Uses a refresh token. Never rejects: a failure is part of the answer. */
export type SpendRefreshToken = (refresh_token: string, parameters: URLSearchParams) => Promise<ProviderAnswer>

/**
 * Prepares a refresh: reads the metadata and the client secret first, so that the returned function sends its request at once.
 * `undefined`: temporarily unavailable.
 */
export async function prepareRefresh(
  { emit }: ProviderSettings,
  { configuration, proofs, secret }: ProviderConfiguration,
  requireUsable: RequireUsable,
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
  return async (refresh_token, parameters) => {
    try {
      const tokens = await oidc.refreshTokenGrant(config, refresh_token, parameters, dpopOptions)
      requireUsable(tokens)
      const { id_token } = tokens
      const sub = tokens.claims()?.sub
      // The old refresh token is used up, so the new tokens are kept. Only the invalid ID Token is dropped.
      const accepted = id_token !== undefined && isIdToken(id_token)
      if (id_token !== undefined && !accepted) emit({ type: 'id_token_refused', claim: 'typ' })
      return { type: 'tokens', ...tokenMembers(tokens), ...(accepted && { id_token, ...(sub && { sub }) }) }
    } catch (error) {
      if (error instanceof ProviderError) return { type: 'error', status: 401, error: 'invalid_client', json: true }
      return answerFromError(error)
    }
  }
}
