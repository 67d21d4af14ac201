import { type CryptoKey, importJWK, type JWK } from 'jose'
import { publicMembers } from '../../protocol/jwk.js'

/** Keys of one set that are read, at most. */
const MAX_KEYS = 100

/** Bits. @see RFC 7518 section 3.3 */
const MIN_RSA_BITS = 2048

const defaultAlgs: Readonly<Record<string, string>> = {
  RSA: 'RS256',
  'EC P-256': 'ES256',
  'EC P-384': 'ES384',
  'EC P-521': 'ES512',
  'OKP Ed25519': 'Ed25519',
}

/**
 * Filters a key set: only usable keys remain. A key that is null, of an unknown type, malformed, too weak or duplicate is removed,
 * so that the others still work. A response that is not a key set is returned unchanged.
 */
export async function usableKeys(response: Response): Promise<Response> {
  if (response.status !== 200) return response
  const set = (await response.json()) as { keys?: unknown } | null
  if (!Array.isArray(set?.keys)) return Response.json(set)
  const found = new Map<string, JWK>()
  const read = await Promise.all(set.keys.slice(0, MAX_KEYS).map(readKey))
  for (const key of read) if (key) found.set(JSON.stringify(key), key)
  return Response.json({ keys: [...found.values()] })
}

async function readKey(candidate: unknown): Promise<JWK | undefined> {
  if (typeof candidate !== 'object' || candidate === null) return undefined
  const { kid, alg, use, key_ops, issuer, ...members } = candidate as Record<string, unknown>
  const publicKey = publicMembers(members)
  const { kty, crv } = publicKey
  const keyAlg = defaultAlgs[`${kty}`] ?? defaultAlgs[`${kty} ${crv}`]
  if (keyAlg === undefined || !isText(kid) || !isText(alg) || !isText(use) || !isText(issuer)) return undefined
  if (key_ops !== undefined && !Array.isArray(key_ops)) return undefined
  try {
    const key = (await importJWK({ ...publicKey, ext: true } as JWK, keyAlg)) as CryptoKey
    const { modulusLength = MIN_RSA_BITS } = key.algorithm as { modulusLength?: number }
    if (modulusLength < MIN_RSA_BITS) return undefined
  } catch {
    return undefined
  }
  const about = { kid, alg, use, key_ops, issuer }
  return {
    ...publicKey,
    ...Object.fromEntries(Object.entries(about).filter(([, value]) => value !== undefined)),
  } as JWK
}

const isText = (value: unknown): boolean => value === undefined || typeof value === 'string'
