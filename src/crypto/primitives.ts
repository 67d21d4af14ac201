/** The operations that both implementations provide. Keys and nonces are raw bytes. */
export interface Primitives {
  /** The digest of the UTF-8 bytes, as base64url. */
  sha256(text: string): MaybePromise<string>
  /** HKDF-SHA-256 with an empty salt, 32 bytes. @see RFC 5869 */
  hkdf(key: Uint8Array<ArrayBuffer>, info: string): MaybePromise<Uint8Array<ArrayBuffer>>
  /** AES-256-GCM. The 16-byte tag follows the ciphertext. */
  encrypt(
    key: Key,
    iv: Uint8Array<ArrayBuffer>,
    data: Uint8Array<ArrayBuffer>,
    aad: Uint8Array<ArrayBuffer>,
  ): MaybePromise<Uint8Array<ArrayBuffer>>
  /** `undefined` if the tag does not match; never throws for text that was sealed elsewhere. */
  decrypt(
    key: Key,
    iv: Uint8Array<ArrayBuffer>,
    data: Uint8Array<ArrayBuffer>,
    aad: Uint8Array<ArrayBuffer>,
  ): MaybePromise<Uint8Array<ArrayBuffer> | undefined>
  /**
   * Unpadded base64url. `decode` returns `undefined` for anything else: one value has one spelling. @see RFC 4648
   * section 5
   */
  encode(bytes: Uint8Array): string
  decode(text: string): Uint8Array<ArrayBuffer> | undefined
  /** Makes the key in the form that this implementation decrypts fastest with. */
  importKey(raw: Uint8Array<ArrayBuffer>): MaybePromise<Key>
}

export type MaybePromise<T> = T | Promise<T>
/** Opaque: only the implementation that made it can use it. */
export type Key = { readonly __key: unique symbol } | CryptoKey
