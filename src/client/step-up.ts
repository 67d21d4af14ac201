import { parseChallenges } from '../protocol/challenge.js'
import { SallyportError } from '../protocol/error.js'
import type { FetchPorts } from './fetch-ports.js'
import type { FetchOptions, LoginOptions } from './types.js'

/** What can come of a step-up besides its answer, code → message. */
export const stepUpErrors = {
  step_up_started: 'The page leaves to sign in as this API wants. Make the request again after that.',
  step_up_failed: 'The API wants yet another sign-in after this one. See cause for what it demanded.',
} as const

export type StepUpErrorCode = keyof typeof stepUpErrors

const stepUpError = (code: StepUpErrorCode, cause?: unknown) => new SallyportError(code, stepUpErrors[code], { cause })

/** What an API wants of the sign-in; `undefined` where it wants something else. @see RFC 9470 section 3 */
function wantedBy({ status, headers }: Response): LoginOptions | undefined {
  const challenge = parseChallenges((status === 401 && headers.get('www-authenticate')) || '').find(
    ({ parameters }) => parameters['error'] === 'insufficient_user_authentication',
  )
  if (!challenge) return undefined
  const { acr_values, max_age = '' } = challenge.parameters
  return { ...(acr_values && { acr_values }), ...(/^\d{1,9}$/.test(max_age) && { max_age: Number(max_age) }) }
}

/**
 * Signs in as the API demands, and asks it again, once. `undefined`: it demands nothing of the kind. That the sign-in is
 * what was demanded is verified by the backend, `acr` and `auth_time` included.
 *
 * @throws SallyportError `step_up_started`, `step_up_failed`, and what `login()` throws
 */
export async function stepUp(
  response: Response,
  { stepUp: how = 'never' }: FetchOptions = {},
  login: FetchPorts['login'],
  again: () => Promise<Response>,
): Promise<Response | undefined> {
  const wanted = wantedBy(response)
  if (!wanted || how === 'never') return wanted && response
  await response.body?.cancel()
  if (how === 'redirect') {
    // Settled by whichever is first: a failure comes instead of leaving.
    await new Promise<void>((begun, failed) => {
      login(wanted, () => setTimeout(begun)).catch(failed)
    })
    throw stepUpError('step_up_started')
  }
  await login({ ...wanted, popup: true })
  const answer = await again()
  if (wantedBy(answer)) throw stepUpError('step_up_failed', wanted)
  return answer
}
