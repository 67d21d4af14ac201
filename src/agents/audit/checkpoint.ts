import { createLocalJWKSet, type JWK, jwtVerify, SignJWT } from 'jose'
import { createSecretCache, isDynamic, type Secret } from '../../protocol/secret.js'
import { anything, list, mapOf, object } from '../../protocol/shape.js'
import type { Now } from '../../protocol/time.js'
import { validate } from '../../protocol/validate.js'
import { agentError } from '../errors.js'
import { readPrivateKey, signerOf } from '../jwk.js'
import type { AuditHead } from './row.js'

/** A JWK Set. @see RFC 7517 section 5 */
export interface PublicKeys {
  keys: readonly Readonly<Record<string, unknown>>[]
}

export const publicKeysCheck = object<PublicKeys>(
  { keys: list(mapOf(anything<unknown>())) },
  'public keys: { keys: […] }',
  'open',
)

/** Separates checkpoints from other tokens of the same key. @see RFC 8725 section 3.11 */
const typ = 'audit-checkpoint+jwt'
/** The format of the payload. 0.1.0 wrote none. */
const FORMAT = 1
const option = 'createAudit: "sign"'

/** Signs heads. @throws TypeError at once for a text that is not a private key */
export function createSigner(sign: Secret, now: Now, onFailure: () => void) {
  if (typeof sign !== 'function') readPrivateKey(sign, option)
  const ready = createSecretCache(() => signerOf(sign, option), { dynamic: isDynamic([sign]), now, onFailure })

  return {
    async sign({ tenant, seq, hash }: AuditHead, at: number): Promise<string> {
      const { signer, publicKey } = await ready()
      const { alg, kid } = publicKey
      return new SignJWT({ tenant, seq, hash, v: FORMAT })
        .setProtectedHeader({ alg, kid, typ })
        .setIssuedAt(Math.floor(at))
        .sign(signer)
    },
    publicKeys: async (): Promise<PublicKeys> => ({ keys: [{ ...(await ready()).publicKey, use: 'sig' }] }),
  }
}

/**
 * Verifies a checkpoint and resolves to its head. `keys` are the public keys of `audit.publicKeys()`, and earlier ones.
 *
 * Not checked: age. A checkpoint does not expire.
 *
 * @throws SallyportError `checkpoint_invalid`
 */
export async function verifyCheckpoint(jws: string, keys: PublicKeys): Promise<AuditHead> {
  validate('verifyCheckpoint', publicKeysCheck, keys, 'keys')
  try {
    const set = createLocalJWKSet({ keys: keys.keys as JWK[] })
    const { payload } = await jwtVerify(jws, set, { typ, algorithms: ['ES256', 'EdDSA'] })
    const { tenant, seq, hash, v = FORMAT } = payload as Partial<AuditHead & { v: number }>
    if (v === FORMAT && typeof tenant === 'string' && typeof hash === 'string' && Number.isSafeInteger(seq))
      return { tenant, seq: seq as number, hash }
  } catch (error) {
    throw agentError('checkpoint_invalid', error)
  }
  throw agentError('checkpoint_invalid')
}
