import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import { isIdToken } from './id-token.js'
import { answerOf } from './openid-client-errors.js'
import type { ProviderAnswer } from './refresh-outcome.js'
import type { ProviderSettings } from './settings.js'
import { picked, type RequireUsable } from './token-response.js'

/** Spends a refresh token. Never rejects: whatever comes of it is an answer. */
export type SpendRefreshToken = (refresh_token: string, parameters: URLSearchParams) => Promise<ProviderAnswer>

/**
 * Gets ready to spend a refresh token: metadata and client secret are at hand when the returned function is called,
 * so that it asks at once. `undefined`: temporarily unavailable.
 */
export async function prepareRefresh(
  { emit }: ProviderSettings,
  { configuration, proofs, secret }: ProviderConfiguration,
  requireUsable: RequireUsable,
): Promise<SpendRefreshToken | undefined> {
  let config: oidc.Configuration
  let handle: oidc.DPoPOptions
  try {
    config = await configuration()
    handle = await proofs(config)
    await secret()
  } catch {
    return undefined
  }
  return async (refresh_token, parameters) => {
    try {
      const tokens = await oidc.refreshTokenGrant(config, refresh_token, parameters, handle)
      requireUsable(tokens)
      const { id_token } = tokens
      const sub = tokens.claims()?.sub
      // The tokens are spent already: they are kept, and what came beside them is no ID Token.
      const judged = id_token !== undefined && isIdToken(id_token)
      if (id_token !== undefined && !judged) emit({ type: 'id_token_refused', claim: 'typ' })
      return { type: 'tokens', ...picked(tokens), ...(judged && { id_token, ...(sub && { sub }) }) }
    } catch (error) {
      if (error instanceof ProviderError) return { type: 'error', status: 401, error: 'invalid_client', json: true }
      return answerOf(error)
    }
  }
}
