import { generateProof } from 'dpop'
import { createSecretCache, isDynamic, type Secret, type SecretCacheOptions } from '../../protocol/secret.js'
import { jktOf, readPrivateKey, thumbprint } from './private-key.js'

/** Nonces are remembered for this many origins at most. */
const MAX_NONCES = 256
/** Key pairs in memory: the newest one, and older ones that tokens may still be bound to. */
const MAX_KEYS = 4

export type Dpop = ReturnType<typeof createDpop>

/**
 * DPoP proofs for this client and the APIs that it calls. A stolen token cannot be used without the private key, which stays in
 * this process. @see RFC 9449 sections 4 and 7
 */
export function createDpop(dpopKey: Secret, options: Pick<SecretCacheOptions, 'now' | 'onFailure'> = {}) {
  const nonces = new Map<string, string>()
  /** By thumbprint. The newest is last. */
  const keyPairs = new Map<string, CryptoKeyPair>()
  const readKeyPair = async (): Promise<CryptoKeyPair> => {
    const { key, publicKey } = await readPrivateKey('dpopKey', dpopKey)
    const jkt = await thumbprint(publicKey)
    const current = keyPairs.get(jkt) ?? { privateKey: key, publicKey }
    keyPairs.delete(jkt)
    keyPairs.set(jkt, current)
    for (const old of keyPairs.keys()) if (keyPairs.size > MAX_KEYS) keyPairs.delete(old)
    return current
  }
  /** The newest key pair. New tokens are bound to it. @throws ProviderError `operator_error` */
  const keyPair = createSecretCache(readKeyPair, { dynamic: isDynamic([dpopKey]), ...options })

  /** The key pair that a token is bound to. An opaque token does not say which: then the newest. */
  async function keyPairFor(token: string): Promise<CryptoKeyPair> {
    const newest = await keyPair()
    return (keyPairs.size > 1 && keyPairs.get(jktOf(token))) || newest
  }

  return {
    keyPair,
    /** The proof for one call: method, URL without query and fragment, token, and the newest nonce of the API. */
    async proof(method: string, url: string, token: string): Promise<string> {
      const htu = url.replace(/[?#].*$/s, '')
      return generateProof(await keyPairFor(token), htu, method, nonces.get(new URL(url).origin), token)
    },
    /** Remembers the nonce of an API’s response. Resolves to `true` if the nonce is new. @see RFC 9449 section 8.2 */
    rememberNonce(url: string, nonce: string | undefined): boolean {
      const { origin } = new URL(url)
      if (nonce === undefined || nonces.get(origin) === nonce) return false
      nonces.delete(origin)
      nonces.set(origin, nonce)
      for (const old of nonces.keys()) if (nonces.size > MAX_NONCES) nonces.delete(old)
      return true
    },
  }
}
