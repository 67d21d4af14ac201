import { encodeBase64url } from '../protocol/base64url.js'
import type { SallyportError } from '../protocol/error.js'
import { returnTarget } from '../protocol/return-to.js'
import type { CodeAnswer, Mode } from '../protocol/session.js'
import type { Now } from '../protocol/time.js'
import { type Answer, type Backend, quote } from './backend.js'
import { clientError } from './errors.js'
import { createRequest, RECORD_LIFETIME, removeRecords, type SignInRequest, takeRecord } from './oidc.js'
import { isSignInCode, signInError } from './sign-in-errors.js'
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
  if (!answer.ok) throw startError(answer)
  const { mode, issuer, authorization_endpoint, client_id, scope } = answer.body as unknown as Metadata
  if (mode === 'proxy') return `${backend}/login?return_to=${encodeURIComponent(target)}`

  const request: SignInRequest = {
    ...standard,
    issuer,
    authorization_endpoint,
    client_id,
    redirect_uri,
    scope: standard.scope ?? scope,
    nonce: encodeBase64url(crypto.getRandomValues(new Uint8Array(32))),
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
  const url = bound.body?.location
  if (!bound.ok || typeof url !== 'string' || !/^https?:/.test(url)) throw startError(bound)
  return url
}

function startError(answer: Answer): SallyportError {
  const cause = quote(answer)
  const error = answer.body?.error
  if (isSignInCode(error)) return signInError(error, { cause })
  if (error === 'invalid_scope' || error === 'invalid_target') return clientError(error, { cause })
  if (error && answer.status >= 400 && answer.status < 429) return clientError('request_refused', { cause })
  return signInError('login_unavailable', { retryable: true, cause })
}

export interface FinishPorts {
  /** The query of the callback URL, as it came. */
  search: string
  ask: Backend
  redirect_uri: string
  origin: string
  now: Now
}

export type Finished<Claims> = { returnTo: string } & (
  | { answer: CodeAnswer<Claims>; error?: never }
  | { answer?: never; error: SallyportError }
)

/** Matches an authorization response with its record, then has the backend redeem the code. Never rejects. */
export async function finishSignIn<Claims>({
  search,
  ask,
  redirect_uri,
  origin,
  now,
}: FinishPorts): Promise<Finished<Claims>> {
  const parameters = new URLSearchParams(search)
  const once = ['state', 'code', 'iss', 'error'].every((name) => parameters.getAll(name).length < 2)
  const record = once ? await takeRecord(redirect_uri + search).catch(() => undefined) : undefined
  if (!record) return { error: signInError('state_mismatch'), returnTo: '/' }
  const returnTo = returnTarget(record.returnTo, origin)
  const failed = (error: SallyportError) => ({ error, returnTo })

  const age = now() - record.at
  if (!(age <= RECORD_LIFETIME)) return failed(signInError('transaction_expired'))
  const error = parameters.get('error')
  const code = parameters.get('code')
  if (error || !code) {
    const cause = {
      error: error ?? 'invalid_response',
      error_description: parameters.get('error_description') ?? undefined,
    }
    return failed(signInError('authorization_error', { cause }))
  }
  const answer = await ask('/token', {
    grant_type: 'authorization_code',
    code,
    state: record.state,
    iss: parameters.get('iss') ?? undefined,
    code_verifier: record.code_verifier,
  })
  return answer.ok ? { answer: answer.body as unknown as CodeAnswer<Claims>, returnTo } : failed(finishError(answer))
}

function finishError(answer: Answer): SallyportError {
  const claim = answer.body?.claim
  const cause = { ...(quote(answer) as object), ...(claim && { claim }) }
  const error = answer.body?.error
  if (isSignInCode(error)) return signInError(error, { cause })
  if (error && answer.status >= 400 && answer.status < 429 && answer.status !== 408)
    return signInError('sign_in_rejected', { cause })
  return signInError('sign_in_unavailable', { retryable: true, cause })
}

/** The default `onReturn`: replaces the URL and fires `popstate`, which routers hear. */
export function returnByPopState(returnTo: string): void {
  history.replaceState(null, '', returnTo)
  dispatchEvent(new PopStateEvent('popstate', { state: null }))
}
