import type { Principal } from '../protocol/principal.js'
import { missingScopes } from '../protocol/scope.js'
import {
  anyText,
  anything,
  bool,
  integer,
  list,
  mapOf,
  object,
  oneOf,
  optional,
  seconds,
  text,
  valueFlaw,
} from '../protocol/shape.js'
import { isRecent } from '../protocol/time.js'
import { type Refusal, refusal } from './results.js'

/** What a route needs of a caller. */
export interface Requirements {
  /** All of these. */
  scopes?: readonly string[]
  /** The tenant that the object belongs to. */
  tenant?: string
  /** The kinds of credential that will do. Default: all that the guard accepts. */
  methods?: readonly Principal['method'][]
  /** Only credentials that are bound to a key or a certificate of the caller. */
  bound?: boolean
  /** The person signed in by one of these. @see RFC 9470 */
  acr?: readonly string[]
  /** Seconds since the person authenticated, at most. @see RFC 9470 */
  maxAge?: number
  /** What is to be done, for `decide`. */
  action?: Action
  /** How many calls this counts as, for credentials with a budget. Default 1. */
  cost?: number
}

/** What is looked for in a request may not be there; {@link validateRequirements} says so. */
export type UncheckedRequirements = { readonly [Name in keyof Requirements]: Requirements[Name] | undefined }

export interface Action {
  name: string
  resource?: { type: string; id: string; properties?: Readonly<Record<string, unknown>> }
  context?: Readonly<Record<string, unknown>>
}

export const requirementsShape = object<Requirements>({
  scopes: optional(list(anyText)),
  tenant: optional(anyText),
  methods: optional(list(oneOf('access_token', 'api_key', 'agent_token', 'client_certificate', 'session_cookie'))),
  bound: optional(bool),
  acr: optional(list(text)),
  maxAge: optional(seconds({ least: 0 })),
  action: optional(
    object<Action>({
      name: text,
      resource: optional(
        object<NonNullable<Action['resource']>>({
          type: anyText,
          id: anyText,
          properties: optional(mapOf(anything<unknown>())),
        }),
      ),
      context: optional(mapOf(anything<unknown>())),
    }),
  ),
  cost: optional(integer({ least: 0 }, 'a whole number of calls')),
})

/**
 * A need that is misspelt (`scope`), or that has no value (`tenant: params.tenat`), would be none at all and let everybody in.
 *
 * @throws TypeError naming it
 */
export function validateRequirements(requirements: UncheckedRequirements): Requirements {
  const flaw = valueFlaw(requirementsShape, requirements)
  if (flaw) throw new TypeError(`guard: "${flaw.at || 'requirements'}" ${flaw.remedy}`)
  for (const name in requirements)
    if (requirements[name as keyof Requirements] === undefined)
      throw new TypeError(`guard: "${name}" of this route's requirements is undefined`)
  return requirements as Requirements
}

/** A question in the shape of the Authorization API. @see OpenID AuthZEN Authorization API 1.0 section 5 */
export interface AccessEvaluation {
  subject: { type: string; id: string; properties: Readonly<Record<string, unknown>> }
  action: { name: string }
  resource: { type: string; id: string; properties?: Readonly<Record<string, unknown>> }
  context: Readonly<Record<string, unknown>>
}

export interface Policy {
  /** What a scope includes: `{ 'notes:write': ['notes:read'] }`. Nothing is included that is not written here. */
  implies?: Readonly<Record<string, readonly string[]>>
  /** Has the last word where a route names an `action`. Asked after everything else; one that throws is 503. */
  decide?: (question: AccessEvaluation) => boolean | Promise<boolean>
}

/** What the caller lacks of what the route needs: asked only once it is known who calls. */
export function unmetRequirement(
  principal: Principal,
  { scopes = [], tenant, methods, bound, acr, maxAge }: Requirements,
  implies: Policy['implies'],
  now: number,
): Refusal | undefined {
  if (methods && !methods.includes(principal.method)) return refusal(403, 'credential_not_accepted', principal.method)
  if (bound && !principal.bound) return refusal(401, 'invalid_token', 'unbound')
  const stale = staleSignIn(principal, acr, maxAge, now)
  if (stale) return stale
  const missing = missingScopes(scopes, implies ? withImplied(principal.scopes, implies) : principal.scopes)
  if (missing.length)
    return {
      ...refusal(403, 'insufficient_scope'),
      challenge: { scope: [...scopes].join(' ') },
      detail: `missing ${missing.join(' ')}`,
    }
  return tenant === undefined || principal.tenant === tenant ? undefined : refusal(403, 'tenant_mismatch')
}

/** Everything that is granted, and what that includes, however deep. */
function withImplied(granted: readonly string[], implies: NonNullable<Policy['implies']>): string[] {
  const all = new Set(granted)
  for (const scope of all)
    for (const included of Object.hasOwn(implies, scope) ? (implies[scope] ?? []) : []) all.add(included)
  return [...all]
}

/** A sign-in that is too weak or too old, with what would do. @see RFC 9470 section 3 */
function staleSignIn(
  { claims }: Principal,
  acr: Requirements['acr'],
  maxAge: number | undefined,
  now: number,
): Refusal | undefined {
  const weak = acr !== undefined && !acr.some((wanted) => wanted === claims['acr'])
  const old = maxAge !== undefined && !isRecent(claims['auth_time'], maxAge, now)
  if (!weak && !old) return undefined
  return {
    ...refusal(401, 'insufficient_user_authentication', weak ? 'acr' : 'auth_time'),
    challenge: { acr_values: acr?.join(' '), max_age: maxAge === undefined ? undefined : `${maxAge}` },
  }
}

export const accessEvaluation = (
  { sub, method, tenant, client_id, scopes, claims }: Principal,
  action: Action,
): AccessEvaluation => ({
  subject: { type: method, id: sub, properties: { tenant, client_id, scopes, claims } },
  action: { name: action.name },
  resource: action.resource ?? { type: 'resource', id: '*' },
  context: action.context ?? {},
})
