import { type FoundNeeds, type Needs, validateNeeds } from './needs.js'

/** What a route needs: the same of every caller, or by the request, where a tenant stands in the path. */
export type RouteNeeds<Asked> = Needs | ((request: Asked) => FoundNeeds | Promise<FoundNeeds>)

/**
 * How a route's needs are found.
 *
 * @throws TypeError naming what {@link validateNeeds} refuses; for needs by request, when a request comes
 */
export function needsFor<Asked>(needs: RouteNeeds<Asked>): (request: Asked) => Needs | Promise<Needs> {
  if (typeof needs === 'function') return async (request) => validateNeeds(await needs(request))
  const same = validateNeeds(needs)
  return () => same
}
