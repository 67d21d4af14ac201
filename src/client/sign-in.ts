import type { SallyportError } from '../protocol/error.js'
import { returnTarget } from '../protocol/return-to.js'
import type { CodeAnswer, Mode } from '../protocol/session.js'
import type { Now } from '../protocol/time.js'
import { type Answer, type Backend, failureOf } from './backend.js'
import {
  createRequest,
  RECORD_LIFETIME,
  removeRecords,
  type SignInRecord,
  type SignInRequest,
  takeRecord,
} from './oidc.js'
import { isSignInCode, type SignInErrorCode, signInError } from './sign-in-errors.js'
import type { LoginOptions } from './types.js'

/** Parameters that are the protocol's or have an option of their own; `params` is for the provider's. */
const reserved =
  /^(client_id|redirect_uri|response_type|response_mode|scope|state|nonce|code_challenge|code_challenge_method|request|request_uri|id_token_hint|prompt|login_hint|max_age|acr_values|ui_locales|resource|authorization_details|claims|registration|dpop_jkt|client_secret|display)$/

export interface BeginPorts {
  ask: Backend
  backend: string
  redirect_uri: string
  location: Location
  now: Now
}

/** What the metadata document says that a request needs. */
interface Metadata {
  mode: Mode
  issuer: string
  authorization_endpoint: string
  client_id: string
  scope: string
}

/** Makes the authorization request, has the backend bind it to this browser, and says where to go. */
export async function beginSignIn(
  login: LoginOptions,
  { ask, backend, redirect_uri, location, now }: BeginPorts,
): Promise<string> {
  const { returnTo, authorization_details, params = {}, resource, ...standard } = login
  const misplaced = Object.keys(params).find((name) => reserved.test(name))
  if (misplaced)
    throw new TypeError(
      `auth.login: "${misplaced}" cannot be sent through "params"; it has its own place or is made for you`,
    )

  const here = location.href === redirect_uri ? '/' : location.pathname + location.search + location.hash
  const target = returnTarget(returnTo ?? here, location.origin)
  const answer = await ask('/.well-known/openid-configuration')
  if (!answer.ok) throw failed(answer, undefined, 'login_unavailable')
  const { mode, issuer, authorization_endpoint, client_id, scope } = answer.body as unknown as Metadata
  if (mode === 'proxy') {
    // The backend asks for what is configured there; the rest of what was asked for goes along.
    const { scope: _, ...wishes } = { ...standard, ...params, return_to: target }
    const said = Object.entries(wishes).flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]]))
    return `${backend}/login?${new URLSearchParams(said)}`
  }

  const request: SignInRequest = {
    ...standard,
    issuer,
    authorization_endpoint,
    client_id,
    redirect_uri,
    scope: standard.scope ?? scope,
    nonce: crypto.randomUUID() + crypto.randomUUID(),
    returnTo: target,
    at: now(),
    params: {
      ...params,
      ...(authorization_details && { authorization_details: JSON.stringify(authorization_details) }),
    },
    ...(resource && { resource: [resource].flat() as string[] }),
  }
  const parameters = await createRequest(request).catch(() => {
    // Full, perhaps of sign-ins that were never finished: make room once.
    try {
      removeRecords()
    } catch {}
    return createRequest(request).catch((cause) => {
      throw signInError('storage_unavailable', { cause })
    })
  })
  const form: Record<string, string[]> = {}
  for (const name of new Set(parameters.keys())) form[name] = parameters.getAll(name)
  const bound = await ask('/transaction', form)
  const url = bound.body?.['location']
  if (!bound.ok || typeof url !== 'string' || !/^https?:/.test(url)) throw failed(bound, undefined, 'login_unavailable')
  return url
}

/** An answer that is no success, under our own codes where the backend names one. */
function failed(answer: Answer, refused: SignInErrorCode | undefined, otherwise: SignInErrorCode): SallyportError {
  const { error, claim } = answer.body ?? {}
  const cause = claim ? { ...(answer.cause as object), claim } : answer.cause
  if (isSignInCode(error)) return signInError(error, { cause })
  const failure = failureOf(answer, 'backend_unavailable')
  if (failure.retryable) return signInError(otherwise, { retryable: true, cause })
  return refused ? signInError(refused, { cause }) : failure
}

/** What finishing needs and may do to the page's state. */
export interface FinishPorts<Claims> extends BeginPorts {
  accept(answer: CodeAnswer<Claims>): void
  refuse(error: SallyportError): Promise<void>
  arrive(returnByPopState: (returnTo: string) => void, returnTo: string): void
}

/**
 * Matches an authorization response (`search`, as it came) with its record, has the backend redeem the code, and takes
 * the person back to where they were. Whatever is wrong with the response ends in `refuse`.
 */
export async function finishSignIn<Claims>(search: string, ports: FinishPorts<Claims>): Promise<void> {
  const { location } = ports
  history.replaceState(history.state, '', location.pathname + withoutResponse(search) + location.hash)
  const parameters = new URLSearchParams(search)
  const once = ['state', 'code', 'iss', 'error'].every((name) => parameters.getAll(name).length < 2)
  const record = once ? await takeRecord(ports.redirect_uri + search).catch(() => undefined) : undefined
  const outcome = record ? await redeem<Claims>(parameters, record, ports) : signInError('state_mismatch')
  if ('access_token' in outcome) ports.accept(outcome)
  else await ports.refuse(outcome)
  ports.arrive(returnByPopState, returnTarget(record?.returnTo, location.origin))
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
