import { type Requirements, type UncheckedRequirements, validateRequirements } from './requirements.js'

/** The requirements of a route: constant, or a function of the request (for a tenant in the path). */
export type RouteRequirements<Asked> =
  | Requirements
  | ((request: Asked) => UncheckedRequirements | Promise<UncheckedRequirements>)

/**
 * Returns a function that gets the requirements of a request.
 *
 * @throws TypeError from {@link validateRequirements}, at once for constant requirements, else for each request
 */
export function requirementsFor<Asked>(
  requirements: RouteRequirements<Asked>,
): (request: Asked) => Requirements | Promise<Requirements> {
  if (typeof requirements === 'function') return async (request) => validateRequirements(await requirements(request))
  const same = validateRequirements(requirements)
  return () => same
}
