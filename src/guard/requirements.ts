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

/** What a route requires of a caller. */
export interface Requirements {
  /** All of them are required. */
  scopes?: readonly string[]
  /** The tenant that the object belongs to. */
  tenant?: string
  /** The accepted kinds of credentials. Default: all that the guard accepts. */
  methods?: readonly Principal['method'][]
  /** Requires a credential that is bound to a key or a certificate of the caller. */
  bound?: boolean
  /** The user signed in with one of these. @see RFC 9470 */
  acr?: readonly string[]
  /** Seconds since the user authenticated, at most. @see RFC 9470 */
  maxAge?: number
  /** The action, for `decide`. */
  action?: Action
  /** How many calls this counts as, for credentials with a budget. Default 1. */
  cost?: number
}

/** Values from a request can be missing; {@link validateRequirements} checks them. */
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
 * A requirement that is misspelt (`scope`) or `undefined` (`tenant: params.tenat`) would have no effect, and every caller would be
 * accepted.
 *
 * @throws TypeError naming the requirement
 */
export function validateRequirements(requirements: UncheckedRequirements): Requirements {
  const flaw = valueFlaw(requirementsShape, requirements)
  if (flaw) throw new TypeError(`guard: "${flaw.at || 'requirements'}" ${flaw.remedy}`)
  for (const name in requirements)
    if (requirements[name as keyof Requirements] === undefined)
      throw new TypeError(`guard: "${name}" of this route's requirements is undefined`)
  return requirements as Requirements
}

/** An evaluation request of the Authorization API. @see OpenID AuthZEN Authorization API 1.0 section 5 */
export interface AccessEvaluation {
  subject: { type: string; id: string; properties: Readonly<Record<string, unknown>> }
  action: { name: string }
  resource: { type: string; id: string; properties?: Readonly<Record<string, unknown>> }
  context: Readonly<Record<string, unknown>>
}

export interface Policy {
  /** Which scopes a scope includes: `{ 'notes:write': ['notes:read'] }`. Default: none. */
  implies?: Readonly<Record<string, readonly string[]>>
  /** Decides about the `action` of a route, after all other checks. If it throws, the response is 503. */
  decide?: (question: AccessEvaluation) => boolean | Promise<boolean>
}

/** The first requirement that an authenticated caller does not meet, as a refusal. */
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

/** The granted scopes and all scopes that they include, recursively. */
function withImplied(granted: readonly string[], implies: NonNullable<Policy['implies']>): string[] {
  const all = new Set(granted)
  for (const scope of all)
    for (const included of Object.hasOwn(implies, scope) ? (implies[scope] ?? []) : []) all.add(included)
  return [...all]
}

/** The refusal of a sign-in that is too weak or too old, with the requirement. @see RFC 9470 section 3 */
function staleSignIn(
  { claims }: Principal,
  acr: Requirements['acr'],
  maxAge: number | undefined,
  now: number,
): Refusal | undefined {
  const weak = acr !== undefined && !acr.some((accepted) => accepted === claims['acr'])
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
