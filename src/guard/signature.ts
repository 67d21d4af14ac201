import { decodeJwt, type JWTHeaderParameters, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { platform } from '../crypto/platform.js'
import { createBounded } from '../protocol/bounded.js'

export interface SignatureCheckOptions {
  issuer: string
  algs: readonly string[]
  profile: 'rfc9068' | 'jwt'
  clockTolerance: number
  /** Where `generation` is, verified tokens are remembered as long as it stays the same; `undefined`: not now. */
  keys: JWTVerifyGetKey & { generation?(): number | undefined }
}

/** What is wrong with a token; the message is for the operator's event alone. */
export class TokenFlaw extends Error {}

/** Tokens that are remembered: fewer than a thousand, about 2 MB; the longest unused make room. */
const REMEMBERED = 998

/**
 * The claims of a token whose signature, issuer and audience are right.
 *
 * A token that has passed is remembered by its digest for as long as the issuer's keys are the ones it was verified with:
 * only what cannot change is left out the second time. Times, bindings, replay, tenant and scope are the caller's to
 * check, every time.
 *
 * Rejects with {@link TokenFlaw}, with an error of jose, or with what `keys` rejects with.
 */
export function createSignatureCheck({ issuer, algs, profile, clockTolerance, keys }: SignatureCheckOptions) {
  const remembered = createBounded<{ resource: string; generation: number; claims?: JWTPayload }>(REMEMBERED)
  const keyFor =
    (token: string): JWTVerifyGetKey =>
    async (header, jws) => {
      const flaw = headerFlaw(header, profile)
      if (flaw !== undefined) throw new TokenFlaw(flaw)
      // Not believed yet, but a token of somebody else's makes nobody look for keys.
      if (decodeJwt(token).iss !== issuer) throw new TokenFlaw('issuer')
      return keys(header, jws)
    }

  return async (token: string, resource: string, now: () => number): Promise<JWTPayload> => {
    const generation = keys.generation?.()
    const digest = generation === undefined ? '' : await platform.sha256(token)
    const known = remembered.get(digest)
    if (known && known.generation === generation && known.resource === resource) {
      known.claims ??= frozen(decodeJwt(token))
      return known.claims
    }
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) throw new TokenFlaw('not a signed JWT')
    const { payload } = await jwtVerify(token, keyFor(token), {
      algorithms: [...algs],
      issuer,
      audience: resource,
      clockTolerance,
      currentDate: new Date(now() * 1000),
      requiredClaims: ['exp', ...(profile === 'rfc9068' ? ['sub', 'client_id', 'iat', 'jti'] : ['sub'])],
    })
    if (generation === undefined || keys.generation?.() !== generation) return payload
    remembered.set(digest, { resource, generation })
    return payload
  }
}

/** What is handed out more than once: one request's handler must not write what the next one reads. */
export function frozen<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null) for (const member of Object.values(value)) frozen(member)
  return Object.freeze(value)
}

const headerMembers = new Set(['alg', 'kid', 'typ', 'x5t', 'x5t#S256', 'cty', 'rh', 'nonce'])

/** What is wrong with a header, before a key is looked for. */
function headerFlaw(header: JWTHeaderParameters, profile: 'rfc9068' | 'jwt'): string | undefined {
  // `jku`, `jwk`, `x5u`, `x5c` would let a token name its own key; `crit`, `zip`, `b64`, `enc` change what is signed.
  if (Object.keys(header).some((name) => !headerMembers.has(name))) return 'header member'
  const typ = typeof header.typ === 'string' ? header.typ.toLowerCase().replace(/^application\//, '') : header.typ
  if (profile === 'rfc9068') return typ === 'at+jwt' ? undefined : 'typ'
  return typ === undefined || typ === 'jwt' || typ === 'at+jwt' ? undefined : 'typ'
}
