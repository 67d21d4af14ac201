import { decodeBase64url, encodeBase64url } from '../protocol/base64url.js'
import type { Primitives } from './primitives.js'

const encoder = new TextEncoder()

/** The portable implementation: Web Crypto. @see https://www.w3.org/TR/WebCryptoAPI/ */
export const webPrimitives: Primitives = {
  encode: encodeBase64url,
  decode: decodeBase64url,
  sha256: async (text) => encodeBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', encoder.encode(text)))),

  async hkdf(key, info) {
    const base = await crypto.subtle.importKey('raw', key, 'HKDF', false, ['deriveBits'])
    const parameters = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: encoder.encode(info) }
    return new Uint8Array(await crypto.subtle.deriveBits(parameters, base, 256))
  },

  encrypt: async (key, iv, data, aad) =>
    new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: aad }, key as CryptoKey, data)),

  decrypt: (key, iv, data, aad) =>
    crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: aad }, key as CryptoKey, data).then(
      (plaintext) => new Uint8Array(plaintext),
      () => undefined,
    ),

  importKey: (raw) => crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']),
}
