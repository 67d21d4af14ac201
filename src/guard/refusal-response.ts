import { formatChallenge } from '../protocol/http/challenge.js'
import type { Authenticator } from '../protocol/principal.js'
import { proofAlgs } from './proof-algs.js'
import type { Refusal } from './results.js'

/** One challenge per accepted scheme. @see RFC 9110 section 11.6.1 */
function challenges(
  accept: readonly Authenticator[],
  parameters: (scheme: string) => Record<string, string | undefined>,
): string[] {
  const schemes = new Map(
    accept.flatMap(({ challenge }) => (challenge ? [[challenge.scheme, challenge] as const] : [])),
  )
  return [...schemes.values()].map(({ scheme, parameters: own }) =>
    formatChallenge(scheme, { ...own, ...parameters(scheme) }),
  )
}

/**
 * The response to a refused request. Without credentials, the caller gets the accepted schemes and the required scopes, and no
 * error. With a refused credential, the caller gets the error code, never the reason.
 *
 * @see RFC 6750 section 3
 */
export function refusalResponse(
  refusal: Refusal,
  accept: readonly Authenticator[],
  authenticator?: Authenticator,
  more: Readonly<Record<string, string>> = {},
): Response {
  const { status, error, error_description, retryAfter } = refusal
  const response = new Response(JSON.stringify({ error, error_description }), {
    status,
    headers: { ...refusal.headers, 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  })
  if (retryAfter !== undefined) response.headers.set('Retry-After', `${Math.ceil(retryAfter)}`)
  if (status !== 401 && status !== 403 && status !== 400) return response
  // Every 401 has a challenge. If this kind of credential has none, the challenges of the others are sent, without the error.
  const noChallenge = status === 401 && authenticator !== undefined && !authenticator.challenge && !refusal.scheme
  const errorParameters =
    noChallenge || error === 'missing_credentials' ? {} : { error, error_description, ...refusal.challenge }
  const challenging = authenticator && !noChallenge ? [authenticator] : accept
  if (refusal.scheme) {
    // @see RFC 9449 section 7.1
    const algs = refusal.scheme === 'DPoP' ? { algs: proofAlgs.join(' ') } : {}
    response.headers.append(
      'WWW-Authenticate',
      formatChallenge(refusal.scheme, { ...errorParameters, ...algs, ...more }),
    )
  } else
    for (const challenge of challenges(challenging, () => ({ ...errorParameters, ...more })))
      response.headers.append('WWW-Authenticate', challenge)
  // If no accepted credential has a scheme, its method is the scheme: RFC 9110 section 15.5.2 requires one in every 401.
  if (status === 401 && !response.headers.has('WWW-Authenticate'))
    for (const { method } of accept) response.headers.append('WWW-Authenticate', formatChallenge(method, more))
  return response
}
