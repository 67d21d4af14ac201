import { CompactSign, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import { encodeBase64url } from '../../protocol/base64url.js'

export type Claims = Record<string, unknown>
/** Without a `kid`, that of the signing key is set; an empty one is removed. */
export type Header = { alg: string; kid?: string; typ?: string; [name: string]: unknown }

/** A token for a test. Without `signature` it is signed as its header says. */
export interface TamperedToken {
  claims: Claims
  header: Header
  signature?: 'broken' | 'none' | 'hs256-with-public-key' | 'other-key'
}

/** A signing key and its public half. */
export interface SigningKey {
  kid: string
  alg: 'RS256' | 'ES256'
  privateKey: CryptoKey
  publicJwk: JWK
}

/** Signing keys of one authorization server, generated for it. */
export interface Keys {
  jwks(): { keys: JWK[] }
  sign(token: TamperedToken): Promise<string>
  rotate(): Promise<void>
}

async function makePair(alg: SigningKey['alg']): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const kid = crypto.randomUUID()
  return { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

/**
 * Generates keys, RS256 and ES256. A server generates its own. Pass the same ones to several servers if a test file
 * makes many: an RSA key takes a tenth of a second.
 */
export const generateKeys = (): Promise<readonly SigningKey[]> => Promise.all([makePair('RS256'), makePair('ES256')])

export async function createKeys(initial?: readonly SigningKey[]): Promise<Keys> {
  let pairs = initial ?? (await generateKeys())
  let stranger: Promise<SigningKey> | undefined

  return {
    jwks: () => ({ keys: pairs.map(({ publicJwk }) => publicJwk) }),
    async rotate() {
      pairs = await generateKeys()
    },
    async sign({ claims, header, signature }) {
      const pair = pairs.find(({ alg }) => alg === header.alg) ?? pairs[0]
      if (!pair) throw new Error('no keys')
      if (signature === 'none') return `${encode(header)}.${encode(claims)}.`
      if (signature === 'hs256-with-public-key') {
        const secret = new TextEncoder().encode(JSON.stringify(pair.publicJwk))
        const key = await importJWK({ kty: 'oct', k: encodeBase64url(secret), alg: 'HS256' })
        return new SignJWT(claims).setProtectedHeader({ ...header, alg: 'HS256' }).sign(key)
      }
      if (signature === 'other-key') stranger ??= makePair('RS256')
      const signer = signature === 'other-key' && stranger ? await stranger : pair
      const { kid = pair.kid, ...named } = header
      const payload = new TextEncoder().encode(JSON.stringify(claims))
      const jws = await new CompactSign(payload)
        .setProtectedHeader({ ...named, alg: signer.alg, ...(kid && { kid }) })
        .sign(signer.privateKey)
      return signature === 'broken' ? jws.slice(0, -6) + (jws.endsWith('AAAAAA') ? 'BBBBBA' : 'AAAAAA') : jws
    },
  }
}

const encode = (value: unknown): string => encodeBase64url(new TextEncoder().encode(JSON.stringify(value)))

export async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
}
