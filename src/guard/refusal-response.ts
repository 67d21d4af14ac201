import { formatChallenge } from '../protocol/http/challenge.js'
import type { Authenticator } from '../protocol/principal.js'
import type { Refusal } from './results.js'

/** One challenge per scheme that is accepted here. @see RFC 9110 section 11.6.1 */
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
 * The answer to a refused request, ready to send. A caller without credentials is told what is accepted and needed, and no
 * error; one whose credential was refused is told the code, never the reason.
 *
 * @see RFC 6750 section 3
 */
export function refusalResponse(
  refused: Refusal,
  accept: readonly Authenticator[],
  authenticator?: Authenticator,
  more: Readonly<Record<string, string>> = {},
): Response {
  const { status, error, error_description, retryAfter } = refused
  const response = new Response(JSON.stringify({ error, error_description }), {
    status,
    headers: { ...refused.headers, 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  })
  if (retryAfter !== undefined) response.headers.set('Retry-After', `${Math.ceil(retryAfter)}`)
  if (status !== 401 && status !== 403 && status !== 400) return response
  // Every 401 has a challenge: where this kind of credential has none, those of the others, which say nothing of it.
  const mute = status === 401 && authenticator !== undefined && !authenticator.challenge && !refused.scheme
  const said = mute || error === 'missing_credentials' ? {} : { error, error_description, ...refused.challenge }
  const concerned = authenticator && !mute ? [authenticator] : accept
  if (refused.scheme) response.headers.append('WWW-Authenticate', formatChallenge(refused.scheme, { ...said, ...more }))
  else
    for (const challenge of challenges(concerned, () => ({ ...said, ...more })))
      response.headers.append('WWW-Authenticate', challenge)
  // Where nothing that is accepted here has a scheme, its own name: RFC 9110 section 15.5.2 wants one in every 401.
  if (status === 401 && !response.headers.has('WWW-Authenticate'))
    for (const { method } of accept) response.headers.append('WWW-Authenticate', formatChallenge(method, more))
  return response
}
