/** A key is `<prefix>_<id>_<secret><checksum>` in base62, so that a double click selects all of it. */
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Characters: 62^43 is more than 2^256. */
const SECRET_LENGTH = 43
const PARTITION_LENGTH = 8
const ID_LENGTH = 16
const CHECKSUM_LENGTH = 6

/** Characters. A longer text is refused before any computation. */
const MAX_KEY_LENGTH = 128

const keyPattern = new RegExp(
  `^([A-Za-z0-9_]{1,48})_([A-Za-z0-9]{${ID_LENGTH}})_([A-Za-z0-9]{${SECRET_LENGTH}})([A-Za-z0-9]{${CHECKSUM_LENGTH}})$`,
)

/** The parts of a key that can be read offline. They are not verified. */
export interface ParsedApiKey {
  prefix: string
  /** The public id: for logs, lists and `keys.revoke()`. */
  id: string
}

/**
 * Parses a key and checks its checksum, offline. `undefined`: not a key, or mistyped. Does not check whether the key exists, has
 * expired or is revoked.
 */
export function parseApiKey(text: string): ParsedApiKey | undefined {
  if (text.length > MAX_KEY_LENGTH) return undefined
  const [, prefix, id, , sum] = keyPattern.exec(text) ?? []
  if (prefix === undefined || id === undefined || sum !== checksum(text.slice(0, -CHECKSUM_LENGTH))) return undefined
  return { prefix, id }
}

/** Generates a key. Keys of one `partition` can be stored in one write. */
export function generateApiKey(
  prefix: string,
  partition = randomCharacters(PARTITION_LENGTH),
): { key: string; id: string } {
  const id = partition + randomCharacters(ID_LENGTH - PARTITION_LENGTH)
  return { key: withChecksum(`${prefix}_${id}_${randomCharacters(SECRET_LENGTH)}`), id }
}

export const withChecksum = (body: string): string => body + checksum(body)

export const partitionOf = (id: string): string => id.slice(0, PARTITION_LENGTH)

/** Finds the keys in a text, by their form and checksum. */
export function findKeys(text: string, prefix: string): ParsedApiKey[] {
  const length = ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH + 2
  const found = new Map<string, ParsedApiKey>()
  for (let at = text.indexOf(`${prefix}_`); at >= 0; at = text.indexOf(`${prefix}_`, at + 1)) {
    const parsed = parseApiKey(text.slice(at, at + prefix.length + length))
    if (parsed?.prefix === prefix) found.set(parsed.id, parsed)
  }
  return [...found.values()]
}

/** Uniform: bytes from 248 on are discarded, because they would make some characters more frequent. */
function randomCharacters(length: number): string {
  let text = ''
  while (text.length < length)
    for (const byte of crypto.getRandomValues(new Uint8Array(length * 2)))
      if (byte < 248 && text.length < length) text += alphabet[byte % 62]
  return text
}

/** CRC-32 (ISO 3309) in base62: detects typing errors and helps secret scanners. It is no protection. */
function checksum(text: string): string {
  let crc = 0xffffffff
  for (let at = 0; at < text.length; at++) {
    crc ^= text.charCodeAt(at)
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  let rest = (crc ^ 0xffffffff) >>> 0
  let sum = ''
  for (let at = 0; at < CHECKSUM_LENGTH; at++) {
    sum = alphabet[rest % 62] + sum
    rest = Math.floor(rest / 62)
  }
  return sum
}
