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
import { requestCheck } from '../protocol/web-shapes.js'
import { deepFreeze } from './deep-freeze.js'
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
  /** The resource indicator of this API: what an access token's audience must be. @see RFC 8707 section 2 */
  resource: string
  /** The credentials that are accepted. The guard knows no kinds; each brings its own judgement. */
  accept: readonly Authenticator[]
  /** Publishes what this API is and whose tokens it takes: `metadata(request)` answers, and challenges say where. @see RFC 9728 */
  metadata?: ResourceMetadata
  /**
   * The networks of the proxies that end TLS in front of this API: `['10.0.0.0/8']`. From them, and from nobody else, the client's
   * certificate is taken from `Client-Cert`; the connection's own is then the proxy's and counts for nothing. The proxy has
   * to verify certificates, and to remove that header where a client has sent it. Default: none.
   *
   * @see RFC 9440
   */
  trustedProxies?: readonly string[]
  onEvent?: (event: GuardEvent) => void
  now?: Now
}

/** What happened. Holds no credential; `detail` says why, which callers are never told. */
export type GuardEvent =
  | { type: 'accepted'; method: Principal['method']; sub: string }
  | { type: 'refused'; status: number; error: string; method?: Principal['method']; detail?: string }

export type GuardResult = { ok: true; principal: Principal } | { ok: false; response: Response }

export interface Guard {
  (request: Request, requirements?: Requirements): Promise<GuardResult>
  /** The form that cannot be forgotten: the handler runs only for a caller who may. */
  handler(
    requirements: Requirements,
    answer: (request: Request, principal: Principal) => Response | Promise<Response>,
  ): (request: Request) => Promise<Response>
  /** The metadata document, where that is what is asked for, at `/.well-known/oauth-protected-resource` with the path of `resource`. */
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

/** Seconds that an authenticator has: it may have to find an issuer’s metadata and to ask there, with five seconds for each. */
const VERIFY_TIMEOUT = 15

/**
 * Who calls, and may they? One guard for every kind of caller of one API.
 *
 * No credential: 401 with every challenge that is accepted here, and the scopes to ask for. A refused one: 401
 * `invalid_token`, one body for every cause. Too little scope: 403 `insufficient_scope`, naming all that is needed. Another
 * tenant: 403 `tenant_mismatch`. A sign-in that is too weak or too old: 401 `insufficient_user_authentication`, saying what
 * would do (RFC 9470).
 * Two explicit credentials: 400. What cannot be checked now: 503 with `Retry-After`. A guard that cannot decide says no.
 *
 * Looked at are headers, never the query or the body. Not checked: rates, and what the handler does with the principal.
 *
 * @throws TypeError naming the option, when there is no `resource` or nothing to accept; naming the need of a route that is
 *   misspelt or `undefined`, which would be none
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

  const emit = (event: GuardEvent) => {
    try {
      onEvent?.(event)
    } catch {}
  }

  /** Who is to authenticate, or what is wrong with the way in which the request asks. */
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
    // Two values of one header arrive joined by a comma; a key and an authorization are two credentials.
    const two = authorization !== null && (key || authorization.includes(','))
    // Several of one kind that all think it may be theirs: it is none's, and each refuses it alike.
    const alike = explicit.every(({ once, method }) => once && method === explicit[0]?.method)
    if ((explicit.length > 1 && !alike) || two) return refusal(400, 'invalid_request')
    if (explicit[0]) return explicit[0]
    // A header that nobody here accepts is still a credential: what rides along does not stand in for it.
    if (authorization !== null || key) return refusal(401, 'invalid_token', 'scheme')
    return carried[0] ?? refusal(401, 'missing_credentials')
  }

  /** An authenticator, a policy or a budget that cannot decide has not said yes. */
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
    // Nobody would be asked, and everybody let in.
    if (requirements.action && !decide)
      throw new TypeError('guard: "action" needs createGuard({ decide }), which says who may')
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
    // What to ask a token for. A challenge with parameters of its own says it, or asks for something else.
    const scope =
      status === 401 && !challenge && requirements.scopes?.length ? { scope: requirements.scopes.join(' ') } : {}
    emit({
      type: 'refused',
      status,
      error,
      ...(authenticator && { method: authenticator.method }),
      ...(detail !== undefined && { detail }),
    })
    return { ok: false, response: refusalResponse(result, accept, authenticator, { ...metadataParameter, ...scope }) }
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
