/** The few operations that both halves implement; keys and nonces are raw bytes. */
export interface Primitives {
  /** Of the UTF-8 bytes, as base64url. */
  sha256(text: string): MaybePromise<string>
  /** HKDF-SHA-256 with an empty salt, 32 bytes. @see RFC 5869 */
  hkdf(key: Uint8Array<ArrayBuffer>, info: string): MaybePromise<Uint8Array<ArrayBuffer>>
  /** AES-256-GCM; the 16-byte tag stands behind the ciphertext. */
  encrypt(
    key: Key,
    iv: Uint8Array<ArrayBuffer>,
    data: Uint8Array<ArrayBuffer>,
    aad: Uint8Array<ArrayBuffer>,
  ): MaybePromise<Uint8Array<ArrayBuffer>>
  /** `undefined` when the tag does not fit; never throws for what was sealed elsewhere. */
  decrypt(
    key: Key,
    iv: Uint8Array<ArrayBuffer>,
    data: Uint8Array<ArrayBuffer>,
    aad: Uint8Array<ArrayBuffer>,
  ): MaybePromise<Uint8Array<ArrayBuffer> | undefined>
  /** Unpadded base64url, and back; `undefined` for what is no base64url in its one spelling. @see RFC 4648 section 5 */
  encode(bytes: Uint8Array): string
  decode(text: string): Uint8Array<ArrayBuffer> | undefined
  /** Makes the key form that this half decrypts fastest with. */
  importKey(raw: Uint8Array<ArrayBuffer>): MaybePromise<Key>
}

export type MaybePromise<T> = T | Promise<T>
/** Opaque: only the half that made it can use it. */
export type Key = { readonly __key: unique symbol } | CryptoKey
