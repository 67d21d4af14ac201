import { isSafeUrl } from '../protocol/option-checks.js'
import type { Authenticator } from '../protocol/principal.js'

/** Members of the metadata document that the guard does not know itself. @see RFC 9728 section 2 */
export interface ResourceMetadata {
  resource_name?: string
  scopes_supported?: readonly string[]
  resource_documentation?: string
  resource_policy_uri?: string
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** The metadata URL of a resource: the well-known path is inserted between host and path. @see RFC 9728 section 3.1 */
export function metadataUrl(resource: string): string {
  const { origin, pathname, search } = new URL(resource)
  return origin + WELL_KNOWN + (pathname === '/' ? '' : pathname) + search
}

/** Answers a request for the metadata document; `undefined` for every other request. */
export function metadataAnswer(
  request: Request,
  resource: string,
  accept: readonly Authenticator[],
  about: ResourceMetadata,
): Response | undefined {
  const requested = new URL(request.url)
  const own = new URL(metadataUrl(resource))
  if (requested.pathname !== own.pathname || !/^(GET|HEAD)$/.test(request.method)) return undefined
  // An issuer that is no URL has no metadata to find there.
  const issuers = accept.flatMap(({ issuers = [] }) => issuers.filter(isSafeUrl))
  const authorization_servers = [...new Set(issuers)]
  const document = {
    resource,
    ...(authorization_servers.length && { authorization_servers }),
    bearer_methods_supported: ['header'],
    ...about,
  }
  return Response.json(document, {
    headers: { 'Cache-Control': 'public, max-age=3600', 'Access-Control-Allow-Origin': '*' },
  })
}
