import { generateProof } from 'dpop'
import { createSecretCache, isDynamic, type Secret, type SecretCacheOptions } from '../../protocol/secret.js'
import { jktOf, readPrivateKey, thumbprint } from './private-key.js'

/** Origins whose nonces are remembered at most. */
const ORIGINS = 256
/** Keys that are known at once: the newest, and those that tokens may still be bound to. */
const KEYS = 4

export type Dpop = ReturnType<typeof createDpop>

/**
 * Proofs of possession between this client and the APIs that it calls: tokens that are of no use without a key that never
 * leaves this process. @see RFC 9449 sections 4 and 7
 */
export function createDpop(dpopKey: Secret, options: Pick<SecretCacheOptions, 'now' | 'onFailure'> = {}) {
  const nonces = new Map<string, string>()
  /** By thumbprint, the newest last. */
  const pairs = new Map<string, CryptoKeyPair>()
  const readPair = async (): Promise<CryptoKeyPair> => {
    const { key, publicKey } = await readPrivateKey('dpopKey', dpopKey)
    const jkt = await thumbprint(publicKey)
    const read = pairs.get(jkt) ?? { privateKey: key, publicKey }
    pairs.delete(jkt)
    pairs.set(jkt, read)
    for (const old of pairs.keys()) if (pairs.size > KEYS) pairs.delete(old)
    return read
  }
  /** The newest key pair, which tokens are bound to from now on. @throws ProviderError `operator_error` */
  const pair = createSecretCache(readPair, { dynamic: isDynamic([dpopKey]), ...options })

  /** A token is good with the key that it was bound to; where it does not say, with the newest. */
  async function pairOf(token: string): Promise<CryptoKeyPair> {
    const newest = await pair()
    return (pairs.size > 1 && pairs.get(jktOf(token))) || newest
  }

  return {
    pair,
    /** The proof for one call: its method, its address without query and fragment, its token, the API's newest nonce. */
    async proof(method: string, url: string, token: string): Promise<string> {
      const htu = url.replace(/[?#].*$/s, '')
      return generateProof(await pairOf(token), htu, method, nonces.get(new URL(url).origin), token)
    },
    /** What an API says with any answer. `true`: it is news. @see RFC 9449 section 8.2 */
    learn(url: string, nonce: string | undefined): boolean {
      const { origin } = new URL(url)
      if (nonce === undefined || nonces.get(origin) === nonce) return false
      nonces.delete(origin)
      nonces.set(origin, nonce)
      for (const old of nonces.keys()) if (nonces.size > ORIGINS) nonces.delete(old)
      return true
    },
  }
}
