import { platform } from './platform.js'
import type { Key, Primitives } from './primitives.js'

/** Characters, longer than any cookie of ours can be; refused before any work is done. */
const LIMIT = 16_384

/** What opened, and whether it should be sealed again because it was not sealed with the first key. */
export interface Opened {
  plaintext: string
  stale: boolean
}

export interface Sealer {
  seal(plaintext: string): Promise<string>
  /** `undefined` for whatever was not sealed for this purpose with one of the keys: one answer for every cause. */
  open(sealed: string): Promise<Opened | undefined>
}

/**
 * Seals small texts as compact JWE (`dir`, `A256GCM`), the form that any JOSE library opens. The first key seals, all
 * of them open; `kid` names which, so that opening costs one decryption however many keys there are.
 *
 * Each purpose has its own key, derived by HKDF-SHA-256 with the purpose as `info`: what was sealed for one purpose
 * does not open for another. Keys are texts of at least 32 characters (checked by the caller).
 *
 * What is longer than `limit` characters does not open.
 *
 * Not checked: age. What must expire says so in its plaintext.
 *
 * @see RFC 7516 section 3.1, RFC 7518 sections 4.5 and 5.3, RFC 5869
 */
export function createSealer(
  keys: readonly string[],
  purpose: string,
  primitives: Primitives = platform,
  limit = LIMIT,
): Sealer {
  let ring: Promise<Ring> | undefined
  return {
    async seal(plaintext) {
      ring ??= deriveRing(keys, purpose, primitives)
      const { first } = await ring
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const data = await primitives.encrypt(first.key, iv, encoder.encode(plaintext), first.aad)
      const { encode } = primitives
      return `${first.header}..${encode(iv)}.${encode(data.subarray(0, -16))}.${encode(data.subarray(-16))}`
    },

    async open(sealed) {
      if (sealed.length > limit) return undefined
      const [header = '', encryptedKey, iv, ciphertext, tag, ...rest] = sealed.split('.')
      if (encryptedKey !== '' || rest.length) return undefined
      ring ??= deriveRing(keys, purpose, primitives)
      const { first, byHeader } = await ring
      // Comparing the whole header admits exactly one spelling: no other `alg`, `enc`, `zip` or `crit` gets further.
      const entry = byHeader.get(header)
      const nonce = iv === undefined ? undefined : primitives.decode(iv)
      const body = ciphertext === undefined ? undefined : primitives.decode(ciphertext)
      const mac = tag === undefined ? undefined : primitives.decode(tag)
      if (!entry || nonce?.length !== 12 || !body || mac?.length !== 16) return undefined
      const data = new Uint8Array(body.length + 16)
      data.set(body)
      data.set(mac, body.length)
      const plaintext = await primitives.decrypt(entry.key, nonce, data, entry.aad)
      return plaintext && { plaintext: decoder.decode(plaintext), stale: entry !== first }
    },
  }
}

interface Entry {
  header: string
  aad: Uint8Array<ArrayBuffer>
  key: Key
}
interface Ring {
  first: Entry
  byHeader: Map<string, Entry>
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

async function deriveRing(keys: readonly string[], purpose: string, primitives: Primitives): Promise<Ring> {
  const entries = await Promise.all(keys.map((key) => deriveEntry(key, purpose, primitives)))
  const [first] = entries
  if (!first) throw new TypeError('createSealer: at least one key is needed')
  return { first, byHeader: new Map(entries.map((entry) => [entry.header, entry])) }
}

async function deriveEntry(text: string, purpose: string, primitives: Primitives): Promise<Entry> {
  const secret = encoder.encode(text)
  const raw = await primitives.hkdf(secret, `sallyport ${purpose}`)
  const kid = await keyId(text, primitives)
  const header = primitives.encode(encoder.encode(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid })))
  return { header, aad: encoder.encode(header), key: await primitives.importKey(raw) }
}

/** The public name of a key: derived one-way, stable, safe to show in `describe()`. */
export async function keyId(key: string, primitives: Primitives = platform): Promise<string> {
  return primitives.encode((await primitives.hkdf(encoder.encode(key), 'sallyport kid')).subarray(0, 6))
}
