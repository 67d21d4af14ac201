import { configuredResource } from '../../protocol/http/resource.js'
import { missingScopes, parseScope } from '../../protocol/scope.js'
import { Refusal } from '../errors.js'
import { type Form, parameter, secondsParameter } from '../http/form.js'
import type { RequestedToken } from '../sessions/session-record.js'
import type { Settings } from '../settings.js'

/** The form parameters for an access token. */
export const tokenParameters = ['min_validity', 'resource', 'scope']

/** Seconds; the default of `min_validity`. */
const MIN_VALIDITY = 30

/**
 * The resource and scope of a form. They must be configured; checked before any request to the provider.
 *
 * @throws Refusal `invalid_target`, `invalid_scope`
 * @see RFC 8707 section 2
 */
export function requestedTarget(form: Form, { resources, scopes }: Settings): { resource: string[]; scope: string } {
  const requested = (form.get('resource') ?? []).map((item) => configuredResource(item, Object.keys(resources)))
  const resource = [...new Set(requested.filter((item) => item !== undefined))].sort()
  if (requested.includes(undefined)) throw new Refusal('invalid_target')
  const requestedScopes = parseScope(parameter(form, 'scope') ?? '')
  const allowed = [...scopes, ...resource.flatMap((item) => resources[item]?.scopes ?? [])]
  if (!requestedScopes) throw new Refusal('invalid_scope')
  const missing = missingScopes(requestedScopes, allowed)
  if (missing.length) throw new Refusal('invalid_scope', { description: scopeDescription(missing, resources) })
  return { resource, scope: requestedScopes.join(' ') }
}

/** A scope of a resource is allowed with that resource only. `undefined`: it is not configured at all. */
function scopeDescription(missing: readonly string[], resources: Settings['resources']): string | undefined {
  const ofResources = Object.values(resources).flatMap(({ scopes }) => scopes)
  return missing.every((scope) => ofResources.includes(scope))
    ? 'This scope belongs to a resource: request it together with that resource, or configure the resource with atSignIn.'
    : undefined
}

/** For an empty form. */
const sessionDefault: RequestedToken = { resource: [], scope: '', minValidity: MIN_VALIDITY }

/** The token that a form requests. @throws Refusal */
export function requestedToken(form: Form, settings: Settings): RequestedToken {
  if (!form.size) return sessionDefault
  const refused = parameter(form, 'refused')
  return {
    ...requestedTarget(form, settings),
    minValidity: secondsParameter(form, 'min_validity') ?? MIN_VALIDITY,
    ...(refused !== undefined && { refused }),
  }
}
