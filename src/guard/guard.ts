import type { Authenticator, Principal, Verdict } from '../protocol/principal.js'
import { type Now, systemNow } from '../protocol/time.js'
import { refusalResponse } from './answers.js'
import { metadataAnswer, metadataUrl, type ResourceMetadata } from './metadata.js'
import { examineNeeds, type Needs, type Policy, weigh } from './needs.js'
import { believeProxy, examineProxies } from './trusted-proxy.js'
import { refusal, unavailable } from './verdicts.js'

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

/**
 * Who calls, and may they? One guard for every kind of caller of one API.
 *
 * No credential: 401 with every challenge that is accepted here. A refused one: 401 `invalid_token`, one body for every
 * cause. Too little scope: 403 `insufficient_scope`, naming all that is missing. Another tenant: 403 `tenant_mismatch`. A
 * sign-in that is too weak or too old: 401 `insufficient_user_authentication`, saying what would do (RFC 9470).
 * Two explicit credentials: 400. What cannot be checked now: 503 with `Retry-After`. A guard that cannot decide says no.
 *
 * Looked at are headers, never the query or the body. Not checked: rates, and what the handler does with the principal.
 *
 * @throws TypeError naming the option, when there is no `resource` or nothing to accept; naming the need of a route that is
 *   misspelt or `undefined`, which would be none
 * @see RFC 6750 sections 2 and 3
 */
export function createGuard(options: GuardOptions): Guard {
  const { resource, accept, metadata, trustedProxies = [], onEvent, now = systemNow, ...policy } = options
  if (!URL.canParse(resource) || resource.includes('#'))
    throw new TypeError(
      'createGuard: "resource" must be an absolute URI without a fragment, the audience of this API’s tokens',
    )
  if (!Array.isArray(accept) || !accept.length)
    throw new TypeError(
      'createGuard: "accept" is empty; name what is accepted, for example accept: [accessToken({ issuer })]',
    )
  examineProxies(trustedProxies)

  const emit = (event: GuardEvent) => {
    try {
      onEvent?.(event)
    } catch {}
  }

  async function judge(request: Request): Promise<{ verdict: Verdict; authenticator?: Authenticator }> {
    if (!believeProxy(request, trustedProxies)) return { verdict: refusal(400, 'invalid_request', 'Client-Cert') }
    const claims = accept.map((authenticator) => [authenticator, authenticator.claims(request)] as const)
    const carried = claims.filter(([, claim]) => claim).map(([authenticator]) => authenticator)
    const certain = claims.filter(([, claim]) => claim === 'certain').map(([authenticator]) => authenticator)
    const explicit = certain.length ? certain : carried.filter((authenticator) => authenticator.explicit)
    if (explicit.length > 1 || ambiguous(request)) return { verdict: refusal(400, 'invalid_request') }
    // A header that nobody here accepts is still a credential: what rides along does not stand in for it.
    const foreign = !explicit.length && ['authorization', 'x-api-key'].some((name) => request.headers.has(name))
    const authenticator = explicit[0] ?? (foreign ? undefined : carried[0])
    if (!authenticator)
      return { verdict: foreign ? refusal(401, 'invalid_token', 'scheme') : refusal(401, 'missing_credentials') }
    try {
      return { verdict: await authenticator.verify(request, { resource, now }), authenticator }
    } catch {
      return { verdict: unavailable('authenticator threw'), authenticator }
    }
  }

  /** A policy or a budget that cannot decide has not said yes. */
  async function weighed({ principal, admit }: Accepted, needs: Needs): Promise<Verdict> {
    try {
      const verdict = await weigh(principal, needs, policy, now())
      if (!verdict.ok) return verdict
      return (await admit?.(needs.cost ?? 1)) ?? verdict
    } catch {
      return unavailable('decide threw')
    }
  }
  const where: Record<string, string> = metadata ? { resource_metadata: metadataUrl(resource) } : {}

  const protect = async (request: Request, needs: Needs = {}): Promise<Outcome> => {
    examineNeeds(needs)
    const { verdict, authenticator } = await judge(request)
    const final = verdict.ok ? await weighed(verdict, needs) : verdict
    if (final.ok) {
      emit({ type: 'accepted', method: final.principal.method, sub: final.principal.sub })
      return final
    }
    const { status, error, detail } = final
    emit({
      type: 'refused',
      status,
      error,
      ...(authenticator && { method: authenticator.method }),
      ...(detail !== undefined && { detail }),
    })
    return { ok: false, response: refusalResponse(final, accept, authenticator, where) }
  }

  return Object.assign(protect, {
    metadata: (request: Request) => (metadata ? metadataAnswer(request, resource, accept, metadata) : undefined),
    handler(needs: Needs, answer: (request: Request, principal: Principal) => Response | Promise<Response>) {
      examineNeeds(needs)
      return async (request: Request): Promise<Response> => {
        const outcome = await protect(request, needs)
        return outcome.ok ? answer(request, outcome.principal) : outcome.response
      }
    },
  })
}

type Accepted = Extract<Verdict, { ok: true }>

/** Two values of one header arrive joined by a comma; a key and an authorization are two credentials. */
function ambiguous({ headers }: Request): boolean {
  const authorization = headers.get('authorization')
  return (authorization !== null && headers.has('x-api-key')) || (authorization?.includes(',') ?? false)
}
