import { decodeBase64url } from '../../protocol/base64url.js'
import { createBoundedCache } from '../../protocol/bounded-cache.js'
import type { Settings } from '../settings.js'
import type { Sessions } from './sessions.js'

/** Tokens whose audiences are remembered at most: each call looks at one. */
const REMEMBERED = 1000

export type TokenAudiences = ReturnType<typeof createTokenAudiences>

/**
 * Keeps one API's token from another API. A provider that ignores `resource` issues the same token whatever is asked for, and the
 * API that gets it could act at the one that it is for. A JWT whose `aud` names another of the configured `resources`, and not
 * the one that was asked for, is handed to nobody: neither to an API nor to the page, which would send it there.
 *
 * Tokens are only decoded. One that is opaque, or names nothing that is configured, is taken for what was asked for.
 *
 * @see RFC 8707 section 2, RFC 9700 section 2.3
 */
export function createTokenAudiences({ resources, emit }: Settings) {
  const configured = new Set(Object.keys(resources).map(plain))
  const remembered = createBoundedCache<readonly string[]>(REMEMBERED)
  const ignored = new Set<string>()

  function audiencesOf(token: string): readonly string[] {
    const known = remembered.get(token)
    if (known) return known
    const audiences = decoded(token).map(plain)
    remembered.set(token, audiences)
    return audiences
  }

  function isForAnother(token: string, wanted: readonly string[]): boolean {
    const audiences = audiencesOf(token)
    return !wanted.some((one) => audiences.includes(plain(one))) && audiences.some((one) => configured.has(one))
  }

  return {
    /** The resources for which another one's token was issued, since the start. */
    ignored: (): readonly string[] => [...ignored],

    /** The same sessions, of which nobody gets a token for another API than was asked for. */
    keepApart(sessions: Sessions): Sessions {
      if (configured.size < 2) return sessions
      return {
        ...sessions,
        async token(presence, wanted) {
          const outcome = await sessions.token(presence, wanted)
          const resource = wanted.resource.length ? wanted.resource : presence.record.resource
          if (outcome.type !== 'token' || !resource.length || !isForAnother(outcome.token.access_token, resource))
            return outcome
          for (const one of resource) ignored.add(one)
          emit({ type: 'resource_ignored', resource })
          return {
            type: 'refused',
            error: 'invalid_target',
            description: 'The provider has issued a token for another API than was asked for.',
          }
        },
      }
    },
  }
}

/** At a host's root the empty path and `/` are one. */
const plain = (resource: string): string => (URL.canParse(resource) ? new URL(resource).href : resource)

/** Who a token says that it is for; none for one that is no JWT. */
function decoded(token: string): string[] {
  const [, payload = '', signature] = token.split('.', 3)
  const bytes = signature === undefined ? undefined : decodeBase64url(payload)
  try {
    const { aud } = JSON.parse(new TextDecoder().decode(bytes)) as { aud?: unknown }
    return [aud].flat().filter((one) => typeof one === 'string')
  } catch {
    return []
  }
}
