import { SallyportError } from '../../protocol/error.js'
import { parseChallenges } from '../../protocol/http/challenge.js'
import { type StepUpErrorCode, stepUpErrors } from '../step-up-errors.js'
import type { FetchOptions, LoginOptions } from '../types.js'
import type { CallContext } from './context.js'

const stepUpError = (code: StepUpErrorCode, cause?: unknown) => new SallyportError(code, stepUpErrors[code], { cause })

/** The sign-in that an API requires; `undefined`: its answer requires none. @see RFC 9470 section 3 */
function requestedLogin({ status, headers }: Response): LoginOptions | undefined {
  const challenge = parseChallenges((status === 401 && headers.get('www-authenticate')) || '').find(
    ({ parameters }) => parameters['error'] === 'insufficient_user_authentication',
  )
  if (!challenge) return undefined
  const { acr_values, max_age = '' } = challenge.parameters
  return { ...(acr_values && { acr_values }), ...(/^\d{1,9}$/.test(max_age) && { max_age: Number(max_age) }) }
}

const popups = { popup: true, 'popup-or-redirect': 'or-redirect', redirect: false } as const

/**
 * Signs in as the API requires and sends the request again, once. `undefined`: the API requires no other sign-in. The
 * backend verifies that the sign-in meets the requirements (`acr`, `auth_time`).
 *
 * @throws SallyportError `step_up_started`, `step_up_failed`, and what `login()` throws; `popup_blocked` has a `retry`
 */
export async function stepUp(
  response: Response,
  { stepUp: how = 'never' }: FetchOptions = {},
  login: CallContext['login'],
  retry: () => Promise<Response>,
): Promise<Response | undefined> {
  const requested = requestedLogin(response)
  if (!requested || how === 'never') return requested && response
  if (!Object.hasOwn(popups, how)) throw new TypeError(`auth.fetch: "stepUp" is one of ${Object.keys(popups)}, never`)
  const popup = popups[how]
  await response.body?.cancel()

  let sent = false
  async function signInAndRetry(): Promise<Response> {
    // The first to settle counts. A login that leaves the page never resolves; one that fails does not leave.
    const signedIn = await new Promise<boolean>((resolve, reject) => {
      login({ ...requested, popup }, () => setTimeout(resolve, 0, false)).then(() => resolve(true), reject)
    })
    if (!signedIn) throw stepUpError('step_up_started')
    sent = true
    const answer = await retry()
    if (requestedLogin(answer)) throw stepUpError('step_up_failed', requested)
    return answer
  }

  let underWay: Promise<Response> | undefined
  /** `error.retry` of a blocked popup: the next click may try again. Once at a time, and never after the request was sent. */
  const attempt = (): Promise<Response> => {
    underWay ??= signInAndRetry().catch((error) => {
      if (!sent) underWay = undefined
      throw error.code === 'popup_blocked' ? Object.defineProperty(error, 'retry', { value: attempt }) : error
    })
    return underWay
  }
  return attempt()
}
