import { calculateJwkThumbprint, decodeJwt, exportJWK, importJWK, type JWK } from 'jose'
import { publicMembers } from '../../protocol/jwk.js'
import { resolveSecret, type Secret } from '../../protocol/secret.js'
import { ProviderError } from '../errors.js'

/** A private key, and how the provider identifies it. */
export interface PrivateKey {
  readonly key: CryptoKey
  readonly kid?: string
  readonly alg: string
  /** The public key, for DPoP proofs. */
  readonly publicKey: CryptoKey
}

/** The algorithm by curve, for a JWK without `alg`. */
const defaultAlgs: Readonly<Record<string, string>> = { 'P-256': 'ES256', Ed25519: 'EdDSA' }

/** Reads a private key from a JWK in JSON. @throws ProviderError `operator_error` that names the option */
export async function readPrivateKey(option: string, secret: Secret): Promise<PrivateKey> {
  try {
    const jwk = JSON.parse(await resolveSecret(secret)) as JWK
    const alg = jwk.alg ?? defaultAlgs[`${jwk.crv}`] ?? 'RS256'
    const { kid } = jwk
    return {
      key: (await importJWK(jwk, alg)) as CryptoKey,
      publicKey: (await importJWK({ ...publicMembers(jwk), ext: true } as JWK, alg)) as CryptoKey,
      alg,
      ...(kid !== undefined && { kid }),
    }
  } catch (error) {
    throw new ProviderError('operator_error', {
      description: `"${option}" is not a private key as a JWK.`,
      cause: error,
    })
  }
}

/** The thumbprint of a public key. @see RFC 7638 */
export const thumbprint = async (key: CryptoKey): Promise<string> => calculateJwkThumbprint(await exportJWK(key))

/** The thumbprint of the key that a JWT is bound to, without verifying it; '' if unknown. @see RFC 9449 section 6.1 */
export function jktOf(token: string): string {
  try {
    return `${(decodeJwt(token)['cnf'] as { jkt?: unknown } | undefined)?.jkt}`
  } catch {
    return ''
  }
}
