import { deepFreeze } from '../protocol/deep-freeze.js'
import { emitTo } from '../protocol/emit-to.js'
import { validateTrustedProxies } from '../protocol/http/trusted-proxies.js'
import type { AuthenticationResult, Authenticator, Principal } from '../protocol/principal.js'
import {
  anyText,
  type Check,
  check,
  func,
  list,
  mapOf,
  object,
  optional,
  text,
  withMethods,
} from '../protocol/shape.js'
import { type Now, systemNow } from '../protocol/time.js'
import { callWithTimeout, isTimeoutError } from '../protocol/timeout.js'
import { call, validate, validated } from '../protocol/validate.js'
import { requestCheck } from '../protocol/web-checks.js'
import type { GuardErrorCode } from './errors.js'
import { applyForwardedCertificate } from './forwarded-certificate.js'
import { metadataAnswer, metadataUrl, type ResourceMetadata } from './metadata.js'
import { refusalResponse } from './refusal-response.js'
import {
  accessEvaluation,
  type Policy,
  type Requirements,
  requirementsShape,
  unmetRequirement,
  validateRequirements,
} from './requirements.js'
import { type Refusal, refusal, unavailable } from './results.js'

export interface GuardOptions extends Policy {
  /**
   * The resource indicator of this API: the required audience of access tokens, unless `accessToken()` has another `audience`. At the
   * root of a host, the empty path and `/` are the same. @see RFC 8707 section 2
   */
  resource: string
  /** The kinds of credentials that are accepted: `accessToken(…)`, `apiKey(…)` and others. Each verifies its own kind. */
  accept: readonly Authenticator[]
  /** Publishes the protected resource metadata: `metadata(request)` returns it, and challenges contain its URL. @see RFC 9728 */
  metadata?: ResourceMetadata
  /**
   * The networks of the proxies that terminate TLS in front of this API: `['10.0.0.0/8']`. Only for requests from them, the client
   * certificate is read from `Client-Cert`, and the certificate of the connection (the proxy's) is ignored. The proxy must verify
   * client certificates, and must remove this header from the client's request. Default: none.
   *
   * @see RFC 9440
   */
  trustedProxies?: readonly string[]
  onEvent?: (event: GuardEvent) => void
  now?: Now
}

/** What happened. Contains no credential. `detail` is the reason, which callers never get. */
export type GuardEvent =
  | { type: 'accepted'; method: Principal['method']; sub: string }
  | {
      type: 'refused'
      status: number
      /** A code of the guard, or one of an authenticator: `apiKey(…)`, `sessionCookie(…)`, your own. */
      error: GuardErrorCode | (string & Record<never, never>)
      method?: Principal['method']
      detail?: string
    }

export type GuardResult = { ok: true; principal: Principal } | { ok: false; response: Response }

export interface Guard {
  (request: Request, requirements?: Requirements): Promise<GuardResult>
  /** Wraps a handler: it runs only for a caller that meets the requirements. */
  handler(
    requirements: Requirements,
    answer: (request: Request, principal: Principal) => Response | Promise<Response>,
  ): (request: Request) => Promise<Response>
  /** The metadata document for a request to `/.well-known/oauth-protected-resource` with the path of `resource`, else `undefined`. */
  metadata(request: Request): Response | undefined
}

const accepted = withMethods<Authenticator>('what accessToken(…), apiKey(…) or their like return', 'claims', 'verify')

export const guardOptions = object<GuardOptions>({
  resource: text,
  accept: list(accepted, 1),
  metadata: optional(
    object<ResourceMetadata>({
      resource_name: optional(text),
      scopes_supported: optional(list(text)),
      resource_documentation: optional(text),
      resource_policy_uri: optional(text),
    }),
  ),
  trustedProxies: optional(list(anyText)),
  implies: optional(mapOf(list(text))),
  decide: optional(func),
  onEvent: optional(func),
  now: optional(func),
})

export const guardCheck: Check<Guard> = check(
  'a guard, as createGuard(…) returns it',
  (value) => typeof value === 'function',
)

/** What the functions of a guard take. */
export const guardCalls = {
  metadata: call(['request', requestCheck]),
  handler: call(['requirements', requirementsShape], ['answer', func]),
}

const usesDpop = ({ headers }: Request): boolean => /^dpop /i.test(headers.get('authorization') ?? '')

/** Timeout of an authenticator, in seconds. It may need the issuer’s metadata, keys and introspection, five seconds for each. */
const VERIFY_TIMEOUT = 15

/**
 * Authenticates and authorizes the callers of one API, whatever credential they use.
 *
 * No credential: 401 with a challenge for every accepted scheme, and the required scopes. Invalid credential: 401
 * `invalid_token`, the same body for every cause. Missing scope: 403 `insufficient_scope` with all required scopes. Another
 * tenant: 403 `tenant_mismatch`. A sign-in that is too weak or too old: 401 `insufficient_user_authentication` with the
 * requirement (RFC 9470). Two explicit credentials: 400. Temporarily unavailable: 503 with `Retry-After`. If the guard cannot
 * decide, the request is refused.
 *
 * The guard reads headers only, never the query or the body. Not checked: rates, and what the handler does with the principal.
 *
 * @throws TypeError naming the option; naming the requirement of a route that is misspelt or `undefined`
 * @see RFC 6750 sections 2 and 3
 */
