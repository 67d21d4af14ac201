import { type CryptoKey, calculateJwkThumbprint, exportJWK, importJWK, type JWK, type JWTHeaderParameters } from 'jose'
import { privateKeyFlaw, publicMembers } from '../protocol/jwk.js'
import { createSecretCache, isDynamic, resolveSecret, type Secret } from '../protocol/secret.js'
import { CLOCK_TOLERANCE, type Now } from '../protocol/time.js'

/** The algorithms that tokens can be signed with. */
export type SigningAlg = 'ES256' | 'EdDSA' | 'RS256' | 'HS256'

export interface SigningKey {
  readonly alg: SigningAlg
  /** A private key as a JWK in JSON; for HS256 a text of 32 characters or more. Or a function that gets it. */
  readonly key: Secret
}

/** An imported key. `kid` is its RFC 7638 thumbprint; for a shared secret, a part of its digest. */
interface ReadyKey {
  kid: string
  alg: SigningAlg
  sign: CryptoKey | Uint8Array
  verify: CryptoKey | Uint8Array
  /** The public key. A shared secret has none. */
  publicJwk: JWK | undefined
}

const misuse = (alg: string, remedy: string) => new TypeError(`createTokenIssuer: "keys": a key for ${alg} ${remedy}`)

/** A key from a function is validated when the function returns it. @throws TypeError naming what is wrong, never the key */
export function validateKey({ alg, key }: SigningKey): void {
  const flaw = typeof key === 'function' ? undefined : keyFlaw(alg, key)
  if (flaw !== undefined) throw misuse(alg, flaw)
}

function keyFlaw(alg: SigningAlg, text: string): string | undefined {
  if (alg !== 'HS256') return privateKeyFlaw(text, alg)
  // RFC 7518 section 3.2: at least as long as the hash.
  return new TextEncoder().encode(text).length < 32 ? 'must have at least 32 bytes' : undefined
}

/** @throws TypeError naming what is wrong with a key, never the key */
async function readySigningKey({ alg, key }: SigningKey): Promise<ReadyKey> {
  const text = await resolveSecret(key)
  const flaw = typeof text === 'string' ? keyFlaw(alg, text) : 'must be a text'
  if (flaw !== undefined) throw misuse(alg, flaw)
  if (alg === 'HS256') {
    const bytes = new TextEncoder().encode(text)
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    const kid = [...digest.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
    return { kid, alg, sign: bytes, verify: bytes, publicJwk: undefined }
  }
  try {
    const jwk = JSON.parse(text) as JWK
    const publicKey = publicMembers(jwk) as JWK
    const sign = (await importJWK({ ...jwk, ext: false } as JWK, alg)) as CryptoKey
    const verify = (await importJWK({ ...publicKey, ext: true } as JWK, alg)) as CryptoKey
    const kid = await calculateJwkThumbprint(publicKey)
    return { kid, alg, sign, verify, publicJwk: { ...(await exportJWK(verify)), kid, alg, use: 'sig' } }
  } catch {
    throw misuse(alg, 'must be a private key as a JWK in JSON')
  }
}

/**
 * The current keys; the first one signs. A key that its function no longer returns verifies until the last token signed with it
 * expires. @throws TypeError naming what is wrong with a key, never the key
 */
export function createReadyKeys(keys: readonly SigningKey[], lifetime: number, now: Now, onFailure: () => void) {
  let replaced: { key: ReadyKey; until: number }[] = []
  let last: readonly ReadyKey[] = []

  async function read(): Promise<readonly [ReadyKey, ...ReadyKey[]]> {
    const fresh = await Promise.all(keys.map(readySigningKey))
    const isGone = ({ kid }: ReadyKey) => !fresh.some((key) => key.kid === kid)
    const until = now() + lifetime + CLOCK_TOLERANCE
    replaced = [
      ...replaced.filter((one) => one.until > now() && isGone(one.key)),
      ...last.filter(isGone).map((key) => ({ key, until })),
    ]
    last = fresh
    return [...fresh, ...replaced.map(({ key }) => key)] as [ReadyKey, ...ReadyKey[]]
  }

  return createSecretCache(read, { dynamic: isDynamic(keys.map(({ key }) => key)), now, onFailure })
}

/** Finds the key with the `kid` and the `alg` of a token. */
export const keyFinder = (ready: () => Promise<readonly ReadyKey[]>) => async (header: JWTHeaderParameters) => {
  const found = (await ready()).find(({ kid, alg }) => kid === header.kid && alg === header.alg)
  if (!found) throw new UnknownKey()
  return found.verify
}

/** The token names an unknown key. This is an invalid token, not an outage. */
class UnknownKey extends Error {
  readonly code = 'unknown key'
}
