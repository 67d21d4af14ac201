import type { SignedOutReason } from '../protocol/session.js'

/** What came of a refresh at the provider, without judgement. */
export type ProviderAnswer =
  | {
      type: 'tokens'
      access_token: string
      refresh_token?: string
      /** Seconds; absent where the provider does not say. */
      expires_in?: number
      scope?: string
      id_token?: string
      /** Of the ID Token, where one came. */
      sub?: string
    }
  /** The provider spoke. `json` tells an OAuth answer from a page of something in between. */
  | { type: 'error'; status: number; error?: string; json: boolean; retryAfter?: number }
  /** It certainly did not get the request: connection refused, no such host. */
  | { type: 'unreachable' }
  /** It may have got it, and spent the refresh token: reset, timeout, or an answer that cannot be read (`answered`). */
  | { type: 'unknown'; answered?: true }

/** What the session's past adds to an error answer. */
export interface RefreshPast {
  /** An earlier attempt with this refresh token had an unknown outcome. */
  unknown: boolean
  /** This process got this refresh token itself; another one may otherwise have spent it since the cookie was made. */
  ours: boolean
  /** `invalid_grant` was answered before to this same refresh token, and the browser came back with it. */
  refusedBefore: boolean
  /** Answers of this kind before, to this same refresh token. */
  oddBefore: number
  /** An access token of this session is still good. */
  stillGood: boolean
  /** What was asked for is not the session's own token: the answer is about that API, and never ends the session. */
  further: boolean
}

export type RefreshOutcome =
  | {
      type: 'not_now'
      error: 'temporarily_unavailable' | 'operator_error' | 'refresh_race'
      outcome: 'refused' | 'not_now' | 'unknown'
    }
  | { type: 'refused'; error: 'invalid_scope' | 'invalid_target' | 'interaction_required' }
  | { type: 'ended'; reason: SignedOutReason }

/** What a provider says that wants to see the person first. @see OpenID Connect Core 1.0 section 3.1.2.6 */
export const wantsThePerson: ReadonlySet<unknown> = new Set([
  'interaction_required',
  'consent_required',
  'login_required',
  'account_selection_required',
])

/**
 * Whether an answer says that the provider itself is out of order, whoever asked. What it answers to one person, however
 * odd, is about that person's question.
 */
export const isOutage = (answer: ProviderAnswer): boolean =>
  answer.type === 'unreachable' ||
  (answer.type === 'unknown' && !answer.answered) ||
  (answer.type === 'error' && answer.status >= 500)

/**
 * Judges an answer that brought no tokens. An outage is never a sign-out: only the provider's own `invalid_grant` ends a
 * session, or, after a second try, an answer to this refresh token that is no answer of OAuth's.
 *
 * @see RFC 6749 section 5.2
 */
export function refreshOutcome(answer: Exclude<ProviderAnswer, { type: 'tokens' }>, past: RefreshPast): RefreshOutcome {
  const notNow = (outcome: 'not_now' | 'unknown'): RefreshOutcome => ({
    type: 'not_now',
    error: 'temporarily_unavailable',
    outcome,
  })
  if (answer.type === 'unreachable') return notNow('not_now')
  if (answer.type === 'unknown') return notNow('unknown')
  const { status, error, json } = answer
  // "Later", or somebody in the way (a firewall's page): it has not been processed.
  if (status === 425 || status === 429 || status === 503 || (status === 403 && !json)) return notNow('not_now')
  // A gateway that gave up, a server that broke: how far it had got is not known.
  if (status === 408 || status >= 500) return notNow('unknown')
  if (past.further && wantsThePerson.has(error)) return { type: 'refused', error: 'interaction_required' }
  if (status === 401 || error === 'invalid_client' || error === 'unauthorized_client')
    return { type: 'not_now', error: 'operator_error', outcome: 'refused' }
  if (error === 'invalid_scope' || error === 'invalid_target') return { type: 'refused', error }
  if (error === 'invalid_grant') {
    if (past.unknown) return { type: 'ended', reason: 'refresh_lost' }
    if (past.ours || past.refusedBefore) return { type: 'ended', reason: 'revoked' }
    return { type: 'not_now', error: 'refresh_race', outcome: 'refused' }
  }
  // A policy about one API, said in whatever words.
  if (past.further && json && error !== undefined) return { type: 'refused', error: 'invalid_target' }
  if (past.further || past.oddBefore === 0 || past.stillGood)
    return { type: 'not_now', error: 'temporarily_unavailable', outcome: 'refused' }
  return { type: 'ended', reason: 'refresh_rejected' }
}
