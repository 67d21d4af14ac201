import { generateProof } from 'dpop'
import { createReading, type Secret } from '../protocol/secret.js'
import { readPrivateKey } from './private-key.js'

/** Origins whose nonces are remembered at most. */
const ORIGINS = 256

export type Dpop = ReturnType<typeof createDpop>

/**
 * Proofs of possession between this backend and the APIs behind it: tokens that are of no use without a key that never
 * leaves this process. @see RFC 9449 sections 4 and 7
 */
export function createDpop(dpopKey: Secret) {
  const nonces = new Map<string, string>()
  const readPair = async (): Promise<CryptoKeyPair> => {
    const { key, publicKey } = await readPrivateKey('dpopKey', dpopKey)
    return { privateKey: key, publicKey }
  }
  /** The key pair, read once: sessions and their tokens are bound to it. @throws Refusal `operator_error` */
  const pair = createReading(readPair, { dynamic: false })

  return {
    pair,
    /** The proof for one call: its method, its address without query and fragment, its token, the API's newest nonce. */
    async proof(method: string, url: string, token: string): Promise<string> {
      const htu = url.replace(/[?#].*$/s, '')
      return generateProof(await pair(), htu, method, nonces.get(new URL(url).origin), token)
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
