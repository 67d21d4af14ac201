import type { SallyportError } from '../protocol/error.js'
import { returnTarget } from '../protocol/return-to.js'
import type { CodeAnswer } from '../protocol/session.js'
import { type BeginPorts, failed, requestAuthorization } from './authorization-request.js'
import { breakLoop, noteOutcome } from './loop.js'
import { RECORD_LIFETIME, type SignInRecord, takeRecord } from './oidc.js'
import { askByPopup, handOver } from './popup.js'
import { signInError } from './sign-in-errors.js'
import type { LoginOptions } from './types.js'

/** What finishing needs and may do to the page's state. */
export interface FinishPorts<Claims> extends BeginPorts {
  accept(answer: CodeAnswer<Claims>): void
  /** Asks who is here now, whoever was; what goes wrong is the answer. */
  anew(): Promise<SallyportError | undefined>
  refuse(error: SallyportError): Promise<unknown>
  arrive(returnByPopState: (returnTo: string) => void, returnTo: string): void
}

export { describe } from './diagnostics.js'

/**
 * Says where to go to sign in. A popup goes there by itself: what it comes back with is waited for and finished here, and
 * nobody else goes anywhere.
 */
export async function beginSignIn<Claims>(
  login: LoginOptions,
  ports: FinishPorts<Claims>,
  popup?: Window,
): Promise<string | undefined> {
  if (!popup) {
    if (login.popup === true) throw signInError('popup_blocked')
    const { url } = await requestAuthorization(login, ports)
    breakLoop(ports.now)
    return url
  }
  // In proxy mode the backend finishes it: the popup comes back with nothing but a name to call by.
  const name = crypto.randomUUID()
  const returnTo = `${new URL(ports.redirect_uri).pathname}?state=${name}`
  const { url, state } = await requestAuthorization({ ...login, returnTo }, ports)
  const search = await askByPopup(popup, url, state ?? name)
  if (state === undefined) {
    const failure = await ports.anew()
    if (failure) throw failure
    return undefined
  }
  const { outcome } = await judge<Claims>(search, ports)
  if (!('access_token' in outcome)) throw outcome
  ports.accept(outcome)
  return undefined
}

/**
 * Matches an authorization response (`search`, as it came) with its record, has the backend redeem the code, and takes
 * the person back to where they were. Whatever is wrong with the response ends in `refuse`.
 */
export async function finishSignIn<Claims>(search: string, ports: FinishPorts<Claims>): Promise<void> {
  const { location } = ports
  history.replaceState(history.state, '', location.pathname + withoutResponse(search) + location.hash)
  const { outcome, record, state } = await judge<Claims>(search, ports)
  if (!record && state && (await handOver(search, state))) {
    // This is a popup, and the page that opened it goes on. Should it stay open, it is a page of the app like any other.
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await ports.anew()
  } else if ('access_token' in outcome) {
    noteOutcome('signed_in')
    ports.accept(outcome)
  } else {
    noteOutcome(outcome.code)
    await ports.refuse(outcome)
  }
  // Without a record: the start of the app, which is where its callback is.
  const start = new URL('.', ports.redirect_uri).pathname
  ports.arrive(returnByPopState, returnTarget(record?.returnTo ?? start, location.origin))
}

/** What an authorization response is worth. `record`: what this tab had kept of the request; each serves once. */
async function judge<Claims>(search: string, ports: BeginPorts) {
  const parameters = new URLSearchParams(search)
  const once = ['state', 'code', 'iss', 'error'].every((name) => parameters.getAll(name).length < 2)
  const state = once ? (parameters.get('state') ?? '') : ''
  const record = await takeRecord(state).catch(() => undefined)
  const outcome = record ? await redeem<Claims>(parameters, record, ports) : signInError('state_mismatch')
  return { outcome, record, state }
}

async function redeem<Claims>(
  parameters: URLSearchParams,
  record: SignInRecord,
  { ask, now }: BeginPorts,
): Promise<CodeAnswer<Claims> | SallyportError> {
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
  if (answer.ok && answer.body?.['access_token']) return answer.body as unknown as CodeAnswer<Claims>
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

/** The default `onReturn`: replaces the URL and fires `popstate`, which routers hear. */
function returnByPopState(returnTo: string): void {
  history.replaceState(null, '', returnTo)
  dispatchEvent(new PopStateEvent('popstate', { state: null }))
}
