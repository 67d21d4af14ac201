import {
  compactVerify,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyGetKey,
} from 'jose'
import { platform } from '../crypto/platform.js'
import { createBoundedCache } from '../protocol/bounded-cache.js'
import { deepFreeze } from '../protocol/deep-freeze.js'
import { isForAudience } from '../protocol/http/resource.js'
import { isObject } from '../protocol/shape.js'
import type { IssuerKeys } from './issuer-keys.js'

interface SignatureCheckOptions {
  issuer: string
  /** `undefined`: the resource of the guard. */
  audience: readonly string[] | undefined
  algs: readonly string[]
  profile: 'rfc9068' | 'jwt'
  /** If it has `generation`, verified tokens are cached until the generation changes; `undefined`: no caching now. */
  keys: JWTVerifyGetKey & Partial<Pick<IssuerKeys, 'generation' | 'knows'>>
}

/** What is wrong with a token. The message is only for the operator's event. */
export class TokenFlaw extends Error {}

/** Tokens in the cache, at most; about 2 MB. The least recently used are removed first. */
const MAX_CACHED = 998

/** Slots of the table of tokens seen before, by the last bits of their signature. It is only a hint for the cache. */
const SEEN_SLOTS = 8192

/** Decoders accept these characters, base64url does not contain them. A token must have one spelling. */
const nonBase64url = ['=', '+', '/', ' ', '\t']

interface CachedToken {
  resource: string
  generation: number
  claims?: JWTPayload
}

/**
 * Verifies signature, issuer and audience of a token, and returns its claims.
 *
 * A token that was verified twice is cached by its digest until the issuer's keys change. Only checks whose result cannot change
 * are skipped then. The caller must check times, binding, replay, tenant and scope every time. No digest is computed for a token
 * that is seen once.
 *
 * Rejects with {@link TokenFlaw}, an error of jose, or the error of `keys`.
 */
export function createSignatureCheck({ issuer, audience, algs, profile, keys }: SignatureCheckOptions) {
  const remembered = createBoundedCache<CachedToken>(MAX_CACHED)
  const seen = new Int32Array(SEEN_SLOTS)
  const algorithms = { algorithms: [...algs] }
  const keyFor: JWTVerifyGetKey = (header, jws) => {
    const flaw = headerFlaw(header, profile)
    if (flaw !== undefined) throw new TokenFlaw(flaw)
    // `iss` is not verified yet. But a token of another issuer must not cause a fetch of keys.
    if (keys.knows?.(header.kid) === false && decodeJwt(`.${jws.payload}.`).iss !== issuer)
      throw new TokenFlaw('issuer')
    return keys(header, jws)
  }

  /** Verifies with the matching key, or with any of several keys that have the same `kid`. */
  async function verifyPayload(token: string): Promise<Uint8Array> {
    let chosen = false
    try {
      const choose: JWTVerifyGetKey = async (header, jws) => {
        const key = await keyFor(header, jws)
        chosen = true
        return key
      }
      return (await compactVerify(token, choose, algorithms)).payload
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys && 'kid' in decodeProtectedHeader(token))
        for await (const key of error)
          try {
            return (await compactVerify(token, key, algorithms)).payload
          } catch {}
      // The key itself is unusable: too weak, or of another type.
      if (chosen && !(error instanceof errors.JOSEError)) throw new TokenFlaw('key')
      throw error
    }
  }

  return async (token: string, resource: string): Promise<JWTPayload> => {
    const generation = keys.generation?.()
    const mark = signatureBits(token)
    const digest = seen[mark % SEEN_SLOTS] === mark ? await platform.sha256(token) : undefined
    const known = digest === undefined ? undefined : remembered.get(digest)
    if (known && known.generation === generation && known.resource === resource) {
      known.claims ??= deepFreeze(decodeJwt(token))
      return known.claims
    }
    if (nonBase64url.some((mark) => token.includes(mark))) throw new TokenFlaw('not base64url')
    const claims = deepFreeze(claimsIn(await verifyPayload(token)))
    if (claims.iss !== issuer) throw new TokenFlaw('iss')
    if (!isForAudience(claims.aud, audience ?? [resource])) throw new TokenFlaw('aud')
    if (generation === undefined || keys.generation?.() !== generation) return claims
    if (digest === undefined) seen[mark % SEEN_SLOTS] = mark
    else remembered.set(digest, { resource, generation })
    return claims
  }
}

const decoder = new TextDecoder()

function claimsIn(payload: Uint8Array): JWTPayload {
  let claims: unknown
  try {
    claims = JSON.parse(decoder.decode(payload))
  } catch {}
  if (!isObject(claims)) throw new TokenFlaw('payload')
  return claims
}

/** The last 30 bits of the signature. */
function signatureBits(token: string): number {
  let mark = 0
  for (let at = token.length - 6; at < token.length - 1; at++) mark = (mark << 6) ^ token.charCodeAt(at)
  return mark & 0x3fffffff
}

/** `jku`, `jwk`, `x5u`, `x5c` would let a token choose its own key. `crit` requires extensions that are not supported here. */
const forbiddenMembers = ['crit', 'jku', 'jwk', 'x5u', 'x5c']

/** What is wrong with a header. Checked before the search for a key. */
function headerFlaw(header: JWTHeaderParameters, profile: 'rfc9068' | 'jwt'): string | undefined {
  // Other members are ignored: RFC 7515 section 4.
  for (const name of forbiddenMembers) if (name in header) return 'header member'
  if (isAccessTokenType(header.typ)) return undefined
  const plain = header.typ === undefined || /^(application\/)?jwt$/i.test(`${header.typ}`)
  return profile === 'jwt' && plain ? undefined : 'typ'
}

/** @see RFC 9068 section 2.1 */
export const isAccessTokenType = (typ: unknown): boolean =>
  typ === 'at+jwt' || (typeof typ === 'string' && /^(application\/)?at\+jwt$/i.test(typ))
