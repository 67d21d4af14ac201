import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { Refusal } from '../errors.js'
import { json } from '../http/answers.js'
import { parameter, readForm, requiredParameter } from '../http/form.js'
import { requestedToken, tokenParameters } from './requested-token.js'
import { redeemCode, tokenAnswer } from './sign-in.js'
import type { SignInContext } from './transaction.js'

const codeParameters = ['grant_type', 'code', 'state', 'iss', 'code_verifier']
const refreshParameters = ['grant_type', 'refused', 'sub', ...tokenParameters]

/** `POST /token`: signs in with an authorization code, or refreshes the access token of a session. @see RFC 6749 section 5 */
export async function postToken(request: PlainRequest, context: SignInContext): Promise<PlainResponse> {
  const form = await readForm(request, [...codeParameters, ...refreshParameters])
  const grant = requiredParameter(form, 'grant_type')
  if (grant === 'authorization_code') return redeemCode(request, form, context)
  if (grant !== 'refresh_token') throw new Refusal('unsupported_grant_type')

  const { sessions, settings } = context
  const requested = requestedToken(form, settings)
  const session = await sessions.read(request)
  if (!session.record) throw new Refusal('invalid_grant', { reason: session.reason, cookies: session.cookies })
  context.limits.giveBack(request)
  const sub = parameter(form, 'sub')
  // The page shows another user than the one who is signed in: it must not get their token.
  if (sub !== undefined && sub !== session.record.sub) throw new Refusal('invalid_grant', { reason: 'user_changed' })
  const outcome = await sessions.token(session, requested)
  switch (outcome.type) {
    case 'token':
      return json(tokenAnswer(outcome.token, settings), await sessions.cookies(session))
    case 'ended':
      throw new Refusal('invalid_grant', {
        reason: outcome.reason,
        cookies: outcome.found ? [] : sessions.clear(request),
      })
    case 'refused':
      throw new Refusal(outcome.error, { description: outcome.description, cookies: await sessions.cookies(session) })
    case 'unavailable':
      // No session cookie without need: a failed response must not overwrite a newer cookie.
      throw new Refusal(outcome.error, {
        retryAfter: outcome.retryAfter,
        ...(outcome.stored && { cookies: await sessions.cookies(session) }),
      })
  }
}
