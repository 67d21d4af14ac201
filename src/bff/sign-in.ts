import type { Answer, Asked } from '../protocol/answer.js'
import type { CodeAnswer } from '../protocol/session.js'
import type { EpochSeconds } from '../protocol/time.js'
import { json } from './answers.js'
import { Refusal } from './errors.js'
import { type Form, one, required } from './form.js'
import type { Settings } from './options.js'
import type { Parts } from './parts.js'
import type { Provider } from './provider.js'
import type { AccessToken } from './record.js'
import { UNSAID_LIFETIME } from './tokens.js'

/**
 * Redeems an authorization code that the page brings, checks the ID Token, makes a session under a new id, and answers
 * with the first access token and what the page may know of the person.
 *
 * @see OpenID Connect Core 1.0 section 3.1.3, RFC 9700 section 4.5
 */
export async function redeemCode(
  request: Asked,
  form: Form,
  { settings, provider, transactions, sessions }: Parts,
): Promise<Answer> {
  const code = required(form, 'code')
  const state = required(form, 'state')
  const code_verifier = required(form, 'code_verifier')
  const { transaction, cookies } = await transactions.take(request, state, code_verifier)
  try {
    const { redirect_uri, nonce, max_age, acr_values, resource } = transaction
    const iss = one(form, 'iss')
    const tokens = await provider.redeem({
      redirect_uri,
      code,
      state,
      iss,
      code_verifier,
      nonce,
      max_age,
      acr_values,
      resource,
    })
    const now = settings.now()
    const access: AccessToken = {
      access_token: tokens.access_token,
      scope: tokens.scope ?? transaction.scope,
      obtained: now,
      lifetime: tokens.expires_in ?? UNSAID_LIFETIME,
    }
    // A token for an API is none for UserInfo.
    const forUserinfo = resource.length ? undefined : tokens.access_token
    const claims = await visibleClaims(tokens.claims, forUserinfo, settings, provider)
    const { sub, sid } = tokens.claims
    const end = Math.min(now + settings.absoluteTimeout, endAtProvider(tokens.claims))
    const presence = await sessions.create(
      request,
      {
        iss: settings.issuer,
        sub,
        ...(typeof sid === 'string' && { sid }),
        claims,
        ...(tokens.refresh_token !== undefined && { refresh_token: tokens.refresh_token }),
        scope: access.scope,
        resource,
        created: now,
        // Nothing can renew it: the session ends with its token.
        expires: tokens.refresh_token === undefined ? Math.min(end, now + access.lifetime) : end,
      },
      { access, id_token: tokens.id_token },
    )
    const answer: CodeAnswer<unknown> = { ...tokenAnswer(access, now), user: claims, expires_at: presence.expiresAt }
    return json(answer, [...cookies, ...presence.cookies])
  } catch (error) {
    // The transaction is spent on success and on failure.
    if (error instanceof Refusal) throw new Refusal(error.code, { ...error.details, cookies })
    throw error
  }
}

/**
 * When the provider's own session ends, where it says so: no session of ours outlives it.
 *
 * @see OpenID Connect Enterprise Extensions 1.0, `session_expiry`
 */
function endAtProvider({ session_expiry }: Readonly<Record<string, unknown>>): EpochSeconds {
  return typeof session_expiry === 'number' ? session_expiry : Number.POSITIVE_INFINITY
}

/** A token as the page gets it: `expires_in` is what is left. */
export const tokenAnswer = ({ access_token, scope, obtained, lifetime }: AccessToken, now: number) => ({
  access_token,
  token_type: 'Bearer',
  expires_in: Math.max(0, Math.floor(lifetime - (now - obtained))),
  scope,
})

/**
 * The claims that the configuration lets through, from the ID Token; from UserInfo those that it lacks, where the
 * provider has one and the token is not for an API (RFC 8707). @throws Refusal `subject_mismatch`
 */
async function visibleClaims(
  idToken: Readonly<Record<string, unknown>> & { sub: string },
  access_token: string | undefined,
  settings: Settings,
  provider: Provider,
): Promise<Record<string, unknown>> {
  const lacking = settings.claims.some((claim) => idToken[claim] === undefined)
  const userinfo =
    lacking && access_token !== undefined ? await provider.userinfo(access_token, idToken.sub) : undefined
  const visible: Record<string, unknown> = { sub: idToken.sub }
  for (const claim of settings.claims) {
    const value = idToken[claim] ?? userinfo?.[claim]
    if (value !== undefined) visible[claim] = value
  }
  return visible
}
