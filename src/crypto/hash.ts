import { isName } from '../protocol/names.js'
import { platform } from './platform.js'

const encoder = new TextEncoder()

/** SHA-256 of the UTF-8 bytes of `text`, as base64url (43 characters). */
export const sha256 = async (text: string): Promise<string> => platform.sha256(text)

/** The text itself, or its SHA-256 digest if it is too long for an index value of a store. */
export const indexValue = async (text: string): Promise<string> => (isName(text) ? text : sha256(text))

/**
 * Whether two strings are equal, in time that depends on their lengths only. The lengths are not secret: what is
 * compared are digests and values of a fixed form.
 */
export function equalInConstantTime(a: string, b: string): boolean {
  const left = encoder.encode(a)
  const right = encoder.encode(b)
  let difference = left.length ^ right.length
  for (let at = 0; at < left.length; at++) difference |= (left[at] ?? 0) ^ (right[at % right.length] ?? 0)
  return difference === 0
}

/** 256 random bits as base64url (43 characters): an identifier that cannot be guessed. */
export const randomId = (): string => platform.encode(crypto.getRandomValues(new Uint8Array(32)))
