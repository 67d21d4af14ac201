import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'
import { calculateCodeChallenge, isCodeVerifier } from '../../protocol/pkce.js'
import type { SignInResponse } from '../../protocol/session.js'
import type { EpochSeconds } from '../../protocol/time.js'
import { callWithTimeout, isTimeoutError } from '../../protocol/timeout.js'
import type { BffContext } from '../context.js'
import { Refusal } from '../errors.js'
import { json } from '../http/answers.js'
import { type Form, parameter, requiredParameter } from '../http/form.js'
import type { SignedInUser } from '../options.js'
import { refusalOf } from '../provider-refusals.js'
import type { Provider } from '../providers.js'
import type { AccessToken } from '../sessions/session-record.js'
import type { PresentSession } from '../sessions/sessions.js'
import { userDigest } from '../sessions/signed-in-user.js'
import { type Clocks, DEFAULT_LIFETIME, justObtained, refreshExpiry, secondsLeft } from '../sessions/tokens.js'
import type { Settings } from '../settings.js'
import { isStepUp, type SignInContext, type Transaction } from './transaction.js'

/**
 * `POST /token` with a code: redeems it, and responds with the first access token and the visible claims.
 *
 * @see OpenID Connect Core 1.0 section 3.1.3, RFC 9700 section 4.5
 */
export async function redeemCode(request: PlainRequest, form: Form, context: SignInContext): Promise<PlainResponse> {
  const code = requiredParameter(form, 'code')
  const state = requiredParameter(form, 'state')
  const code_verifier = requiredParameter(form, 'code_verifier')
  const { transaction, cookies } = await context.transactions.take(request, state)
  return expiringCookies(cookies, async () => {
    if (!isCodeVerifier(code_verifier) || (await calculateCodeChallenge(code_verifier)) !== transaction.code_challenge)
      throw new Refusal('invalid_grant', { description: 'The code_verifier does not match the code_challenge.' })
    const response = { code, state, iss: parameter(form, 'iss'), code_verifier }
    const { session, access } = await signIn(request, transaction, response, context)
    const answer: SignInResponse<unknown> = {
      ...tokenAnswer(access, context.settings),
      user: session.record.claims,
      user_digest: await userDigest(session.record),
      expires_at: session.expiresAt,
      session_expires_in: secondsUntil(session.expiresAt, context.settings.now()),
    }
    return json(answer, [...cookies, ...session.cookies])
  })
}

/** A transaction can be used once: on failure, its cookie is deleted as well. */
export async function expiringCookies(
  cookies: readonly string[],
  work: () => Promise<PlainResponse>,
): Promise<PlainResponse> {
  try {
    return await work()
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal) throw new Refusal(refusal.code, { ...refusal.details, cookies })
    throw error
  }
}

/** The authorization response, and the code verifier. */
interface CodeResponse {
  code: string
  state: string
  iss: string | undefined
  code_verifier: string
}

/**
 * Redeems a code, validates the ID Token, and makes a session with a new id. `unverified`: the other parameters of the authorization
 * response.
 *
 * @throws Refusal
 */
