import { decodeBase64url } from '../../protocol/base64url.js'
import type { ProviderSettings } from '../settings.js'
import { hasOtherType } from './id-token.js'
import { algorithmDetail } from './verify-jwt.js'

/** What the ID Token of a refresh is compared with. */
export interface OriginalIdToken {
  readonly iss: string
  readonly sub: string
  /** Absent in a session of an older release. */
  readonly nonce?: string
}

/** `foreign`: it is for another session. `refused`: it cannot be used, which says nothing about the session. */
type RefreshedIdToken =
  | { type: 'valid'; id_token: string }
  | { type: 'foreign' | 'refused'; claim: string; detail?: string }

/**
 * Compares the ID Token of a refresh with the original one. A different `iss`, `sub`, `aud`, `azp` or `nonce` means that the
 * whole response is for somebody else. The claims count even if the signature cannot be verified: they come from the token
 * endpoint, like the access token beside them. `exp` and `iat` do not count: providers send the original ID Token again.
 *
 * Does not verify the signature.
 *
 * @see OpenID Connect Core 1.0 section 12.2
 */
export function compareIdToken(
  id_token: unknown,
  { iss, sub, nonce }: OriginalIdToken,
  { client_id, idTokenAlgs }: Pick<ProviderSettings, 'client_id' | 'idTokenAlgs'>,
): RefreshedIdToken {
  const refused = (claim: string, detail?: string): RefreshedIdToken => ({
    type: 'refused',
    claim,
    ...(detail !== undefined && { detail }),
  })
  const foreign = (claim: string): RefreshedIdToken => ({ type: 'foreign', claim })
  if (typeof id_token !== 'string') return refused('format')
  const parts = id_token.split('.')
  const [header, claims] = parts.slice(0, 2).map(decodePart)
  if (parts.length !== 3 || !header || !claims) return refused('format')
  // Another kind of token is not judged by the rules for ID Tokens.
  if (hasOtherType(header.typ ?? undefined)) return refused('typ')
  const is = (claim: string, expected: string | undefined) =>
    claims[claim] == null || expected === undefined || claims[claim] === expected
  if (!is('iss', iss)) return foreign('iss')
  if (!is('sub', sub)) return foreign('sub')
  if (claims.aud != null && ![claims.aud].flat().includes(client_id)) return foreign('aud')
  if (!is('azp', client_id)) return foreign('azp')
  if (!is('nonce', nonce)) return foreign('nonce')
  const missing = ['iss', 'sub', 'aud'].find((claim) => claims[claim] == null)
  if (missing !== undefined) return refused(missing)
  if (typeof header.alg !== 'string' || !idTokenAlgs.includes(header.alg))
    return refused('alg', algorithmDetail(header.alg, idTokenAlgs))
  return { type: 'valid', id_token }
}

interface Part {
  typ?: unknown
  alg?: unknown
  aud?: unknown
  [member: string]: unknown
}

function decodePart(part: string): Part | undefined {
  try {
    const bytes = decodeBase64url(part)
    const json: unknown = bytes && JSON.parse(new TextDecoder().decode(bytes))
    return json instanceof Object && !Array.isArray(json) ? { ...json } : undefined
  } catch {
    return undefined
  }
}
