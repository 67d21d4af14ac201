import type { Key, Primitives } from './primitives.js'

type Bytes = Uint8Array<ArrayBuffer>

/** The part of node:crypto that is used, as a structural type, so that no Node types are imported. */
interface NodeCrypto {
  hash(algorithm: 'sha256', data: string, encoding: 'base64url'): string
  hkdfSync(digest: 'sha256', key: Bytes, salt: string, info: string, length: number): ArrayBuffer
  createCipheriv(algorithm: 'aes-256-gcm', key: Key, iv: Bytes): Cipher & { getAuthTag(): Bytes }
  createDecipheriv(
    algorithm: 'aes-256-gcm',
    key: Key,
    iv: Bytes,
    options: { authTagLength: 16 },
  ): Cipher & { setAuthTag(tag: Bytes): void }
  createSecretKey(raw: Bytes): Key
}
/** The part of node:buffer that is used. */
interface NodeBuffer {
  Buffer: {
    from(
      data: string | ArrayBuffer,
      encodingOrOffset: 'base64url' | number,
      length?: number,
    ): Bytes & { toString(encoding: 'base64url'): string }
  }
}
interface Cipher {
  setAAD(aad: Bytes): void
  update(data: Bytes): Bytes
  final(): Bytes
}

/**
 * The fast implementation, or `undefined` if there is no node:crypto. It is looked up at run time, so that bundlers for
 * edge runtimes see no import.
 */
export function nodePrimitives(): Primitives | undefined {
  const { process: host } = globalThis as { process?: { getBuiltinModule?(id: string): unknown } }
  const crypto = host?.getBuiltinModule?.('node:crypto') as NodeCrypto | undefined
  const buffer = host?.getBuiltinModule?.('node:buffer') as NodeBuffer | undefined
  if (!crypto?.createSecretKey || !crypto.hkdfSync || !crypto.hash || !buffer) return undefined
  const { Buffer } = buffer
  return {
    encode: ({ buffer: whole, byteOffset, byteLength }) =>
      Buffer.from(whole as ArrayBuffer, byteOffset, byteLength).toString('base64url'),
    decode(text) {
      const bytes = Buffer.from(text, 'base64url')
      // `Buffer` skips characters that it does not know: only text that encodes to the same again was base64url.
      return bytes.toString('base64url') === text
        ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        : undefined
    },
    sha256: (text) => crypto.hash('sha256', text, 'base64url'),
    hkdf: (key, info) => new Uint8Array(crypto.hkdfSync('sha256', key, '', info, 32)),
    importKey: (raw) => crypto.createSecretKey(raw),

    encrypt(key, iv, data, aad) {
      const cipher = crypto.createCipheriv('aes-256-gcm', key, iv)
      cipher.setAAD(aad)
      return concat(cipher.update(data), cipher.final(), cipher.getAuthTag())
    },

    decrypt(key, iv, data, aad) {
      if (data.length < 16) return undefined
      const decipher = crypto.createDecipheriv('aes-256-gcm', key, iv, { authTagLength: 16 })
      decipher.setAAD(aad)
      decipher.setAuthTag(data.subarray(-16))
      try {
        return concat(decipher.update(data.subarray(0, -16)), decipher.final())
      } catch {
        return undefined
      }
    },
  }
}

function concat(...parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}
