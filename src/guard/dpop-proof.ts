import { calculateJwkThumbprint, EmbeddedJWK, type JWK, jwtVerify } from 'jose'
import { sha256 } from '../crypto/hash.js'
import { platform } from '../crypto/platform.js'
import { isHttpUrl, type PublicUrl, publicUrlOf } from '../protocol/http/public-url.js'
import { CLOCK_TOLERANCE } from '../protocol/time.js'
import { type RecordStore, StoreError } from '../store/contract.js'
import { memoryStore } from '../store/memory/store.js'
import { proofAlgs } from './proof-algs.js'

export interface DpopOptions {
  /**
   * Where used proofs are stored. Share one store between all processes of this API; otherwise each process accepts a proof
   * once. Default: the memory of this process.
   */
  store?: RecordStore
  /**
   * The public URL of this API, compared with `htu`. Default: the origin of the guard's `resource`, with the path of the request;
   * `Host` is never used. Set an origin if `resource` is not a URL or has another origin; a function if a proxy changes the path.
   */
  publicUrl?: PublicUrl
  /** Seconds between `iat` of a proof and the guard's clock, at most, in both directions. Default 60. */
  maxAge?: number
  /**
   * 32 characters or more, the same in all processes of this API. Proofs must then contain a nonce derived from it, so that
   * proofs cannot be made in advance. A nonce changes every five minutes. Callers get it with the error `use_dpop_nonce`.
   * Default: no nonces.
   *
   * @see RFC 9449 section 9
   */
  nonceKey?: string
}

/** Seconds that a nonce is issued. It is accepted for as long again. */
const NONCE_LIFETIME = 300

/** Characters. A longer proof is refused before any computation. */
const MAX_PROOF_LENGTH = 8192

type ProofResult = { ok: true } | { ok: false; detail: string; nonce?: string } | { ok: 'unknown' }

/**
 * Checks DPoP proofs. A proof is validated completely before its `jti` is stored as used. Its age, the single use, and the nonce
 * (if required) limit what a stolen proof can do.
 *
 * @throws TypeError when `nonceKey` is too short, or `publicUrl` is not an origin
 * @see RFC 9449 section 4.3
 */
export function createProofCheck({ store, publicUrl, maxAge = 60, nonceKey }: DpopOptions) {
  if (nonceKey !== undefined && nonceKey.length < 32)
    throw new TypeError('accessToken: "dpop.nonceKey" must have at least 32 characters')
  if (typeof publicUrl === 'string' && !isHttpUrl(publicUrl))
    throw new TypeError('accessToken: "dpop.publicUrl" must be an origin like https://api.example.com, or a function')
  let usedProofs = store

  /** The nonce of the period that contains `seconds`. It is derived: nothing is stored, and every process computes the same. */
  const nonceAt = async (key: string, seconds: number): Promise<string> =>
    platform.encode(
      await platform.hkdf(
        new TextEncoder().encode(key),
        `sallyport dpop nonce ${Math.floor(seconds / NONCE_LIFETIME)}`,
      ),
    )

  /**
   * @param jkt the thumbprint of the key that the token is bound to
   * @param resource the public URL of this API, unless `publicUrl` is set
   */
  return async (
    request: Request,
    token: string,
    jkt: string,
    resource: string,
    now: () => number,
  ): Promise<ProofResult> => {
    const proofFlaw = (detail: string) => ({ ok: false as const, detail })
    const proof = request.headers.get('dpop') ?? ''
    if (proof.length > MAX_PROOF_LENGTH || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(proof)) return proofFlaw('no proof')
    let claims: Record<string, unknown>
    let jwk: JWK
    try {
      const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
        typ: 'dpop+jwt',
        algorithms: proofAlgs,
        currentDate: new Date(now() * 1000),
        clockTolerance: maxAge,
        requiredClaims: ['jti', 'iat', 'htm', 'htu', 'ath'],
      })
      claims = payload
      jwk = protectedHeader.jwk as JWK
    } catch {
      return proofFlaw('proof')
    }
    const { htm, htu, ath, jti, iat } = claims
    if ((await calculateJwkThumbprint(jwk)) !== jkt) return proofFlaw('key')
    if (htm !== request.method) return proofFlaw('htm')
    const address = publicUrlOf(request, publicUrl ?? resource)
    if (!address) return proofFlaw('htu: "resource" is no URL, set "dpop.publicUrl"')
    if (typeof htu !== 'string' || withoutQuery(htu) !== withoutQuery(address.href)) return proofFlaw('htu')
    if (ath !== (await sha256(token))) return proofFlaw('ath')
    if (typeof iat !== 'number' || Math.abs(now() - iat) > maxAge) return proofFlaw('iat')
    if (typeof jti !== 'string' || !jti || jti.length > 256) return proofFlaw('jti')
    if (nonceKey !== undefined) {
      const nonce = await nonceAt(nonceKey, now())
      if (claims['nonce'] !== nonce && claims['nonce'] !== (await nonceAt(nonceKey, now() - NONCE_LIFETIME)))
        return { ...proofFlaw('nonce'), nonce }
    }
    // Stored for longer than the proof is valid, in case the clock of the store is ahead.
    const id = await sha256(`${jkt} ${jti}`)
    usedProofs ??= memoryStore({ now })
    try {
      const first = await usedProofs.consume(
        { kind: 'dpop-proof', partition: id.slice(0, 8), id },
        2 * maxAge + CLOCK_TOLERANCE,
      )
      return first ? { ok: true } : proofFlaw('used')
    } catch (error) {
      if (error instanceof StoreError) return { ok: 'unknown' }
      throw error
    }
  }
}

/** A normalized URL without query and fragment. `undefined`: not a URL. */
function withoutQuery(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { origin, pathname } = new URL(text)
  return origin + pathname
}
