import { sha256 } from '../crypto/hash.js'

/** Texts of any length and form as one name: no two lists have the same. */
export const hashedName = (...parts: readonly string[]): Promise<string> => sha256(JSON.stringify(parts))
