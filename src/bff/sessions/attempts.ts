import { randomId } from '../../crypto/hash.js'
import type { EpochSeconds } from '../../protocol/time.js'
import type { RefreshOutcome } from '../../provider/refresh-outcome.js'
import type { SessionRecord } from './session-record.js'
import type { RefreshAttempt } from './session-storage.js'

/** The attempt that follows `previous` at the same generation. */
export function nextAttempt(
  { generation, refresh_token_spent }: SessionRecord,
  previous: RefreshAttempt | undefined,
): RefreshAttempt {
  return {
    id: randomId(),
    generation,
    running: true,
    // An attempt that is still running belongs to a process that has died.
    unknown: refresh_token_spent === true || (previous !== undefined && (previous.unknown || previous.running)),
    refused: previous?.refused ?? false,
    odd: previous?.odd ?? 0,
    failures: previous?.failures ?? 0,
    notBefore: previous?.notBefore ?? 0,
    about: previous?.about,
    mistake: previous?.mistake,
  }
}

interface FailedAttempt {
  result: RefreshOutcome & { type: 'unavailable' }
  /** The token that the refresh was for. */
  key: string
  /** The provider is down for all tokens of the session. */
  outage: boolean
  /** Seconds. */
  retryAfter: number
  now: EpochSeconds
}

/** What later attempts need to know of one that has failed. */
export function failedAttempt(
  attempt: RefreshAttempt,
  { result, key, outage, retryAfter, now }: FailedAttempt,
): RefreshAttempt {
  const race = result.error === 'refresh_race'
  // Another token of this session has to wait as well: from now on all of them do.
  const allWait = attempt.about !== undefined && attempt.about !== key && attempt.notBefore > now
  return {
    ...attempt,
    running: false,
    unknown: attempt.unknown || result.outcome === 'unknown',
    refused: attempt.refused || race,
    odd: attempt.odd + (result.unexpected ? 1 : 0),
    failures: (attempt.failures ?? 0) + 1,
    notBefore: race ? 0 : Math.max(now + retryAfter, allWait ? attempt.notBefore : 0),
    about: outage || allWait ? undefined : key,
    mistake: result.error === 'operator_error' || undefined,
  }
}
