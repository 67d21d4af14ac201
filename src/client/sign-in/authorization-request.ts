import { SallyportError } from '../../protocol/error.js'
import { returnTarget } from '../../protocol/http/return-to.js'
import type { Mode } from '../../protocol/session.js'
import type { Now } from '../../protocol/time.js'
import { type Answer, type Backend, failureOf } from '../backend.js'
import type { AuthError } from '../errors.js'
import { isSignInCode, type SignInErrorCode, signInError, signInErrors } from '../sign-in-errors.js'
import type { LoginOptions } from '../types.js'
import { createRequest, removeRecords, type SignInRequest } from './oidc.js'

/** Parameters that are the protocol's or have an option of their own; `params` is for the provider's. */
const reserved =
  /^(client_id|redirect_uri|response_type|response_mode|scope|state|nonce|code_challenge|code_challenge_method|request|request_uri|id_token_hint|prompt|login_hint|max_age|acr_values|ui_locales|resource|authorization_details|claims|registration|dpop_jkt|client_secret|display)$/

export interface SignInContext {
  ask: Backend
  backend: string
  redirect_uri: string
  now: Now
}

/** What the metadata document says that a request needs. */
interface Metadata {
  mode: Mode
  issuer: string
  client_id: string
  scope: string
}

/** Where to go, and the `state` that will come back; `undefined` in proxy mode, where it is the backend's. */
export interface Begun {
  url: string
  state: string | undefined
}

/** Makes the authorization request, and has the backend bind it to this browser. */
export async function requestAuthorization(
  login: LoginOptions,
  { ask, backend, redirect_uri, now }: SignInContext,
): Promise<Begun> {
  const { returnTo, popup: _, authorization_details, params = {}, resource, ...standard } = login
  const misplaced = Object.keys(params).find((name) => reserved.test(name))
  if (misplaced)
    throw new TypeError(
      `auth.login: "${misplaced}" cannot be sent through "params"; it has its own place or is made for you`,
    )

  const currentPage = location.href === redirect_uri ? '/' : location.pathname + location.search + location.hash
  const target = returnTarget(returnTo ?? currentPage, location.origin)
  const answer = await ask('/.well-known/openid-configuration')
  if (!answer.ok) throw failed(answer, undefined, 'login_unavailable')
  const { mode, issuer, client_id, scope } = answer.body as unknown as Metadata
  if (mode === 'proxy') {
    // The backend asks for what is configured there; the rest of what was asked for goes along.
    const { scope: _, ...rest } = { ...standard, ...params, return_to: target }
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
    scope: standard.scope ?? scope,
    nonce: crypto.randomUUID() + crypto.randomUUID(),
    returnTo: target,
    at: now(),
    params: {
      ...params,
      ...(authorization_details && { authorization_details: JSON.stringify(authorization_details) }),
    },
    ...(resource && { resource: [resource].flat() }),
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
  const bound = await ask('/transaction', [...parameters])
  const url = bound.body?.['location']
  if (bound.body?.error === 'invalid_request' && /\bredirect_uri\b/.test(bound.body.error_description ?? ''))
    throw unregistered(redirect_uri, bound.cause)
  if (!bound.ok || typeof url !== 'string' || !/^https?:/.test(url)) throw failed(bound, undefined, 'login_unavailable')
  return { url, state: parameters.get('state') ?? '' }
}

const unregistered = (redirect_uri: string, cause: unknown) =>
  new SallyportError('redirect_uri_unregistered', `${signInErrors.redirect_uri_unregistered} ${redirect_uri}`, {
    cause,
  })

/** An answer that is no success, under our own codes where the backend names one. */
export function failed(answer: Answer, refused: SignInErrorCode | undefined, otherwise: SignInErrorCode): AuthError {
  const { error, claim } = answer.body ?? {}
  const cause = claim ? { ...(answer.cause as object), claim } : answer.cause
  if (isSignInCode(error)) return signInError(error, { cause })
  const failure = failureOf(answer, 'backend_unavailable')
  if (failure.retryable) return signInError(otherwise, { retryable: true, cause })
  if (failure.code === 'subject_mismatch') return failure
  return refused ? signInError(refused, { cause }) : failure
}
