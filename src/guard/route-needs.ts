import type { Needs } from './needs.js'

/** What a route needs: the same of every caller, or by the request, where a tenant stands in the path. */
export type RouteNeeds<Asked> = Needs | ((request: Asked) => Found | Promise<Found>)

/** What is looked for in a request may not be there; {@link needsFor} says so. */
type Found = { readonly [Name in keyof Needs]: Needs[Name] | undefined }

const names: Readonly<Record<keyof Needs, true>> = {
  scopes: true,
  tenant: true,
  methods: true,
  bound: true,
  acr: true,
  maxAge: true,
  action: true,
}

/**
 * How a route's needs are found. A need that is misspelt (`scope`), or that has no value (`tenant: params.tenat`), would be none
 * at all and let everybody in.
 *
 * @throws TypeError naming it; for needs by request, when a request comes
 */
export function needsFor<Asked>(needs: RouteNeeds<Asked>): (request: Asked) => Needs | Promise<Needs> {
  if (typeof needs === 'function') return async (request) => examined(await needs(request))
  const same = examined(needs)
  return () => same
}

function examined(needs: Found): Needs {
  for (const [name, value] of Object.entries(needs)) {
    if (!Object.hasOwn(names, name))
      throw new TypeError(`guard: "${name}" is none of a route's needs: ${Object.keys(names).join(', ')}`)
    if (value === undefined) throw new TypeError(`guard: "${name}" of this route's needs is undefined`)
  }
  return needs as Needs
}
