import { missingScopes, parseScope } from '../../protocol/scope.js'
import { Refusal } from '../errors.js'
import { type Form, parameter, secondsParameter } from '../http/form.js'
import type { RequestedToken } from '../sessions/session-record.js'
import type { Settings } from '../settings.js'

/** What a form may say of the token that it wants. */
export const tokenParameters = ['min_validity', 'resource', 'scope']

/** Seconds that a token must be good for unless the page says otherwise. */
const MIN_VALIDITY = 30

/**
 * The resources and scopes of a form, held against what is configured for the page, before anything goes upstream.
 *
 * @throws Refusal `invalid_target`, `invalid_scope`
 * @see RFC 8707 section 2
 */
export function requestedTarget(form: Form, { resources, scopes }: Settings): { resource: string[]; scope: string } {
  const resource = [...new Set(form.get('resource'))].sort()
  const unknown = resource.some((item) => !Object.hasOwn(resources, item))
  if (unknown) throw new Refusal('invalid_target')
  const requestedScopes = parseScope(parameter(form, 'scope') ?? '')
  const allowed = [...scopes, ...resource.flatMap((item) => resources[item]?.scopes ?? [])]
  if (!requestedScopes || missingScopes(requestedScopes, allowed).length) throw new Refusal('invalid_scope')
  return { resource, scope: requestedScopes.join(' ') }
}

/** What an empty form asks for. */
const sessionDefault: RequestedToken = { resource: [], scope: '', minValidity: MIN_VALIDITY }

/** Which token a form asks for. @throws Refusal */
export function requestedToken(form: Form, settings: Settings): RequestedToken {
  if (!form.size) return sessionDefault
  const refused = parameter(form, 'refused')
  return {
    ...requestedTarget(form, settings),
    minValidity: secondsParameter(form, 'min_validity') ?? MIN_VALIDITY,
    ...(refused !== undefined && { refused }),
  }
}
