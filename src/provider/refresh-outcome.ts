import type { SignedOutReason } from '../protocol/session.js'
import { type Failure, interactionErrors, isTemporary, refusesClient } from './failures/failure.js'

/** The result of a token request. */
export type ProviderAnswer =
  | {
      type: 'tokens'
      access_token: string
      refresh_token?: string
      /** There is a new refresh token, and it cannot be used: the one before may be used up. */
      lost?: true
      /** Seconds; absent if the provider does not say. */
      expires_in?: number
      /** Seconds until the refresh token can no longer be used; absent if the provider does not say. */
      refresh_expires_in?: number
      scope?: string
      /** The response has a `scope` that cannot be read. */
      scopeUnknown?: true
      id_token?: string
    }
  /** The ID Token says that the tokens are for another session. */
  | { type: 'foreign' }
  /** A success without an access token that can be used. The new refresh token can be, if there is one that is not `lost`. */
  | { type: 'unusable'; refresh_token?: string; lost?: true }
  | Failure

/** What happened to this session before. It decides what an error response means. */
export interface RefreshHistory {
  /** An earlier attempt with this refresh token had an unknown outcome. */
  outcomeUnknown: boolean
  /** This refresh token is surely the newest. With a sealed cookie, another process may have used it already. */
  issuedHere: boolean
  /** The provider answered `invalid_grant` to this refresh token before. */
  refusedBefore: boolean
  /** How many unexpected responses there were to this refresh token before. */
  unexpectedBefore: number
  /** The current access token has not expired. */
  tokenStillValid: boolean
  /** The request was not for the session's default token: an error is about that API and never ends the session. */
  additionalToken: boolean
}

export type RefreshOutcome =
  | {
      type: 'unavailable'
      error: 'temporarily_unavailable' | 'operator_error' | 'refresh_race'
      outcome: 'refused' | 'unavailable' | 'unknown'
      /** An error response that means nothing definite. A second one to this refresh token may end the session. */
      unexpected?: true
    }
  | { type: 'refused'; error: 'invalid_scope' | 'invalid_target' | 'interaction_required' }
  | { type: 'ended'; reason: SignedOutReason }

/**
 * Whether the provider is down for everybody. Any other error response, however unexpected, may concern one user only.
 */
export const isOutage = (answer: ProviderAnswer): boolean =>
  answer.type === 'unreachable' || answer.type === 'unknown' || (answer.type === 'error' && answer.status >= 500)

/**
 * Decides what a failed refresh means for the session. Neither an outage nor a mistake of the operator ends it. Only three things
 * do: `invalid_grant`, tokens that are for another session, or a second 400 to the same refresh token.
 *
 * @see RFC 6749 section 5.2
 */
export function refreshOutcome(
  answer: Exclude<ProviderAnswer, { type: 'tokens' }>,
  history: RefreshHistory,
): RefreshOutcome {
  const unavailable = (outcome: 'refused' | 'unavailable' | 'unknown', mistake = false): RefreshOutcome => ({
    type: 'unavailable',
    error: mistake ? 'operator_error' : 'temporarily_unavailable',
    outcome,
  })
  if (answer.type === 'unreachable') return unavailable('unavailable')
  if (answer.type === 'unknown') return unavailable('unknown')
  if (answer.type === 'unreadable') return unavailable(answer.status === 0 ? 'refused' : 'unknown', true)
  if (answer.type === 'foreign') return { type: 'ended', reason: 'revoked' }
  if (answer.type === 'unusable') return unavailable(answer.lost ? 'unknown' : 'refused', true)
  const { status, error } = answer
  // After 408 and 5xx, the refresh token may be used up: a gateway timed out, or the server failed. Otherwise the request was not processed.
  if (isTemporary(answer)) {
    const failed = status === 408 || (status >= 500 && status !== 503) || error === 'server_error'
    return unavailable(failed ? 'unknown' : 'unavailable')
  }
  if (history.additionalToken && interactionErrors.has(error)) return { type: 'refused', error: 'interaction_required' }
  if (refusesClient(answer)) return unavailable('refused', true)
  if (error === 'invalid_scope' || error === 'invalid_target') return { type: 'refused', error }
  if (error === 'invalid_grant') {
    if (history.outcomeUnknown) return { type: 'ended', reason: 'refresh_lost' }
    if (history.issuedHere || history.refusedBefore) return { type: 'ended', reason: 'revoked' }
    return { type: 'unavailable', error: 'refresh_race', outcome: 'refused' }
  }
  // A policy of the provider about this API.
  if (history.additionalToken && error !== undefined) return { type: 'refused', error: 'invalid_target' }
  // A wrong URL responds with any other status.
  const refusal = status === 400 || (status === 403 && error !== undefined)
  if (history.additionalToken || !refusal) return unavailable('refused', true)
  if (history.unexpectedBefore > 0 && !history.tokenStillValid) return { type: 'ended', reason: 'refresh_rejected' }
  return { type: 'unavailable', error: 'operator_error', outcome: 'refused', unexpected: true }
}
