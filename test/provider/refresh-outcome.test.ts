import { describe, expect, it } from 'vitest'
import { type ProviderAnswer, type RefreshHistory, refreshOutcome } from '../../src/provider/refresh-outcome.js'

type Failure = Exclude<ProviderAnswer, { type: 'tokens' }>
const past: RefreshHistory = {
  outcomeUnknown: false,
  issuedHere: true,
  refusedBefore: false,
  unexpectedBefore: 0,
  tokenStillValid: false,
  additionalToken: false,
}
const error = (status: number, code?: string): Failure => ({
  type: 'error',
  status,
  detail: '',
  ...(code !== undefined && { error: code }),
})

describe('judging a provider that gave no tokens', () => {
  it.each([
    ['a connection refused', { type: 'unreachable', detail: '' } as Failure],
    ['a reset', { type: 'unknown', detail: '' } as Failure],
    ['408', error(408)],
    ['425', error(425)],
    ['429', error(429, 'slow_down')],
    ['500', error(500)],
    ['502 in HTML', error(502)],
    ['503 with an OAuth body', error(503, 'temporarily_unavailable')],
    ['a firewall’s 403', error(403)],
  ])('keeps the session through %s', (_name, answer) => {
    expect(refreshOutcome(answer, past)).toMatchObject({ type: 'unavailable', error: 'temporarily_unavailable' })
  })

  it.each([
    ['401', error(401, 'invalid_client')],
    ['400 invalid_client', error(400, 'invalid_client')],
    ['400 unauthorized_client', error(400, 'unauthorized_client')],
  ])('calls the operator on %s and keeps the session', (_name, answer) => {
    expect(refreshOutcome(answer, past)).toMatchObject({ type: 'unavailable', error: 'operator_error' })
  })

  it('ends the session as revoked on invalid_grant to a refresh token of its own', () => {
    expect(refreshOutcome(error(400, 'invalid_grant'), past)).toEqual({ type: 'ended', reason: 'revoked' })
  })

  it('ends it as lost when an earlier answer never came', () => {
    expect(refreshOutcome(error(400, 'invalid_grant'), { ...past, outcomeUnknown: true })).toEqual({
      type: 'ended',
      reason: 'refresh_lost',
    })
  })

  it('takes the first invalid_grant to a refresh token it did not get itself for a lost race, the second for the truth', () => {
    const foreign = { ...past, issuedHere: false }
    expect(refreshOutcome(error(400, 'invalid_grant'), foreign)).toMatchObject({
      type: 'unavailable',
      error: 'refresh_race',
    })
    expect(refreshOutcome(error(400, 'invalid_grant'), { ...foreign, refusedBefore: true })).toEqual({
      type: 'ended',
      reason: 'revoked',
    })
  })

  it('[B-36] keeps the session after a success whose access token cannot be used, and ends it for foreign tokens', () => {
    for (const additionalToken of [false, true]) {
      const history = { ...past, additionalToken, unexpectedBefore: 9 }
      const unusable = refreshOutcome({ type: 'unusable' }, history)
      expect(unusable).toMatchObject({ type: 'unavailable', error: 'operator_error' })
      expect(refreshOutcome({ type: 'foreign' }, history)).toEqual({ type: 'ended', reason: 'revoked' })
    }
  })

  it.each(['invalid_scope', 'invalid_target'] as const)('hands %s to the caller alone', (code) => {
    expect(refreshOutcome(error(400, code), past)).toEqual({ type: 'refused', error: code })
  })

  it.each(['interaction_required', 'consent_required', 'login_required', 'account_selection_required'])(
    '[B-34] hands %s for a further API to its caller, and ends nothing',
    (code) => {
      const additional = { ...past, additionalToken: true, unexpectedBefore: 9 }
      expect(refreshOutcome(error(400, code), additional)).toEqual({ type: 'refused', error: 'interaction_required' })
    },
  )

  it('[B-34] ends nothing by whatever else it says of a further API', () => {
    const additional = { ...past, additionalToken: true, unexpectedBefore: 9 }
    expect(refreshOutcome(error(400, 'access_denied'), additional)).toEqual({
      type: 'refused',
      error: 'invalid_target',
    })
    expect(refreshOutcome(error(400), additional)).toMatchObject({ type: 'unavailable' })
  })

  it('tries once more after any other 400, keeps the session while its token lives, and then ends it', () => {
    const odd = error(400)
    expect(refreshOutcome(odd, past)).toMatchObject({ type: 'unavailable' })
    expect(refreshOutcome(odd, { ...past, unexpectedBefore: 1, tokenStillValid: true })).toMatchObject({
      type: 'unavailable',
    })
    expect(refreshOutcome(odd, { ...past, unexpectedBefore: 1 })).toEqual({ type: 'ended', reason: 'refresh_rejected' })
  })
})
