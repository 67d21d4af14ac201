import { type Requirements, type UncheckedRequirements, validateRequirements } from './requirements.js'

/** What a route needs: the same of every caller, or by the request, where a tenant stands in the path. */
export type RouteRequirements<Asked> =
  | Requirements
  | ((request: Asked) => UncheckedRequirements | Promise<UncheckedRequirements>)

/**
 * How a route's requirements are found.
 *
 * @throws TypeError naming what {@link validateRequirements} refuses; for requirements by request, when a request comes
 */
export function requirementsFor<Asked>(
  requirements: RouteRequirements<Asked>,
): (request: Asked) => Requirements | Promise<Requirements> {
  if (typeof requirements === 'function') return async (request) => validateRequirements(await requirements(request))
  const same = validateRequirements(requirements)
  return () => same
}
