import { createBoundedCache } from '../protocol/bounded-cache.js'
import { isLaterFormat } from '../protocol/format.js'
import { type Now, systemNow } from '../protocol/time.js'
import { platform } from './platform.js'
import type { Key, Primitives } from './primitives.js'

/** Characters, longer than any of our cookies can be. Longer text is refused before any work is done. */
const MAX_LENGTH = 16_384
/** Characters of a header; ours have about eighty. */
const MAX_HEADER_LENGTH = 128
/** The most derived keys that are cached. */
const MAX_DERIVED_KEYS = 64
/** Seconds for which a derived key seals. */
const DAY = 86_400
/** The version of the format: the content of the header, and how the key is derived from it. */
const FORMAT = 1

/** An opened text. `stale`: seal it again, because it was not sealed with the first key. */
export interface UnsealedText {
  plaintext: string
  stale: boolean
}

export interface Sealer {
  seal(plaintext: string): Promise<string>
  /**
   * `undefined` for any text that was not sealed for this app and purpose with one of the keys, whatever the reason.
   */
  open(sealed: string): Promise<UnsealedText | undefined>
}

interface SealerOptions {
  /** The app: text that was sealed for one app does not open for another one with the same keys. Default: none. */
  app?: string
  /** Characters; longer text does not open. Default 16,384. */
  limit?: number
  /** Seconds, rounded up to days: text that was sealed longer ago does not open. Default: no limit. */
  age?: number
  /** Whether text that 0.1.0 sealed opens, too. It had neither days nor apps. Default `false`. */
  unversioned?: boolean
  now?: Now
  primitives?: Primitives
}

/**
 * Seals small texts as compact JWE (`dir`, `A256GCM`), a format that any JOSE library opens. The first key seals, all
 * keys open. `kid` names the key, so that opening costs one decryption for any number of keys.
 *
 * Each app, purpose and day (UTC) has its own key: HKDF-SHA-256 of the key's UTF-8 bytes, without salt, with the JSON
 * text `["sallyport",1,app,purpose,day]` as `info`. `kid` is `1.<key>.<day>`: the format, the key's {@link keyId}, the
 * days since 1970. Random nonces allow 2³² texts under one key (NIST SP 800-38D section 8.3): that is 49,700 a second
 * for a whole day, for one purpose of one app. At 1,000 a second, two nonces of a day are the same with a probability
 * of 2⁻⁴⁴. At most 64 derived keys are cached. A day in the future, or longer ago than `age`, is refused before a key
 * is derived. Keys are texts of at least 32 characters (checked by the caller).
 *
 * Not checked: the age within `age`. What must expire carries its expiry in the plaintext.
 *
 * @see RFC 7516 section 3.1, RFC 7518 sections 4.5 and 5.3, RFC 5869
 */
