import { calculateJwkThumbprint, decodeJwt, exportJWK, importJWK, type JWK } from 'jose'
import { publicMembers } from '../../protocol/jwk.js'
import { resolveSecret, type Secret } from '../../protocol/secret.js'
import { ProviderError } from '../errors.js'

/** A private key as it signs, and what the other side knows it by. */
export interface PrivateKey {
  readonly key: CryptoKey
  readonly kid?: string
  readonly alg: string
  /** The public half, which a proof carries. */
  readonly publicKey: CryptoKey
}

/** Algorithms by curve, for a JWK that does not say. */
const usual: Readonly<Record<string, string>> = { 'P-256': 'ES256', Ed25519: 'EdDSA' }

/** Reads a private key from a JWK in JSON. @throws ProviderError `operator_error` that names the option */
export async function readPrivateKey(option: string, secret: Secret): Promise<PrivateKey> {
  try {
    const jwk = JSON.parse(await resolveSecret(secret)) as JWK
    const alg = jwk.alg ?? usual[`${jwk.crv}`] ?? 'RS256'
    const { kid } = jwk
    return {
      key: (await importJWK(jwk, alg)) as CryptoKey,
      publicKey: (await importJWK({ ...publicMembers(jwk), ext: true } as JWK, alg)) as CryptoKey,
      alg,
      ...(kid !== undefined && { kid }),
    }
  } catch (error) {
    throw new ProviderError('operator_error', { description: `"${option}" is no private key as a JWK.`, cause: error })
  }
}

/** What a public key is known by. @see RFC 7638 */
export const thumbprint = async (key: CryptoKey): Promise<string> => calculateJwkThumbprint(await exportJWK(key))

/** What a token says of the key that it is bound to; '' where it is no JWT, or says nothing. @see RFC 9449 section 6.1 */
export function jktOf(token: string): string {
  try {
    return `${(decodeJwt(token)['cnf'] as { jkt?: unknown } | undefined)?.jkt}`
  } catch {
    return ''
  }
}
