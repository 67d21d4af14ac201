import type { MaybePromise } from '../../crypto/primitives.js'
import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import type { Mode, SessionResponse, SignedOutReason } from '../../protocol/session.js'
import { withTimeout } from '../../protocol/timeout.js'
import type { BffContext } from '../context.js'
import { json } from '../http/answers.js'
import { readForm } from '../http/form.js'
import type { RequestedToken } from '../sessions/session-record.js'
import type { NoSession, PresentSession, Sessions } from '../sessions/sessions.js'
import { userDigest } from '../sessions/signed-in-user.js'
import type { Settings } from '../settings.js'
import { requestedToken, tokenParameters } from './requested-token.js'
import { secondsUntil, tokenAnswer } from './sign-in.js'

/** Seconds that a page load waits for the provider, if it needs no token. */
const KEEP_TIMEOUT = 3

/** `POST /session`: the session, and its first token in token-mediating mode. `GET /session`: the session only. */
export async function answerSession(request: PlainRequest, { sessions, settings }: BffContext): Promise<PlainResponse> {
  const { mode } = settings
  const asksForToken = request.method === 'POST' && mode !== 'proxy'
  const requested = asksForToken ? requestedToken(await readForm(request, tokenParameters), settings) : undefined
  // A URL without a query is not parsed, because this is the most frequent request.
  const touch = !request.url.includes('?') || new URL(request.url).searchParams.get('touch') !== 'false'
  const session = await sessions.read(request, touch)
  if (!session.record) return json(signedOutAnswer(session.reason, mode), session.cookies)
  if (!requested) {
    const kept = request.method === 'POST' && touch ? await keepAtProvider(request, session, sessions) : session
    if (!kept.record) return json(signedOutAnswer(kept.reason, mode), kept.cookies)
    return json(await signedInAnswer(kept, settings), await sessions.cookies(kept))
  }
  return withToken(request, session, requested, sessions, settings)
}

/**
 * In proxy mode, a page load and `auth.extend()` request no token. If the provider ends the session unless its tokens are renewed in
 * time, they are renewed now, at most once in half the lifetime of an access token. A provider that is down changes nothing.
 */
async function keepAtProvider(
  request: PlainRequest,
  session: PresentSession,
  sessions: Sessions,
): Promise<PresentSession | NoSession> {
  if (session.record.refresh_expiry === undefined) return session
  const renewal = sessions
    .token(session, { resource: [], scope: '', minValidity: Number.POSITIVE_INFINITY })
    .catch(() => undefined)
  const outcome = await withTimeout(renewal, KEEP_TIMEOUT, undefined)
  return outcome?.type === 'token' || outcome?.type === 'ended' ? sessions.read(request, false) : session
}

async function withToken(
  request: PlainRequest,
  session: PresentSession,
  requested: RequestedToken,
  sessions: Sessions,
  settings: Settings,
): Promise<PlainResponse> {
  const { mode } = settings
  const outcome = await sessions.token(session, requested)
  if (outcome.type === 'ended')
    return json(signedOutAnswer(outcome.reason, mode), outcome.found ? [] : sessions.clear(request))
  const cookies = await sessions.cookies(session)
  if (outcome.type === 'token')
    return json({ ...(await signedInAnswer(session, settings)), token: tokenAnswer(outcome.token, settings) }, cookies)
  // The user is still signed in. The page tries again when it needs a token.
  const retry_after = outcome.type === 'unavailable' ? Math.ceil(outcome.retryAfter) : undefined
  return json(
    { ...(await signedInAnswer(session, settings)), token_error: { error: outcome.error, retry_after } },
    cookies,
  )
}

export const signedOutAnswer = (reason: SignedOutReason, mode: Mode): SessionResponse<unknown> => ({
  mode,
  user: null,
  expires_at: null,
  reason,
})

type SignedIn = SessionResponse<Readonly<Record<string, unknown>>>

/** Synchronous if the digest of the user is cached, since every page load needs it. */
export function signedInAnswer(
  { record, expiresAt }: PresentSession,
  { mode, now }: Pick<Settings, 'mode' | 'now'>,
): MaybePromise<SignedIn> {
  const answer = (user_digest: string): SignedIn => ({
    mode,
    user: record.claims,
    user_digest,
    expires_at: expiresAt,
    expires_in: secondsUntil(expiresAt, now()),
  })
  const digest = userDigest(record)
  return typeof digest === 'string' ? answer(digest) : digest.then(answer)
}