export function createGuard(options: GuardOptions): Guard {
  validate('createGuard', guardOptions, options)
  const { resource, accept, metadata, trustedProxies = [], implies, decide, onEvent, now = systemNow } = options
  if (!URL.canParse(resource) || resource.includes('#'))
    throw new TypeError(
      'createGuard: "resource" must be an absolute URI without a fragment, the audience of this API’s tokens',
    )
  const once = accept.flatMap((authenticator) => authenticator.once ?? [])
  const twice = once.find(({ what }, at) => once.findIndex((other) => other.what === what) < at)
  if (twice) throw new TypeError(`createGuard: "accept" has ${twice.what} twice; ${twice.remedy}`)
  validateTrustedProxies('createGuard', trustedProxies)
  const context = { resource, now }

  const emit = emitTo(onEvent)

  /** The authenticator for this request, or the refusal of a request whose credentials are ambiguous or missing. */
  function authenticatorFor(request: Request): Authenticator | Refusal {
    if (!applyForwardedCertificate(request, trustedProxies)) return refusal(400, 'invalid_request', 'Client-Cert')
    const carried: Authenticator[] = []
    const certain: Authenticator[] = []
    for (const authenticator of accept) {
      const claim = authenticator.claims(request)
      if (claim) carried.push(authenticator)
      if (claim === 'certain') certain.push(authenticator)
    }
    const explicit = certain.length ? certain : carried.filter((authenticator) => authenticator.explicit)
    const authorization = request.headers.get('authorization')
    const key = request.headers.has('x-api-key')
    // Two values of one header are joined by a comma. `X-API-Key` and `Authorization` together are two credentials.
    const two = authorization !== null && (key || authorization.includes(','))
    // Several authenticators of one kind claim a credential that is certain for none. Each refuses it in the same way.
    const alike = explicit.every(({ once, method }) => once && method === explicit[0]?.method)
    if ((explicit.length > 1 && !alike) || two) return refusal(400, 'invalid_request')
    if (explicit[0]) return explicit[0]
    // An unsupported credential is still a credential: an ambient one (cookie, certificate) must not replace it.
    if (authorization !== null || key) return refusal(401, 'invalid_token', 'scheme')
    return carried[0] ?? refusal(401, 'missing_credentials')
  }

  /** If an authenticator, a policy or a budget throws or times out, the request is refused with 503. */
  async function authenticate(
    request: Request,
    authenticator: Authenticator,
    requirements: Requirements,
  ): Promise<AuthenticationResult> {
    let step = 'authenticator'
    try {
      const result = await callWithTimeout(() => authenticator.verify(request, context), VERIFY_TIMEOUT)
      if (!result.ok) return result
      const { principal, admit } = result
      deepFreeze(principal.claims)
      const unmet = unmetRequirement(principal, requirements, implies, now())
      if (unmet) return unmet
      const { action, cost = 1 } = requirements
      step = 'decide'
      if (action && !(await callWithTimeout(() => decide?.(accessEvaluation(principal, action)))))
        return refusal(403, 'access_denied', action.name)
      step = 'budget'
      return (admit && (await admit(cost))) ?? { ok: true, principal }
    } catch (error) {
      return unavailable(`${step} ${isTimeoutError(error) ? 'took too long' : 'threw'}`)
    }
  }
  const metadataParameter: Record<string, string> = metadata ? { resource_metadata: metadataUrl(resource) } : {}

  function validateRoute(requirements: Requirements): void {
    validateRequirements(requirements)
    // Without `decide`, the action would be allowed for everybody.
    if (requirements.action && !decide)
      throw new TypeError('guard: "action" needs createGuard({ decide }), which decides who is allowed')
  }

  const protect = async (request: Request, requirements: Requirements = {}): Promise<GuardResult> => {
    validate('guard', requestCheck, request, 'request')
    validateRoute(requirements)
    const found = authenticatorFor(request)
    const authenticator = 'verify' in found ? found : undefined
    const result = 'verify' in found ? await authenticate(request, found, requirements) : found
    if (result.ok) {
      emit({ type: 'accepted', method: result.principal.method, sub: result.principal.sub })
      return result
    }
    const { status, error, detail, challenge } = result
    // The scopes to request. A challenge with its own parameters contains them already, or requires something else.
    const scope =
      status === 401 && !challenge && requirements.scopes?.length ? { scope: requirements.scopes.join(' ') } : {}
    emit({
      type: 'refused',
      status,
      error,
      ...(authenticator && { method: authenticator.method }),
      ...(detail !== undefined && { detail }),
    })
    // A token that was sent with DPoP is not to be sent as a bearer token next time.
    const refused = authenticator && usesDpop(request) ? { scheme: 'DPoP', ...result } : result
    return { ok: false, response: refusalResponse(refused, accept, authenticator, { ...metadataParameter, ...scope }) }
  }

  const methods = {
    metadata: (request: Request) => (metadata ? metadataAnswer(request, resource, accept, metadata) : undefined),
    handler(
      requirements: Requirements,
      answer: (request: Request, principal: Principal) => Response | Promise<Response>,
    ) {
      validateRoute(requirements)
      return async (request: Request): Promise<Response> => {
        const outcome = await protect(request, requirements)
        return outcome.ok ? answer(request, outcome.principal) : outcome.response
      }
    },
  }
  return Object.assign(protect, validated('guard', methods, guardCalls))
}
