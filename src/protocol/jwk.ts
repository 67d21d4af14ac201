/** The public members of an asymmetric key. @see RFC 7518 section 6 */
export const publicMembers = ({ kty, crv, x, y, n, e }: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined))

/** Which algorithms a kind of key can sign with. @see RFC 7518 section 3.1, RFC 8037, RFC 9864 */
const algsOf: Readonly<Record<string, readonly string[]>> = {
  'EC P-256': ['ES256'],
  'EC P-384': ['ES384'],
  'EC P-521': ['ES512'],
  'OKP Ed25519': ['EdDSA', 'Ed25519'],
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
}

const privateKey = 'must be a private key as a JWK in JSON: an object with "crv" (or "n") and "d"'

/**
 * Why a text is not a private key for signing; `undefined` if it is one, as far as can be checked without computing.
 * The text is never quoted: it may be the key.
 */
export function privateKeyFlaw(text: string, requiredAlg?: string): string | undefined {
  const jwk = parsed(text)
  const { kty, crv, x, y, n, e, d, alg, use = 'sig', key_ops } = jwk
  const kind = kty === 'RSA' ? kty : `${kty} ${crv}`
  const algs = Object.hasOwn(algsOf, kind) ? algsOf[kind] : undefined
  if (!algs || typeof d !== 'string') return privateKey
  const parts = kty === 'RSA' ? [d, n, e] : kty === 'EC' ? [d, x, y] : [d, x]
  if (!parts.every((part) => typeof part === 'string' && /^[\w-]+$/.test(part)))
    return 'must be a complete key: a JWK with its public members too, all in base64url'
  if (use !== 'sig' || (Array.isArray(key_ops) && !key_ops.includes('sign')))
    return 'must be a key for signing: the "use" or "key_ops" of this one says otherwise'
  if (requiredAlg !== undefined && !algs.includes(requiredAlg))
    return `must be a key for ${requiredAlg}, but this one is for ${algs.join(', ')}`
  if (alg !== undefined && !algs.some((one) => one === alg))
    return `must match its "alg": this key is for ${algs.join(', ')}`
  // RFC 7518 section 3.3. Four characters are three bytes.
  if (kty === 'RSA' && Math.floor((`${n}`.length * 3) / 4) < 256)
    return 'must be a stronger key: RSA keys need 2048 bits or more'
  return undefined
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    return { ...JSON.parse(text) }
  } catch {
    return {}
  }
}
