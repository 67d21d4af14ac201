import { validateProxies } from '../protocol/http/proxies.js'
import type { Authenticator, Principal, Verdict } from '../protocol/principal.js'
import { type Check, check, func, having, list, object, optional, table, text, words } from '../protocol/shape.js'
import { type Now, systemNow } from '../protocol/time.js'
import { callWithTimeout, isTimeoutError } from '../protocol/timeout.js'
import { call, validate, validated } from '../protocol/validate.js'
import { request as requestCheck } from '../protocol/web-shapes.js'
import { refusalResponse } from './answers.js'
import { frozen } from './frozen.js'
import { metadataAnswer, metadataUrl, type ResourceMetadata } from './metadata.js'
import { type Needs, needsShape, type Policy, questionOf, validateNeeds, weigh } from './needs.js'
import { believeProxy } from './trusted-proxy.js'
import { type Refused, refusal, unavailable } from './verdicts.js'

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

export type Outcome = { ok: true; principal: Principal } | { ok: false; response: Response }

export interface Guard {
  (request: Request, needs?: Needs): Promise<Outcome>
  /** The form that cannot be forgotten: the handler runs only for a caller who may. */
  handler(
    needs: Needs,
    answer: (request: Request, principal: Principal) => Response | Promise<Response>,
  ): (request: Request) => Promise<Response>
  /** The metadata document, where that is what is asked for, at `/.well-known/oauth-protected-resource` with the path of `resource`. */
  metadata(request: Request): Response | undefined
}

const accepted = having<Authenticator>('what accessToken(…), apiKey(…) or their like return', 'claims', 'verify')

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
  trustedProxies: optional(list(words)),
  implies: optional(table(list(text))),
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
  handler: call(['needs', needsShape], ['answer', func]),
}

/** Seconds that a judge has: it may have to find an issuer’s metadata and to ask there, with five seconds for each. */
const JUDGING = 15

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
  validateProxies('createGuard', trustedProxies)
  const context = { resource, now }

  const emit = (event: GuardEvent) => {
    try {
      onEvent?.(event)
    } catch {}
  }

  /** Who is to judge, or what is wrong with the way in which the request asks. */
  function judgeOf(request: Request): Authenticator | Refused {
    if (!believeProxy(request, trustedProxies)) return refusal(400, 'invalid_request', 'Client-Cert')
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

  /** A judge, a policy or a budget that cannot decide has not said yes. */
  async function judged(request: Request, judge: Authenticator, needs: Needs): Promise<Verdict> {
    let asked = 'authenticator'
    try {
      const verdict = await callWithTimeout(() => judge.verify(request, context), JUDGING)
      if (!verdict.ok) return verdict
      const { principal, admit } = verdict
      frozen(principal.claims)
      const lack = weigh(principal, needs, implies, now())
      if (lack) return lack
      const { action, cost = 1 } = needs
      asked = 'decide'
      if (action && !(await callWithTimeout(() => decide?.(questionOf(principal, action)))))
        return refusal(403, 'access_denied', action.name)
      asked = 'budget'
      return (admit && (await admit(cost))) ?? { ok: true, principal }
    } catch (error) {
      return unavailable(`${asked} ${isTimeoutError(error) ? 'took too long' : 'threw'}`)
    }
  }
  const where: Record<string, string> = metadata ? { resource_metadata: metadataUrl(resource) } : {}

  function validateRoute(needs: Needs): void {
    validateNeeds(needs)
    // Nobody would be asked, and everybody let in.
    if (needs.action && !decide)
      throw new TypeError('guard: "action" needs createGuard({ decide }), which says who may')
  }

  const protect = async (request: Request, needs: Needs = {}): Promise<Outcome> => {
    validate('guard', requestCheck, request, 'request')
    validateRoute(needs)
    const found = judgeOf(request)
    const judge = 'verify' in found ? found : undefined
    const verdict = 'verify' in found ? await judged(request, found, needs) : found
    if (verdict.ok) {
      emit({ type: 'accepted', method: verdict.principal.method, sub: verdict.principal.sub })
      return verdict
    }
    const { status, error, detail, challenge } = verdict
    // What to ask a token for. A challenge with parameters of its own says it, or asks for something else.
    const scope = status === 401 && !challenge && needs.scopes?.length ? { scope: needs.scopes.join(' ') } : {}
    emit({
      type: 'refused',
      status,
      error,
      ...(judge && { method: judge.method }),
      ...(detail !== undefined && { detail }),
    })
    return { ok: false, response: refusalResponse(verdict, accept, judge, { ...where, ...scope }) }
  }

  const methods = {
    metadata: (request: Request) => (metadata ? metadataAnswer(request, resource, accept, metadata) : undefined),
    handler(needs: Needs, answer: (request: Request, principal: Principal) => Response | Promise<Response>) {
      validateRoute(needs)
      return async (request: Request): Promise<Response> => {
        const outcome = await protect(request, needs)
        return outcome.ok ? answer(request, outcome.principal) : outcome.response
      }
    },
  }
  return Object.assign(protect, validated('guard', methods, guardCalls))
}
