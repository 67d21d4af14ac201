import { returnTarget } from '../../protocol/http/return-to.js'
import type { SignInResponse, TokenResponse } from '../../protocol/session.js'
import type { AuthError } from '../errors.js'
import { callIsolated } from '../session/snapshot.js'
import { signInError } from '../sign-in-errors.js'
import type { AuthEvent, AuthOptions, LoginOptions, TokenOptions } from '../types.js'
import { callbackPath, requestAuthorization, type SignInContext, signInErrorOf } from './authorization-request.js'
import { refuseLoop, saveOutcome } from './login-loop.js'
import { RECORD_LIFETIME, type SignInRecord, takeRecord } from './oidc.js'
import { handOverResponse, signInByPopup } from './popup.js'

/** What a sign-in uses of the page's `auth`. */
export interface CallbackContext<Claims> extends SignInContext {
  clear(): void
  keep(requested: TokenOptions, token: TokenResponse): void
  startSession(answer: SignInResponse<Claims>, secondsLeft: number | undefined): void
  /** Tells the other tabs who is signed in. */
  broadcast(): void
  /** Reads the session, with a first token. Resolves to an error, if any. `failure`: why the sign-in failed, if nobody is signed in. */
  readSession(firstToken: TokenOptions, touch: boolean, failure?: AuthError): Promise<AuthError | undefined>
  emit(event: AuthEvent): void
  onReturn: AuthOptions['onReturn']
}

function acceptTokens<Claims>(
  answer: SignInResponse<Claims>,
  { clear, keep, startSession, broadcast }: CallbackContext<Claims>,
) {
  clear()
  keep({}, answer)
  startSession(answer, answer.session_expires_in)
  broadcast()
}

/** Drops the session of the page and reads it from the backend. Resolves to an error, if any. */
async function readSessionAgain<Claims>({
  clear,
  readSession,
  broadcast,
}: CallbackContext<Claims>): Promise<AuthError | undefined> {
  clear()
  const failure = await readSession({}, true)
  broadcast()
  return failure
}

export { describe } from './diagnostics.js'

/**
 * Resolves to the URL where the user signs in. With a popup it waits for the response, finishes the sign-in, and resolves
 * to `undefined`.
 */
export async function beginSignIn<Claims>(
  login: LoginOptions,
  context: CallbackContext<Claims>,
  popup?: Window,
): Promise<string | undefined> {
  if (!popup) {
    if (login.popup === true) throw signInError('popup_blocked')
    const { url } = await requestAuthorization(login, context)
    refuseLoop(context.now)
    return url
  }
  // In proxy mode the backend finishes the sign-in: the popup comes back with the name of a channel, without a code.
  const name = crypto.randomUUID()
  const returnTo = callbackPath(context.redirect_uri, name)
  const { url, state } = await requestAuthorization({ ...login, appState: undefined, returnTo }, context)
  const search = await signInByPopup(popup, url, state ?? name)
  if (state === undefined) {
    const failure = await readSessionAgain(context)
    if (failure) throw failure
    return undefined
  }
  const { outcome } = await checkResponse<Claims>(search, context)
  if (!outcome || !('access_token' in outcome)) throw outcome
  acceptTokens(outcome, context)
  return undefined
}

/**
 * Matches an authorization response (the `search` of the URL) with its record, lets the backend redeem the code, and takes
 * the user back to the page before the sign-in.
 */
export async function finishSignIn<Claims>(search: string, context: CallbackContext<Claims>): Promise<void> {
  replaceUrl(history.state, location.pathname + withoutResponse(search) + location.hash)
  const { outcome, record, state } = await checkResponse<Claims>(search, context)
  if (!record && state && (await handOverResponse(search, state).catch(() => false))) {
    // This is a popup, and the page that opened it goes on. If it stays open, it is a normal page of the app.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await readSessionAgain(context)
  } else if (!outcome) {
    saveOutcome('signed_in')
    await readSessionAgain(context)
  } else if ('access_token' in outcome) {
    saveOutcome('signed_in')
    acceptTokens(outcome, context)
  } else {
    saveOutcome(outcome.code)
    context.emit({ type: 'callback_failed', error: outcome })
    await context.readSession({}, true, outcome)
  }
  // Without a record, go to the start of the app: the folder of the callback.
  const start = new URL('.', context.redirect_uri).pathname
  const returnTo = returnTarget(record?.returnTo ?? start, location.origin)
  const { onReturn = returnByPopState } = context
  callIsolated((target) => onReturn(target, record?.appState), returnTo)
}

/**
 * Checks an authorization response and redeems its code. `record`: what this tab has saved of the request; used once. No
 * `outcome`: in proxy mode the backend has redeemed it.
 */
async function checkResponse<Claims>(search: string, context: SignInContext) {
  const parameters = new URLSearchParams(search)
  const once = ['state', 'code', 'iss', 'error'].every((name) => parameters.getAll(name).length < 2)
  const state = once ? (parameters.get('state') ?? '') : ''
  const record = await takeRecord(state).catch(() => undefined)
  const error = parameters.get('error')
  const outcome = !record
    ? signInError('state_mismatch')
    : record.code_verifier
      ? await redeem<Claims>(parameters, record, context)
      : error
        ? signInError('authorization_error', { cause: { error } })
        : undefined
  return { outcome, record, state }
}

async function redeem<Claims>(
  parameters: URLSearchParams,
  record: SignInRecord,
  { ask, now }: SignInContext,
): Promise<SignInResponse<Claims> | AuthError> {
  const age = now() - record.at
  if (!(age <= RECORD_LIFETIME)) return signInError('transaction_expired')
  const error = parameters.get('error')
  const code = parameters.get('code')
  if (error || !code) {
    const error_description = parameters.get('error_description') ?? undefined
    return signInError('authorization_error', { cause: { error: error ?? 'invalid_response', error_description } })
  }
  const answer = await ask('/token', {
    grant_type: 'authorization_code',
    code,
    state: record.state,
    iss: parameters.get('iss') ?? undefined,
    code_verifier: record.code_verifier,
  })
  if (answer.ok && answer.body?.['access_token']) return answer.body as unknown as SignInResponse<Claims>
  // Started in this tab, as its record shows, but this browser has lost the cookie of the transaction.
  if (answer.body?.transaction) return signInError('sign_in_superseded', { cause: answer.cause })
  return signInErrorOf(answer, 'sign_in_rejected', 'sign_in_unavailable')
}

/** Parameters that providers add to a redirect URI. @see RFC 6749 section 4.1.2, RFC 9207 section 2, OpenID Connect Session Management 1.0 section 2 */
const responseParameter = /^(code|state|iss|error|error_description|error_uri|session_state)(=|$)/

/** The query without the authorization response; the other parameters stay as they are. */
function withoutResponse(search: string): string {
  const rest = search
    .slice(1)
    .split('&')
    .filter((pair) => !responseParameter.test(pair))
    .join('&')
  return rest && `?${rest}`
}

/** Fails in a sandbox, and in Safari after 100 calls in 30 seconds: the sign-in goes on without it. */
function replaceUrl(state: unknown, url: string): void {
  try {
    history.replaceState(state, '', url)
  } catch {}
}

/** The default `onReturn`: replaces the URL and fires `popstate`, which routers hear. */
function returnByPopState(returnTo: string): void {
  replaceUrl(null, returnTo)
  dispatchEvent(new PopStateEvent('popstate', { state: null }))
}