export async function signIn(
  request: PlainRequest,
  transaction: Transaction,
  response: CodeResponse,
  { providers, sessions, replaced, refreshTokens }: BffContext,
  unverified: Readonly<Record<string, string>> = {},
): Promise<{ session: PresentSession; access: AccessToken }> {
  const { issuer, redirect_uri, nonce, max_age, acr_values, resource, scope, began, own } = transaction
  const provider = providers.byIssuer(issuer)
  if (!provider) throw new Refusal('issuer_mismatch')
  const { settings } = provider
  const tokens = await provider.redeem({ ...response, redirect_uri, nonce, max_age, acr_values, resource })
  const now = settings.now()
  const { iss, sub, sid, acr, auth_time } = tokens.claims
  if (isStepUp(transaction) && began && (began.sub !== sub || began.iss !== iss)) {
    const near = [began, own?.replaces, await replaced.read(request)].flatMap((one) => one?.id ?? [])
    const owner = { iss, sub, ...(typeof sid === 'string' && { sid }) }
    // Nobody needs it, but with it the provider may end the tokens of the session that stays.
    if (tokens.refresh_token !== undefined && !(await sessions.sharesGrant(request, owner, near)))
      await provider.revoke(tokens.refresh_token)
    throw new Refusal('subject_mismatch', {
      description: 'Another user signed in than the requested one. The session has not changed.',
    })
  }
  const access: AccessToken = {
    access_token: tokens.access_token,
    scope: tokens.scope ?? scope,
    ...justObtained(settings),
    lifetime: tokens.expires_in ?? DEFAULT_LIFETIME,
  }
  // A token for an API cannot be used for UserInfo (RFC 8707).
  const forUserinfo = resource.length ? undefined : tokens.access_token
  const claims = await visibleClaims(tokens.claims, forUserinfo, settings, provider)
  const absoluteEnd = Math.min(now + settings.absoluteTimeout, providerSessionEnd(tokens.claims))
  const session = await sessions.create(
    request,
    {
      iss,
      client_id: settings.client_id,
      sub,
      nonce,
      ...(typeof sid === 'string' && { sid }),
      claims,
      ...(typeof acr === 'string' && { acr }),
      ...(typeof auth_time === 'number' && { auth_time }),
      ...(tokens.refresh_token !== undefined && {
        refresh_token: tokens.refresh_token,
        ...refreshExpiry(tokens, 0, settings),
      }),
      scope: access.scope,
      resource,
      created: now,
      // Without a refresh token, the session ends with its access token.
      expires: tokens.refresh_token === undefined ? Math.min(absoluteEnd, now + access.lifetime) : absoluteEnd,
    },
    { access, id_token: tokens.id_token },
    own ? [own.replaces, await replaced.read(request)].filter((each) => each !== undefined) : [],
  )
  if (tokens.refresh_token === undefined) refreshTokens.missing(provider)
  await callOnSignIn({ iss, sub, unverified }, settings)
  return { session, access }
}

/** The user is signed in already: a function that fails or takes too long changes nothing about that. */
async function callOnSignIn(signedIn: SignedInUser, { onSignIn, emit }: Settings): Promise<void> {
  if (!onSignIn) return
  try {
    await callWithTimeout(() => onSignIn(signedIn))
  } catch (error) {
    const what = isTimeoutError(error) ? 'took too long' : 'threw'
    emit({ type: 'operator_error', detail: `onSignIn ${what}: what it was called with is not passed again` })
  }
}

/**
 * When the session at the provider ends, if the ID Token says so: the session here must not last longer.
 *
 * @see OpenID Connect Enterprise Extensions 1.0, `session_expiry`
 */
function providerSessionEnd({ session_expiry }: Readonly<Record<string, unknown>>): EpochSeconds {
  return typeof session_expiry === 'number' ? session_expiry : Number.POSITIVE_INFINITY
}

/** Whole seconds, rounded up: after them, the session has surely ended. */
export const secondsUntil = (instant: EpochSeconds, now: EpochSeconds): number => Math.max(0, Math.ceil(instant - now))

/** The token response for the page. `expires_in` is the remaining time. */
export const tokenAnswer = (token: AccessToken, clocks: Clocks) => ({
  access_token: token.access_token,
  token_type: 'Bearer',
  expires_in: Math.floor(secondsLeft(token, clocks)),
  scope: token.scope,
})

/**
 * The claims of the option `claims`, from the ID Token. Missing ones are read from UserInfo, if there is an access token for it.
 * @throws Refusal `subject_mismatch`
 */
async function visibleClaims(
  idToken: Readonly<Record<string, unknown>> & { iss: string; sub: string },
  access_token: string | undefined,
  settings: Settings,
  provider: Provider,
): Promise<Record<string, unknown>> {
  const incomplete = settings.claims.some((claim) => idToken[claim] === undefined)
  const userinfo = incomplete && access_token !== undefined ? await provider.userinfo(access_token, idToken) : undefined
  const visible: Record<string, unknown> = { sub: idToken.sub }
  for (const claim of settings.claims) {
    const value = idToken[claim] ?? userinfo?.[claim]
    if (value !== undefined) visible[claim] = value
  }
  return visible
}
