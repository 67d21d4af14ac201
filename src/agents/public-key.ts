import { type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose'
import { publicMembers } from '../protocol/jwk.js'
import { agentError } from './errors.js'

/** The algorithm of a key is the key's own: a signature's header chooses nothing. */
const algs: Readonly<Record<string, 'ES256' | 'EdDSA'>> = { 'EC P-256': 'ES256', 'OKP Ed25519': 'EdDSA' }
const secret = ['d', 'k', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv']

/**
 * The key of an agent as it is kept: public members, its one algorithm, and its RFC 7638 thumbprint as `kid`.
 *
 * @throws SallyportError `agent_key_refused`
 */
export async function readyPublicKey(jwk: JWK): Promise<JWK> {
  const alg = algs[`${jwk?.kty} ${jwk?.crv}`]
  const said = jwk?.alg === 'Ed25519' ? 'EdDSA' : jwk?.alg
  if (
    alg === undefined ||
    secret.some((member) => member in jwk) ||
    (jwk.use ?? 'sig') !== 'sig' ||
    (said ?? alg) !== alg
  )
    throw agentError('agent_key_refused')
  const open = publicMembers(jwk) as JWK
  try {
    await importJWK(open, alg)
    return { ...open, alg, kid: await calculateJwkThumbprint(open) }
  } catch (cause) {
    throw agentError('agent_key_refused', cause)
  }
}

/** As it verifies. RFC 9864 has a second name for what EdDSA is here. */
export const verifierOf = async (publicKey: JWK): Promise<{ key: CryptoKey; algorithms: string[] }> => ({
  key: (await importJWK(publicKey)) as CryptoKey,
  algorithms: publicKey.alg === 'EdDSA' ? ['EdDSA', 'Ed25519'] : ['ES256'],
})
