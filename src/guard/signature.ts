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
import { deepFreeze } from './deep-freeze.js'
import type { IssuerKeys } from './issuer-keys.js'

export interface SignatureCheckOptions {
  issuer: string
  algs: readonly string[]
  profile: 'rfc9068' | 'jwt'
  /** Where `generation` is, verified tokens are remembered as long as it stays the same; `undefined`: not now. */
  keys: JWTVerifyGetKey & Partial<Pick<IssuerKeys, 'generation' | 'knows'>>
}

/** What is wrong with a token; the message is for the operator's event alone. */
export class TokenFlaw extends Error {}

/** Tokens that are remembered: fewer than a thousand, about 2 MB; the longest unused make room. */
const MAX_CACHED = 998

/** Tokens of which it is known that they may have come before, by the end of their signature: a hint, and no more. */
const SEEN_SLOTS = 8192

/** What decoders let pass and base64url does not have: a token has one spelling. */
const nonBase64url = ['=', '+', '/', ' ', '\t']

interface CachedToken {
  resource: string
  generation: number
  claims?: JWTPayload
}

/**
 * The claims of a token whose signature, issuer and audience are right.
 *
 * A token that has passed twice is remembered by its digest for as long as the issuer's keys are the ones it was verified with:
 * from then on only what cannot change is left out. Times, bindings, replay, tenant and scope are the caller's to check, every
 * time. A token that comes once costs no digest.
 *
 * Rejects with {@link TokenFlaw}, with an error of jose, or with what `keys` rejects with.
 */
export function createSignatureCheck({ issuer, algs, profile, keys }: SignatureCheckOptions) {
  const remembered = createBoundedCache<CachedToken>(MAX_CACHED)
  const seen = new Int32Array(SEEN_SLOTS)
  const algorithms = { algorithms: [...algs] }
  const keyFor: JWTVerifyGetKey = (header, jws) => {
    const flaw = headerFlaw(header, profile)
    if (flaw !== undefined) throw new TokenFlaw(flaw)
    // Not believed yet, but a token of somebody else's makes nobody look for keys.
    if (keys.knows?.(header.kid) === false && decodeJwt(`.${jws.payload}.`).iss !== issuer)
      throw new TokenFlaw('issuer')
    return keys(header, jws)
  }

  /** By the one key that fits; where a set has several of one name, by any of them. */
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
      // A key that verifies nothing: too weak, or of another kind.
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
    if (![claims.aud].flat().includes(resource)) throw new TokenFlaw('aud')
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
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw new TokenFlaw('payload')
  return claims as JWTPayload
}

/** 30 bits of the signature. */
function signatureBits(token: string): number {
  let mark = 0
  for (let at = token.length - 6; at < token.length - 1; at++) mark = (mark << 6) ^ token.charCodeAt(at)
  return mark & 0x3fffffff
}

/** `jku`, `jwk`, `x5u`, `x5c` would let a token name its own key; `crit` says that it is not read right without what we do not know. */
const forbiddenMembers = ['crit', 'jku', 'jwk', 'x5u', 'x5c']

/** What is wrong with a header, before a key is looked for. */
function headerFlaw(header: JWTHeaderParameters, profile: 'rfc9068' | 'jwt'): string | undefined {
  // Whatever else stands there is ignored: RFC 7515 section 4.
  for (const name of forbiddenMembers) if (name in header) return 'header member'
  if (header.typ === 'at+jwt') return undefined
  const typ = typeof header.typ === 'string' ? header.typ.toLowerCase().replace(/^application\//, '') : header.typ
  if (profile === 'rfc9068') return typ === 'at+jwt' ? undefined : 'typ'
  return typ === undefined || typ === 'jwt' || typ === 'at+jwt' ? undefined : 'typ'
}
