import type { BffContext } from '../context.js'
import { Refusal } from '../errors.js'
import type { Route } from '../routes.js'
import type { RequestedToken } from '../sessions/session-record.js'
import type { PresentSession } from '../sessions/sessions.js'

/** Seconds that a token must be good for. */
const MIN_VALIDITY = 30

/** The token of a session for the API behind a route. `refused` is the digest of one that the API did not take. @throws Refusal */
export async function apiToken(
  session: PresentSession,
  { resource, scope }: Route,
  { sessions }: BffContext,
  refused?: string,
): Promise<string> {
  const requested: RequestedToken = {
    resource: [...resource],
    scope,
    minValidity: MIN_VALIDITY,
    ...(refused && { refused }),
  }
  const outcome = await sessions.token(session, requested)
  if (outcome.type === 'token') return outcome.token.access_token
  if (outcome.type === 'ended') throw new Refusal('session_expired', { reason: outcome.reason })
  if (outcome.type === 'refused') throw new Refusal(outcome.error, { description: outcome.description })
  throw new Refusal(outcome.error, { retryAfter: outcome.retryAfter })
}

/** How a token is shown to an API: with a proof that it is ours, where it is bound to our key. */
export async function apiCredentials(
  { dpop }: BffContext,
  token: string,
  { method, url }: { method: string; url: string },
): Promise<Record<string, string>> {
  if (!dpop) return { authorization: `Bearer ${token}` }
  return { authorization: `DPoP ${token}`, dpop: await dpop.proof(method, url, token) }
}
