import { SallyportError } from '../../protocol/error.js'
import { returnTarget } from '../../protocol/http/return-to.js'
import type { Mode } from '../../protocol/session.js'
import type { Now } from '../../protocol/time.js'
import { type Answer, type Backend, errorOf } from '../backend.js'
import { type AuthError, clientError } from '../errors.js'
import { isSignInCode, type SignInErrorCode, signInError, signInErrors } from '../sign-in-errors.js'
import type { LoginOptions } from '../types.js'
import { createRequest, createReturn, removeRecords, type SignInRequest, type SignInReturn } from './oidc.js'

/** Parameters of the protocol, and those with an option of their own: not allowed in `params`. */
const reserved =
  /^(client_id|redirect_uri|response_type|response_mode|scope|state|nonce|code_challenge|code_challenge_method|request|request_uri|id_token_hint|prompt|login_hint|max_age|acr_values|ui_locales|resource|authorization_details|claims|registration|dpop_jkt|client_secret|display)$/

export interface SignInContext {
  ask: Backend
  backend: string
  redirect_uri: string
  now: Now
}

/** What a request needs of the backend's metadata document. */
interface Metadata {
  mode: Mode
  issuer: string
  client_id: string
  scope: string
  authorization_params?: readonly string[]
}

/** The URL to go to, and the `state` that comes back; `undefined` in proxy mode, where the backend makes it. */
interface AuthorizationRequest {
  url: string
  state: string | undefined
}

/** Makes the authorization request, and lets the backend bind it to this browser. */
export async function requestAuthorization(
  login: LoginOptions,
  { ask, backend, redirect_uri, now }: SignInContext,
): Promise<AuthorizationRequest> {
  const { returnTo, appState, popup: _, authorization_details, params = {}, resource, ...standard } = login
  const reservedName = Object.keys(params).find((name) => reserved.test(name))
  if (reservedName)
    throw new TypeError(
      `auth.login: "${reservedName}" cannot be sent through "params"; it has its own place or is made for you`,
    )

  checkAppState(appState)
  const currentPage = location.href === redirect_uri ? '/' : location.pathname + location.search + location.hash
  const target = returnTarget(returnTo ?? currentPage, location.origin)
  const back: SignInReturn = { returnTo: target, at: now(), ...(appState !== undefined && { appState }) }
  const answer = await ask('/.well-known/openid-configuration')
  if (!answer.ok) throw signInErrorOf(answer, undefined, 'login_unavailable')
  const { mode, issuer, client_id, scope, authorization_params } = answer.body as unknown as Metadata
  if (mode === 'proxy') {
    // The backend ignores what it does not know, as a provider's link may have parameters of its own. This page's must count.
    const unlisted = authorization_params && Object.keys(params).find((name) => !authorization_params.includes(name))
    if (unlisted)
      throw clientError('request_refused', {
        cause: { error: 'invalid_request', error_description: `"authorizationParams" does not list ${unlisted}.` },
      })
    // The app gets `appState` where it gets it in the other mode: at a callback of this page, which the backend goes to.
    const return_to =
      appState === undefined
        ? target
        : callbackPath(redirect_uri, await save(() => createReturn({ issuer, client_id, redirect_uri, ...back })))
    // The backend uses its configured scope; the other parameters are passed on.
    const { scope: _, ...rest } = { ...standard, ...params, return_to }
    const parameters = Object.entries(rest).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, `${value}`]],
    )
    return { url: `${backend}/login?${new URLSearchParams(parameters)}`, state: undefined }
  }

  const request: SignInRequest = {
    ...standard,
    issuer,
    client_id,
    redirect_uri,
    // The backend adds the scopes of the named resources.
    scope: standard.scope ?? (resource ? undefined : scope),
    nonce: crypto.randomUUID() + crypto.randomUUID(),
    ...back,
    params: {
      ...params,
      ...(authorization_details && { authorization_details: JSON.stringify(authorization_details) }),
    },
    ...(resource && { resource: [resource].flat() }),
  }
  const parameters = await save(() => createRequest(request))
  const transaction = await ask('/transaction', [...parameters])
  const url = transaction.body?.['location']
  if (
    transaction.body?.error === 'invalid_request' &&
    /\bredirect_uri\b/.test(transaction.body.error_description ?? '')
  )
    throw unregisteredRedirectUri(redirect_uri, transaction.cause)
  if (!transaction.ok || typeof url !== 'string' || !/^https?:/.test(url))
    throw signInErrorOf(transaction, undefined, 'login_unavailable')
  return { url, state: parameters.get('state') ?? '' }
}

/** Saves a record of a sign-in. The storage may be full of some that were never finished: they are removed, and it tries once more. */
const save = <Result>(create: () => Promise<Result>): Promise<Result> =>
  create().catch(() => {
    try {
      removeRecords()
    } catch {}
    return create().catch((cause) => {
      throw signInError('storage_unavailable', { cause })
    })
  })

function checkAppState(appState: unknown): void {
  try {
    if (appState === undefined || JSON.stringify(appState) !== undefined) return
  } catch {}
  throw new TypeError('auth.login: "appState" must be something that JSON can hold')
}

/** The URL at which `handleCallback` finds an answer without a code. */
export const callbackPath = (redirect_uri: string, state: string): string =>
  `${new URL(redirect_uri).pathname}?code=&state=${state}`

const unregisteredRedirectUri = (redirect_uri: string, cause: unknown) =>
  new SallyportError('redirect_uri_unregistered', `${signInErrors.redirect_uri_unregistered} ${redirect_uri}`, {
    cause,
  })

/** The error for an answer that is no success, with our code where the backend names one. */
export function signInErrorOf(
  answer: Answer,
  refusedCode: SignInErrorCode | undefined,
  temporaryCode: SignInErrorCode,
): AuthError {
  const { error, claim } = answer.body ?? {}
  const cause = claim ? { ...(answer.cause as object), claim } : answer.cause
  if (isSignInCode(error)) return signInError(error, { cause })
  const failure = errorOf(answer, 'backend_unavailable')
  // The operator has to change something first.
  const retryable = error !== 'operator_error'
  if (failure.retryable) return signInError(temporaryCode, { retryable, cause })
  if (failure.code === 'subject_mismatch') return failure
  return refusedCode ? signInError(refusedCode, { cause }) : failure
}
