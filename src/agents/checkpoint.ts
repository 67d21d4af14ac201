import {
  type CryptoKey,
  calculateJwkThumbprint,
  createLocalJWKSet,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose'
import { publicMembers } from '../protocol/jwk.js'
import type { Secret } from '../protocol/secret.js'
import type { AuditHead } from './audit-row.js'
import { agentError } from './errors.js'

/** Public keys as every JOSE library has them. @see RFC 7517 section 5 */
export interface PublicKeys {
  keys: readonly Readonly<Record<string, unknown>>[]
}

interface Ready {
  key: CryptoKey
  header: { alg: string; kid: string; typ: string }
  publicJwk: JWK
}

/** No other token of the same key can pass for one, nor one of these for another. @see RFC 8725 section 3.11 */
const typ = 'audit-checkpoint+jwt'
/** Algorithms by curve. */
const algs: Readonly<Record<string, string>> = { 'P-256': 'ES256', Ed25519: 'EdDSA' }

/** Signs heads with a private key (P-256 or Ed25519) as a JWK in JSON. @throws TypeError at once for a text that is none */
export function createSigner(sign: Secret) {
  let reading: Promise<Ready> | undefined
  if (typeof sign !== 'function') read(sign)

  function ready(): Promise<Ready> {
    reading ??= (async () => {
      const jwk = read(typeof sign === 'function' ? await sign() : sign)
      const alg = algs[`${jwk.crv}`] ?? ''
      const open = publicMembers({ ...jwk }) as JWK
      const kid = await calculateJwkThumbprint(open)
      const key = (await importJWK({ ...jwk, ext: false }, alg)) as CryptoKey
      return { key, header: { alg, kid, typ }, publicJwk: { ...open, kid, alg, use: 'sig' } }
    })()
    // A key that could not be had is asked for again.
    reading.catch(() => {
      reading = undefined
    })
    return reading
  }

  return {
    async sign({ tenant, seq, hash }: AuditHead, at: number): Promise<string> {
      const { key, header } = await ready()
      return new SignJWT({ tenant, seq, hash }).setProtectedHeader(header).setIssuedAt(Math.floor(at)).sign(key)
    },
    publicKeys: async (): Promise<PublicKeys> => ({ keys: [{ ...(await ready()).publicJwk }] }),
  }
}

function read(text: string): JWK {
  try {
    const jwk: JWK = JSON.parse(text)
    if (jwk.d && Object.hasOwn(algs, `${jwk.crv}`)) return jwk
  } catch {}
  throw new TypeError('createAudit: "sign" must be a private key (P-256 or Ed25519) as a JWK in JSON')
}

/**
 * The head that a checkpoint vouches for. `keys` are the public keys of `audit.publicKeys()`, and those of earlier years.
 *
 * Not checked: age. A checkpoint is good for ever.
 *
 * @throws SallyportError `checkpoint_invalid`
 */
export async function verifyCheckpoint(jws: string, keys: PublicKeys): Promise<AuditHead> {
  try {
    const set = createLocalJWKSet({ keys: keys.keys as JWK[] })
    const { payload } = await jwtVerify(jws, set, { typ, algorithms: Object.values(algs) })
    const { tenant, seq, hash } = payload as Partial<AuditHead>
    if (typeof tenant === 'string' && typeof hash === 'string' && Number.isSafeInteger(seq))
      return { tenant, seq: seq as number, hash }
  } catch (error) {
    throw agentError('checkpoint_invalid', error)
  }
  throw agentError('checkpoint_invalid')
}
