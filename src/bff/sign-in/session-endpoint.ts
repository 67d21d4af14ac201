import type { MaybePromise } from '../../crypto/primitives.js'
import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import type { Mode, SessionResponse, SignedOutReason } from '../../protocol/session.js'
import type { BffContext } from '../context.js'
import { json } from '../http/answers.js'
import { readForm } from '../http/form.js'
import type { RequestedToken } from '../sessions/session-record.js'
import type { PresentSession, Sessions } from '../sessions/sessions.js'
import { userDigest } from '../sessions/signed-in-user.js'
import type { Settings } from '../settings.js'
import { requestedToken, tokenParameters } from './requested-token.js'
import { secondsUntil, tokenAnswer } from './sign-in.js'

/** `POST /session`: the session, and its first token in token-mediating mode. `GET /session`: the session only. */
export async function answerSession(request: PlainRequest, { sessions, settings }: BffContext): Promise<PlainResponse> {
  const { mode } = settings
  const asksForToken = request.method === 'POST' && mode !== 'proxy'
  const requested = asksForToken ? requestedToken(await readForm(request, tokenParameters), settings) : undefined
  // A URL without a query is not parsed, because this is the most frequent request.
  const touch = !request.url.includes('?') || new URL(request.url).searchParams.get('touch') !== 'false'
  const session = await sessions.read(request, touch)
  if (!session.record) return json(signedOutAnswer(session.reason, mode), session.cookies)
  if (!requested) return json(await signedInAnswer(session, settings), await sessions.cookies(session))
  return withToken(request, session, requested, sessions, settings)
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
