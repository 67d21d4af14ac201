import { decodeJwt, type JWTHeaderParameters, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose'
import { platform } from '../crypto/platform.js'
import { createBounded } from '../protocol/bounded.js'
import type { IssuerKeys } from './issuer-keys.js'

export interface SignatureCheckOptions {
  issuer: string
  algs: readonly string[]
  profile: 'rfc9068' | 'jwt'
  clockTolerance: number
  /** Where `generation` is, verified tokens are remembered as long as it stays the same; `undefined`: not now. */
  keys: JWTVerifyGetKey & Partial<Pick<IssuerKeys, 'generation' | 'knows'>>
}

/** What is wrong with a token; the message is for the operator's event alone. */
export class TokenFlaw extends Error {}

/** Tokens that are remembered: fewer than a thousand, about 2 MB; the longest unused make room. */
const REMEMBERED = 998

/** Characters from the end of a token by which it may have been seen before: a hint, and no more. */
const TAIL = 22

/** Absent `digest`: seen once, and not remembered yet. */
interface Known {
  digest?: string
  resource?: string
  generation?: number
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
export function createSignatureCheck({ issuer, algs, profile, clockTolerance, keys }: SignatureCheckOptions) {
  const remembered = createBounded<Known>(REMEMBERED)
  const keyFor =
    (token: string): JWTVerifyGetKey =>
    async (header, jws) => {
      const flaw = headerFlaw(header, profile)
      if (flaw !== undefined) throw new TokenFlaw(flaw)
      // Not believed yet, but a token of somebody else's makes nobody look for keys.
      if (keys.knows?.(header.kid) === false && decodeJwt(token).iss !== issuer) throw new TokenFlaw('issuer')
      return keys(header, jws)
    }

  return async (token: string, resource: string, now: () => number): Promise<JWTPayload> => {
    const generation = keys.generation?.()
    const tail = token.slice(-TAIL)
    const known = generation === undefined ? undefined : remembered.get(tail)
    const digest = known && (await platform.sha256(token))
    if (
      known?.digest !== undefined &&
      known.digest === digest &&
      known.generation === generation &&
      known.resource === resource
    ) {
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
    remembered.set(tail, digest === undefined ? {} : { digest, resource, generation })
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
