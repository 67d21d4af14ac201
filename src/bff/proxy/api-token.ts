import type { BffContext } from '../context.js'
import { Refusal } from '../errors.js'
import type { Route } from '../routes.js'
import type { RequestedToken } from '../sessions/session-record.js'
import type { PresentSession } from '../sessions/sessions.js'

/** Seconds for which a token must still be valid. */
const MIN_VALIDITY = 30

/** The access token for a route. `refused` is the digest of a token that the API has refused. @throws Refusal */
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
  // A refused token may have come with a new refresh token, which is in the cookie.
  const stored = outcome.type === 'refused' || outcome.stored
  const cookies = stored ? { cookies: await sessions.cookies(session) } : {}
  if (outcome.type === 'refused') throw new Refusal(outcome.error, { description: outcome.description, ...cookies })
  throw new Refusal(outcome.error, { retryAfter: outcome.retryAfter, ...cookies })
}

/** The request headers for a token: a bearer token, or a DPoP token with its proof. */
export async function apiCredentials(
  { dpop }: BffContext,
  token: string,
  { method, url }: { method: string; url: string },
): Promise<Record<string, string>> {
  if (!dpop) return { authorization: `Bearer ${token}` }
  return { authorization: `DPoP ${token}`, dpop: await dpop.proof(method, url, token) }
}
