/** A secret, or how to get it from a secret manager. A function is asked again when the value may have been rotated. */
export type Secret = string | (() => Promise<string>)
