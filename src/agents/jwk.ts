import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose'
import { publicMembers } from '../protocol/jwk.js'
import { resolveSecret, type Secret } from '../protocol/secret.js'
import { check, isObject } from '../protocol/shape.js'
import { agentError } from './errors.js'

/** The key determines the algorithm, not the header of a signature. */
const algs: Readonly<Record<string, 'ES256' | 'EdDSA'>> = { 'EC P-256': 'ES256', 'OKP Ed25519': 'EdDSA' }
const secretMembers = ['d', 'k', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv']

/** A wrong key is a refusal, not a `TypeError`: it comes from the owner of the private key. */
export const publicKeyCheck = check<JWK>('a public key, as a JWK', isObject)

const algOf = (jwk: JWK): 'ES256' | 'EdDSA' | undefined => algs[`${jwk?.kty} ${jwk?.crv}`]

type PublicJwk = JWK & { readonly alg: string; readonly kid: string }

/** Public members, the one algorithm, and the RFC 7638 thumbprint as `kid`. */
async function publicJwkOf(jwk: JWK, alg: string): Promise<PublicJwk> {
  const members = publicMembers({ ...jwk }) as JWK
  return { ...members, alg, kid: await calculateJwkThumbprint(members) }
}

/**
 * The public key of an agent, as it is stored.
 *
 * @throws SallyportError `agent_key_refused`
 */
export async function readPublicKey(jwk: JWK): Promise<PublicJwk> {
  const alg = algOf(jwk)
  const givenAlg = jwk?.alg === 'Ed25519' ? 'EdDSA' : jwk?.alg
  if (
    alg === undefined ||
    secretMembers.some((member) => member in jwk) ||
    (jwk.use ?? 'sig') !== 'sig' ||
    (givenAlg ?? alg) !== alg
  )
    throw agentError('agent_key_refused')
  try {
    const publicKey = await publicJwkOf(jwk, alg)
    await importJWK(publicKey)
    return publicKey
  } catch (cause) {
    throw agentError('agent_key_refused', cause)
  }
}

/** The key for verification. RFC 9864 has a second name for EdDSA with Ed25519. */
export const verifierOf = async (publicKey: JWK): Promise<{ key: CryptoKey; algorithms: string[] }> => ({
  key: (await importJWK(publicKey)) as CryptoKey,
  algorithms: publicKey.alg === 'EdDSA' ? ['EdDSA', 'Ed25519'] : ['ES256'],
})

/** Reads a private key in JSON. The error has no cause: a parser's message may quote the key. @throws TypeError naming the option */
export function readPrivateKey(text: string, option: string): JWK & { readonly alg: string } {
  try {
    const jwk: JWK = JSON.parse(text)
    const alg = algOf(jwk)
    if (jwk.d && alg) return { ...jwk, alg }
  } catch {}
  throw new TypeError(`${option} must be a private key (P-256 or Ed25519) as a JWK in JSON`)
}

/** The private key for signing, and its public key. @throws TypeError naming the option */
export async function signerOf(key: Secret, option: string): Promise<{ signer: CryptoKey; publicKey: PublicJwk }> {
  const jwk = readPrivateKey(await resolveSecret(key), option)
  const signer = (await importJWK({ ...jwk, ext: false })) as CryptoKey
  return { signer, publicKey: await publicJwkOf(jwk, jwk.alg) }
}
