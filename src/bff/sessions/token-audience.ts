import { decodeBase64url } from '../../protocol/base64url.js'
import { createBoundedCache } from '../../protocol/bounded-cache.js'
import type { Settings } from '../settings.js'
import type { Sessions } from './sessions.js'

/** The audiences of this many tokens are remembered. */
const MAX_REMEMBERED = 1000

export type TokenAudiences = ReturnType<typeof createTokenAudiences>

/**
 * Checks that a token is for the requested API. A provider that ignores `resource` issues one token for all APIs, so an API
 * could use the token at another API. A JWT whose `aud` names another of the configured `resources`, and not the requested one,
 * is refused: neither the page nor an API gets it.
 *
 * Tokens are only decoded, not verified. An opaque token passes, and so does one whose `aud` names no configured resource.
 *
 * @see RFC 8707 section 2, RFC 9700 section 2.3
 */
export function createTokenAudiences({ resources, emit }: Settings) {
  const configured = new Set(Object.keys(resources).map(normalized))
  const remembered = createBoundedCache<readonly string[]>(MAX_REMEMBERED)
  const ignoredResources = new Set<string>()

  function audiencesOf(token: string): readonly string[] {
    const known = remembered.get(token)
    if (known) return known
    const audiences = decodeAudiences(token).map(normalized)
    remembered.set(token, audiences)
    return audiences
  }

  function isForOtherApi(token: string, requested: readonly string[]): boolean {
    const audiences = audiencesOf(token)
    return (
      !requested.some((resource) => audiences.includes(normalized(resource))) &&
      audiences.some((audience) => configured.has(audience))
    )
  }

  return {
    /** The resources for which the provider has issued a token for another API, since the start. */
    ignored: (): readonly string[] => [...ignoredResources],

    /** The same sessions. Their `token()` refuses a token for another API. */
    withAudienceCheck(sessions: Sessions): Sessions {
      if (configured.size < 2) return sessions
      return {
        ...sessions,
        async token(session, requested) {
          const outcome = await sessions.token(session, requested)
          const resource = requested.resource.length ? requested.resource : session.record.resource
          if (outcome.type !== 'token' || !resource.length || !isForOtherApi(outcome.token.access_token, resource))
            return outcome
          for (const item of resource) ignoredResources.add(item)
          emit({ type: 'resource_ignored', resource })
          return {
            type: 'refused',
            error: 'invalid_target',
            description: 'The provider has issued a token for another API than the requested one.',
          }
        },
      }
    },
  }
}

/** `https://api.example.com`, with a slash or the port 443, and in capitals, is the same API: a provider may write it in another way. */
const normalized = (resource: string): string => (URL.canParse(resource) ? new URL(resource).href : resource)

/** `aud` of a JWT; empty for an opaque token. */
function decodeAudiences(token: string): string[] {
  const [, payload = '', signature] = token.split('.', 3)
  const bytes = signature === undefined ? undefined : decodeBase64url(payload)
  try {
    const { aud } = JSON.parse(new TextDecoder().decode(bytes)) as { aud?: unknown }
    return [aud].flat().filter((audience) => typeof audience === 'string')
  } catch {
    return []
  }
}
