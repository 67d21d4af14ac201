import type { SignedOutReason } from '../protocol/session.js'

/** The result of a token request. */
export type ProviderAnswer =
  | {
      type: 'tokens'
      access_token: string
      refresh_token?: string
      /** Seconds; absent if the provider does not say. */
      expires_in?: number
      scope?: string
      /** The response has a `scope` that cannot be read. */
      scopeUnknown?: true
      id_token?: string
    }
  /** The ID Token says that the tokens are for another session. */
  | { type: 'foreign' }
  /** A success without an access token that can be used. The new refresh token can be, if there is one. */
  | { type: 'unusable'; refresh_token: string | undefined }
  /** An error response. `json` is `false` for a page of a gateway or firewall. */
  | { type: 'error'; status: number; error?: string; json: boolean; retryAfter?: number }
  /** The provider did not get the request: connection refused, host not found. */
  | { type: 'unreachable' }
  /** The provider may have used up the refresh token: connection reset, timeout, or an unreadable response (`answered`). */
  | { type: 'unknown'; answered?: true }

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

type RefreshOutcome =
  | {
      type: 'unavailable'
      error: 'temporarily_unavailable' | 'operator_error' | 'refresh_race'
      outcome: 'refused' | 'unavailable' | 'unknown'
    }
  | { type: 'refused'; error: 'invalid_scope' | 'invalid_target' | 'interaction_required' }
  | { type: 'ended'; reason: SignedOutReason }

/** Errors that mean: the user must interact with the provider. @see OpenID Connect Core 1.0 section 3.1.2.6 */
export const interactionErrors: ReadonlySet<unknown> = new Set([
  'interaction_required',
  'consent_required',
  'login_required',
  'account_selection_required',
])

/**
 * Whether the provider is down for everybody. Any other error response, however unexpected, may concern one user only.
 */
export const isOutage = (answer: ProviderAnswer): boolean =>
  answer.type === 'unreachable' ||
  (answer.type === 'unknown' && !answer.answered) ||
  (answer.type === 'error' && answer.status >= 500)

/**
 * Decides what a failed refresh means for the session. An outage never ends it. Only three things do: `invalid_grant`, tokens
 * that are for another session, or a second unexpected response to the same refresh token.
 *
 * @see RFC 6749 section 5.2
 */
export function refreshOutcome(
  answer: Exclude<ProviderAnswer, { type: 'tokens' }>,
  history: RefreshHistory,
): RefreshOutcome {
  const unavailable = (outcome: 'unavailable' | 'unknown'): RefreshOutcome => ({
    type: 'unavailable',
    error: 'temporarily_unavailable',
    outcome,
  })
  if (answer.type === 'unreachable') return unavailable('unavailable')
  if (answer.type === 'unknown') return unavailable('unknown')
  if (answer.type === 'foreign') return { type: 'ended', reason: 'revoked' }
  if (answer.type === 'unusable') return { type: 'unavailable', error: 'operator_error', outcome: 'refused' }
  const { status, error, json } = answer
  // "Try later", or the page of a firewall: the request was not processed.
  if (status === 425 || status === 429 || status === 503 || (status === 403 && !json)) return unavailable('unavailable')
  // A gateway timed out, or the server failed: the refresh token may be used up.
  if (status === 408 || status >= 500) return unavailable('unknown')
  if (history.additionalToken && interactionErrors.has(error)) return { type: 'refused', error: 'interaction_required' }
  if (status === 401 || error === 'invalid_client' || error === 'unauthorized_client')
    return { type: 'unavailable', error: 'operator_error', outcome: 'refused' }
  if (error === 'invalid_scope' || error === 'invalid_target') return { type: 'refused', error }
  if (error === 'invalid_grant') {
    if (history.outcomeUnknown) return { type: 'ended', reason: 'refresh_lost' }
    if (history.issuedHere || history.refusedBefore) return { type: 'ended', reason: 'revoked' }
    return { type: 'unavailable', error: 'refresh_race', outcome: 'refused' }
  }
  // A policy of the provider about this API.
  if (history.additionalToken && json && error !== undefined) return { type: 'refused', error: 'invalid_target' }
  if (history.additionalToken || history.unexpectedBefore === 0 || history.tokenStillValid)
    return { type: 'unavailable', error: 'temporarily_unavailable', outcome: 'refused' }
  return { type: 'ended', reason: 'refresh_rejected' }
}
