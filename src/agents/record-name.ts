import { sha256 } from '../crypto/hash.js'

/** A name made from texts of any length and form. Different lists have different names. */
export const hashedName = (...parts: readonly string[]): Promise<string> => sha256(JSON.stringify(parts))
