import type { SessionAnswer } from '../protocol/session.js'
import { json } from './answers.js'
import { Refusal } from './errors.js'
import { one, readForm, required } from './form.js'
import type { Settings } from './options.js'
import type { Provider } from './provider.js'
import type { Presence, Sessions, Wanted } from './sessions.js'
import { redeemCode, tokenAnswer } from './sign-in.js'
import type { Transactions } from './transaction.js'
import { wantedToken } from './wanted.js'

/** What the endpoints work with. */
export interface Parts {
  settings: Settings
  provider: Provider
  transactions: Transactions
  sessions: Sessions
}

const codeParameters = ['grant_type', 'code', 'state', 'iss', 'code_verifier']
const wantedParameters = ['min_validity', 'resource', 'scope']
const refreshParameters = ['grant_type', 'refused', 'sub', ...wantedParameters]

/** `POST /token`: an authorization code for a session, or a session for its access token. RFC 6749 answers. */
export async function postToken(request: Request, parts: Parts): Promise<Response> {
  const form = await readForm(request, [...codeParameters, ...refreshParameters])
  const grant = required(form, 'grant_type')
  if (grant === 'authorization_code') return redeemCode(request, form, parts)
  if (grant !== 'refresh_token') throw new Refusal('unsupported_grant_type')

  const { sessions, settings } = parts
  const wanted = wantedToken(form, settings)
  const present = await sessions.read(request)
  if (!present.record) throw new Refusal('invalid_grant', { reason: present.reason, cookies: present.cookies })
  const sub = one(form, 'sub')
  // The page shows somebody else than who is signed in now: it must not act for this person.
  if (sub !== undefined && sub !== present.record.sub) throw new Refusal('invalid_grant', { reason: 'user_changed' })
  const outcome = await sessions.token(present, wanted)
  switch (outcome.type) {
    case 'token':
      return json(tokenAnswer(outcome.token, settings.now()), await sessions.cookies(present))
    case 'ended':
      throw new Refusal('invalid_grant', { reason: outcome.reason, cookies: sessions.clear(request) })
    case 'refused':
      throw new Refusal(outcome.error, { cookies: await sessions.cookies(present) })
    case 'not_now':
      // No session cookie: an answer that failed must not undo what a later one has set.
      throw new Refusal(outcome.error, { retryAfter: outcome.retryAfter })
  }
}

/** `POST /session`: who is here, with the first token; and `GET /session`, without. */
export async function answerSession(request: Request, { sessions, settings }: Parts): Promise<Response> {
  const asksForToken = request.method === 'POST'
  const wanted = asksForToken ? wantedToken(await readForm(request, wantedParameters), settings) : undefined
  const touch = new URL(request.url).searchParams.get('touch') !== 'false'
  const present = await sessions.read(request, touch)
  if (!present.record) return json(nobody(present.reason), present.cookies)
  if (!wanted) return json(somebody(present), await sessions.cookies(present))
  return withToken(request, present, wanted, sessions, settings)
}

async function withToken(
  request: Request,
  present: Presence,
  wanted: Wanted,
  sessions: Sessions,
  settings: Settings,
): Promise<Response> {
  const outcome = await sessions.token(present, wanted)
  if (outcome.type === 'ended') return json(nobody(outcome.reason), sessions.clear(request))
  const cookies = await sessions.cookies(present)
  if (outcome.type === 'token')
    return json({ ...somebody(present), token: tokenAnswer(outcome.token, settings.now()) }, cookies)
  // The person is signed in all the same; the page asks again when it needs a token.
  const retry_after = outcome.type === 'not_now' ? Math.ceil(outcome.retryAfter) : undefined
  return json({ ...somebody(present), token_error: { error: outcome.error, retry_after } }, cookies)
}

const mode = 'token-mediating'

export const nobody = (reason: Extract<SessionAnswer, { user: null }>['reason']): SessionAnswer<unknown> => ({
  mode,
  user: null,
  expires_at: null,
  reason,
})

export const somebody = ({ record, expiresAt }: Presence): SessionAnswer<Readonly<Record<string, unknown>>> => ({
  mode,
  user: record.claims,
  expires_at: expiresAt,
})