export function createSealer(keys: readonly string[], purpose: string, options: SealerOptions = {}): Sealer {
  const { app = '', limit = MAX_LENGTH, age = Number.POSITIVE_INFINITY, unversioned = false } = options
  const { now = systemNow, primitives = platform } = options
  const derived = createBoundedCache<KeyEntry>(MAX_DERIVED_KEYS)
  const oldest = Math.ceil(age / DAY)
  let ring: Promise<readonly string[]> | undefined
  let sealing: KeyEntry | undefined

  const today = () => Math.floor(now() / DAY)

  /** The ids of the keys, which do not change. */
  function names(): Promise<readonly string[]> {
    if (!keys.length) throw new TypeError('createSealer: at least one key is needed')
    ring ??= Promise.all(keys.map((key) => keyId(key, primitives)))
    return ring
  }

  async function derive(header: Header, kid: string): Promise<KeyEntry> {
    const { at, day } = header
    const info = day === undefined ? `sallyport ${purpose}` : JSON.stringify(['sallyport', FORMAT, app, purpose, day])
    const raw = await primitives.hkdf(encoder.encode(keys[at]), info)
    const text = primitives.encode(encoder.encode(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid })))
    return { ...header, text, aad: encoder.encode(text), key: await primitives.importKey(raw) }
  }

  async function sealingEntry(): Promise<KeyEntry> {
    const day = today()
    if (sealing?.day === day) return sealing
    const [name] = await names()
    sealing = await derive({ at: 0, day }, `${FORMAT}.${name}.${day}`)
    derived.set(sealing.text, sealing)
    return sealing
  }

  const isOpen = ({ day }: Header): boolean =>
    day === undefined ? unversioned : day <= today() + 1 && day >= today() - oldest

  async function openingEntry(text: string): Promise<KeyEntry | undefined> {
    const known = derived.get(text)
    if (known) return isOpen(known) ? known : undefined
    const kid = kidOf(text, primitives)
    const [, name, day] = /^1\.([\w-]{8})\.(0|[1-9]\d{0,5})$/.exec(kid) ?? [undefined, kid]
    const header = { at: (await names()).indexOf(name), day: day === undefined ? undefined : Number(day) }
    if (header.at < 0 || !isOpen(header)) return undefined
    const entry = await derive(header, kid)
    // Comparing the whole header allows exactly one spelling: any other `alg`, `enc`, `zip` or `crit` is refused.
    if (entry.text !== text) return undefined
    derived.set(text, entry)
    return entry
  }

  return {
    async seal(plaintext) {
      const { text, key, aad } = await sealingEntry()
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const data = await primitives.encrypt(key, iv, encoder.encode(plaintext), aad)
      const { encode } = primitives
      return `${text}..${encode(iv)}.${encode(data.subarray(0, -16))}.${encode(data.subarray(-16))}`
    },

    async open(sealed) {
      if (sealed.length > limit) return undefined
      const [header = '', encryptedKey, iv, ciphertext, tag, ...rest] = sealed.split('.')
      if (encryptedKey !== '' || rest.length) return undefined
      const entry = await openingEntry(header)
      const nonce = iv === undefined ? undefined : primitives.decode(iv)
      const body = ciphertext === undefined ? undefined : primitives.decode(ciphertext)
      const mac = tag === undefined ? undefined : primitives.decode(tag)
      if (!entry || nonce?.length !== 12 || !body || mac?.length !== 16) return undefined
      const data = new Uint8Array(body.length + 16)
      data.set(body)
      data.set(mac, body.length)
      const plaintext = await primitives.decrypt(entry.key, nonce, data, entry.aad)
      return plaintext && { plaintext: decoder.decode(plaintext), stale: entry.at > 0 }
    },
  }
}

interface Header {
  /** The index of the key. */
  at: number
  /** Days since 1970; `undefined`: sealed by 0.1.0. */
  day: number | undefined
}
interface KeyEntry extends Header {
  text: string
  aad: Uint8Array<ArrayBuffer>
  key: Key
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** The `kid` of a header; empty if it is not a header. */
function kidOf(header: string, primitives: Primitives): string {
  const bytes = header.length > MAX_HEADER_LENGTH ? undefined : primitives.decode(header)
  try {
    const { kid } = JSON.parse(decoder.decode(bytes)) as { kid?: unknown }
    return typeof kid === 'string' ? kid : ''
  } catch {
    return ''
  }
}

/** What the header of a sealed text says; nothing of it is verified. */
interface SealedHeader {
  /** The {@link keyId} of its key. */
  key: string
  /** `later`: a later release sealed it, in a format that this release does not know. */
  format: 'unversioned' | 'known' | 'later' | 'none'
}

/** Reads the header of a sealed text, to distinguish text that cannot be read yet from text that was changed. */
export function sealedHeader(sealed: string): SealedHeader {
  const kid = kidOf(sealed.split('.', 1)[0] ?? '', platform)
  if (/^[\w-]{8}$/.test(kid)) return { key: kid, format: 'unversioned' }
  const [, format, key = ''] = /^(\d{1,6})\.([\w-]*)/.exec(kid) ?? []
  if (format === undefined) return { key, format: 'none' }
  return { key, format: isLaterFormat(Number(format), FORMAT) ? 'later' : 'known' }
}

/** The public id of a key: derived one-way, stable, safe to show in `describe()`. */
export async function keyId(key: string, primitives: Primitives = platform): Promise<string> {
  return primitives.encode((await primitives.hkdf(encoder.encode(key), 'sallyport kid')).subarray(0, 6))
}
