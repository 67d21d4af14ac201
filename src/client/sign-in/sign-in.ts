import { returnTarget } from '../../protocol/http/return-to.js'
import type { SignInResponse, TokenResponse } from '../../protocol/session.js'
import type { AuthError } from '../errors.js'
import { isolated } from '../session/snapshot.js'
import { signInError } from '../sign-in-errors.js'
import type { AuthEvent, AuthOptions, LoginOptions, TokenOptions } from '../types.js'
import { failed, requestAuthorization, type SignInContext } from './authorization-request.js'
import { breakLoop, noteOutcome } from './login-loop.js'
import { RECORD_LIFETIME, type SignInRecord, takeRecord } from './oidc.js'
import { askByPopup, handOver } from './popup.js'

/** What finishing needs and may do to the page's state. */
export interface CallbackContext<Claims> extends SignInContext {
  forget(): void
  keep(wanted: TokenOptions, token: TokenResponse): void
  enter(answer: SignInResponse<Claims>, secondsLeft: number | undefined): void
  /** Tells the other tabs who is here. */
  tell(): void
  /** Asks who is here, and for this first token; what goes wrong is the answer. `failure`: why nobody is, if nobody is. */
  who(first: TokenOptions, touch: boolean, failure?: AuthError): Promise<AuthError | undefined>
  emit(event: AuthEvent): void
  onReturn: AuthOptions['onReturn']
}

function accept<Claims>(answer: SignInResponse<Claims>, { forget, keep, enter, tell }: CallbackContext<Claims>) {
  forget()
  keep({}, answer)
  enter(answer, answer.session_expires_in)
  tell()
}

/** Asks who is here now, whoever was; what goes wrong is the answer. */
async function readSessionAgain<Claims>({
  forget,
  who,
  tell,
}: CallbackContext<Claims>): Promise<AuthError | undefined> {
  forget()
  const failure = await who({}, true)
  tell()
  return failure
}

export { describe } from './diagnostics.js'

/**
 * Says where to go to sign in. A popup goes there by itself: what it comes back with is waited for and finished here, and
 * nobody else goes anywhere.
 */
export async function beginSignIn<Claims>(
  login: LoginOptions,
  context: CallbackContext<Claims>,
  popup?: Window,
): Promise<string | undefined> {
  if (!popup) {
    if (login.popup === true) throw signInError('popup_blocked')
    const { url } = await requestAuthorization(login, context)
    breakLoop(context.now)
    return url
  }
  // In proxy mode the backend finishes it: the popup comes back with a name to call by, and no code.
  const name = crypto.randomUUID()
  const returnTo = `${new URL(context.redirect_uri).pathname}?code=&state=${name}`
  const { url, state } = await requestAuthorization({ ...login, returnTo }, context)
  const search = await askByPopup(popup, url, state ?? name)
  if (state === undefined) {
    const failure = await readSessionAgain(context)
    if (failure) throw failure
    return undefined
  }
  const { outcome } = await checkResponse<Claims>(search, context)
  if (!('access_token' in outcome)) throw outcome
  accept(outcome, context)
  return undefined
}

/**
 * Matches an authorization response (`search`, as it came) with its record, has the backend redeem the code, and takes
 * the person back to where they were. Whatever is wrong with the response ends in `refuse`.
 */
export async function finishSignIn<Claims>(search: string, context: CallbackContext<Claims>): Promise<void> {
  replaceUrl(history.state, location.pathname + withoutResponse(search) + location.hash)
  const { outcome, record, state } = await checkResponse<Claims>(search, context)
  if (!record && state && (await handOver(search, state).catch(() => false))) {
    // This is a popup, and the page that opened it goes on. Should it stay open, it is a page of the app like any other.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await readSessionAgain(context)
  } else if ('access_token' in outcome) {
    noteOutcome('signed_in')
    accept(outcome, context)
  } else {
    noteOutcome(outcome.code)
    context.emit({ type: 'callback_failed', error: outcome })
    await context.who({}, true, outcome)
  }
  // Without a record: the start of the app, which is where its callback is.
  const start = new URL('.', context.redirect_uri).pathname
  isolated(context.onReturn ?? returnByPopState, returnTarget(record?.returnTo ?? start, location.origin))
}

/** What an authorization response is worth. `record`: what this tab had kept of the request; each serves once. */
async function checkResponse<Claims>(search: string, context: SignInContext) {
  const parameters = new URLSearchParams(search)
  const once = ['state', 'code', 'iss', 'error'].every((name) => parameters.getAll(name).length < 2)
  const state = once ? (parameters.get('state') ?? '') : ''
  const record = await takeRecord(state).catch(() => undefined)
  const outcome = record ? await redeem<Claims>(parameters, record, context) : signInError('state_mismatch')
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
  // Begun in this tab, as its record shows, and forgotten by this browser.
  if (answer.body?.transaction) return signInError('sign_in_superseded', { cause: answer.cause })
  return failed(answer, 'sign_in_rejected', 'sign_in_unavailable')
}

/** What providers add to a redirect URI. @see RFC 6749 section 4.1.2, RFC 9207 section 2, OpenID Connect Session Management 1.0 section 2 */
const added = /^(code|state|iss|error|error_description|error_uri|session_state)(=|$)/

/** A query without the authorization response; the other parameters character for character. */
function withoutResponse(search: string): string {
  const rest = search
    .slice(1)
    .split('&')
    .filter((pair) => !added.test(pair))
    .join('&')
  return rest && `?${rest}`
}

/** A sandboxed document may not, and Safari allows it a hundred times in half a minute: the sign-in goes on all the same. */
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
