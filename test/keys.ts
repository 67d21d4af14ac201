/** A key that is new in every run. */
export const randomKey = () => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
