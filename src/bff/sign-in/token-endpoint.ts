import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { Refusal } from '../errors.js'
import { json } from '../http/answers.js'
import { one, readForm, required } from '../http/form.js'
import { requestedToken, tokenParameters } from './requested-token.js'
import { redeemCode, tokenAnswer } from './sign-in.js'
import type { SignInContext } from './transaction.js'

const codeParameters = ['grant_type', 'code', 'state', 'iss', 'code_verifier']
const refreshParameters = ['grant_type', 'refused', 'sub', ...tokenParameters]

/** `POST /token`: an authorization code for a session, or a session for its access token. RFC 6749 answers. */
export async function postToken(request: PlainRequest, context: SignInContext): Promise<PlainResponse> {
  const form = await readForm(request, [...codeParameters, ...refreshParameters])
  const grant = required(form, 'grant_type')
  if (grant === 'authorization_code') return redeemCode(request, form, context)
  if (grant !== 'refresh_token') throw new Refusal('unsupported_grant_type')

  const { sessions, settings } = context
  const wanted = requestedToken(form, settings)
  const present = await sessions.read(request)
  if (!present.record) throw new Refusal('invalid_grant', { reason: present.reason, cookies: present.cookies })
  context.limits.signedIn(request)
  const sub = one(form, 'sub')
  // The page shows somebody else than who is signed in now: it must not act for this person.
  if (sub !== undefined && sub !== present.record.sub) throw new Refusal('invalid_grant', { reason: 'user_changed' })
  const outcome = await sessions.token(present, wanted)
  switch (outcome.type) {
    case 'token':
      return json(tokenAnswer(outcome.token, settings), await sessions.cookies(present))
    case 'ended':
      throw new Refusal('invalid_grant', { reason: outcome.reason, cookies: sessions.clear(request) })
    case 'refused':
      throw new Refusal(outcome.error, { description: outcome.description, cookies: await sessions.cookies(present) })
    case 'not_now':
      // No session cookie: an answer that failed must not undo what a later one has set.
      throw new Refusal(outcome.error, { retryAfter: outcome.retryAfter })
  }
}
