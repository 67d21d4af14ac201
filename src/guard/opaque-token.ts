import { platform } from '../crypto/platform.js'
import { createBoundedCache } from '../protocol/bounded-cache.js'
import { deepFreeze } from '../protocol/deep-freeze.js'
import { isForAudience } from '../protocol/http/resource.js'
import { monotonicClock } from '../protocol/time.js'
import { checkBinding } from './binding.js'
import { type Claims, isAccessTokenTyp, isText, principalOf, timeFlaw } from './claims.js'
import { createProofCheck } from './dpop-proof.js'
import type { createIntrospection, IntrospectionResult } from './introspection.js'
import type { AccessTokenOptions, IntrospectionOptions } from './options.js'
import { boundResult, invalidToken, mistaken, revocationOf, type TokenVerifier, unavailable } from './results.js'

/** Introspection responses in the cache, at most. The least recently used are removed first. */
const MAX_CACHED = 998

/** The characters of a token in `Authorization`. @see RFC 6750 section 2.1 */
const b64token = /^[\w.~+/-]+=*$/

/**
 * Verifies opaque tokens by introspection. Concurrent requests with the same token share one introspection. Only active
 * responses are cached, by the token's digest, for `maxAge` and never past `exp`. The claims of the response are checked every time.
 *
 * @see RFC 7662
 */
export function createOpaqueTokenVerifier(options: AccessTokenOptions, client: IntrospectionOptions): TokenVerifier {
  const { issuer, audience, clockTolerance = 30, tenantClaim = 'tenant' } = options
  const { maxAge = 30 } = client
  const checkProof = createProofCheck(options.dpop ?? {})
  const cache = createBoundedCache<{ answer: Claims; until: number }>(MAX_CACHED)
  const pending = new Map<string, Promise<IntrospectionResult>>()
  let introspect: ReturnType<typeof createIntrospection> | undefined
  let clock: (() => number) | undefined

  async function ask(digest: string, token: string, now: () => number): Promise<IntrospectionResult> {
    // Loaded when needed: APIs that accept only JWTs do not load the library.
    const { createIntrospection } = await import('./introspection.js')
    introspect ??= createIntrospection(options, client, now)
    clock ??= monotonicClock(now)
    const at = clock()
    const result = await introspect(token, digest)
    if (!result.ok || result.answer['active'] !== true) return result
    const answer = deepFreeze(result.answer)
    cache.set(digest, { answer, until: at + maxAge })
    return { ok: true, answer }
  }

  async function answerOf(token: string, now: () => number): Promise<IntrospectionResult> {
    const digest = await platform.sha256(token)
    const known = cache.get(digest)
    if (known && clock && clock() < known.until && !isExpired(known.answer, now()))
      return { ok: true, answer: known.answer }
    const introspection = pending.get(digest) ?? ask(digest, token, now).finally(() => pending.delete(digest))
    pending.set(digest, introspection)
    return introspection
  }

  return async (request, token, scheme, resource, now) => {
    if (!b64token.test(token)) return invalidToken('form')
    const result = await answerOf(token, now)
    if (!result.ok) return (result.temporary ? unavailable : mistaken)(result.detail, result.retryAfter)
    const { answer } = result
    const flaw =
      answerFlaw(answer, issuer, audience === undefined ? [resource] : [audience].flat()) ??
      timeFlaw(answer, now(), clockTolerance)
    if (flaw) return invalidToken(flaw)
    const revocation = options.revokedUntil && (await revocationOf(options, answer))
    if (revocation) return revocation
    const binding = await checkBinding(request, token, answer['cnf'], scheme, checkProof, resource, now)
    return boundResult(binding, { ...principalOf(answer, tenantClaim), iss: issuer })
  }
}

const isExpired = ({ exp }: Claims, now: number): boolean => typeof exp === 'number' && now >= exp

/** The member that is wrong in an introspection response, besides its times. A refresh token can be active too. @see RFC 7662 section 2.2 */
function answerFlaw(answer: Claims, issuer: string, accepted: readonly string[]): string | undefined {
  const { active, iss, aud, sub, client_id, token_type, token_use, typ, cnf } = answer
  if (active !== true) return 'inactive'
  if (iss !== undefined && iss !== issuer) return 'issuer'
  if (!isForAudience(aud, accepted)) return aud === undefined ? 'no audience' : 'audience'
  const scheme = token_type === undefined ? 'bearer' : `${token_type}`.toLowerCase()
  const { jkt } = (cnf ?? {}) as { jkt?: unknown }
  // DPoP without a key would drop the binding.
  if (scheme !== 'bearer' && (scheme !== 'dpop' || jkt === undefined)) return 'token_type'
  // The kind of token: `token_use` of Hydra, `typ` of Keycloak.
  if (token_use !== undefined && token_use !== 'access_token') return 'token_use'
  if (typ !== undefined && !isAccessTokenTyp(answer)) return 'typ'
  return isText(sub ?? client_id) ? undefined : 'sub'
}
