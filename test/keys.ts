import { encodeBase64url } from '../src/protocol/base64url.js'

/** A key that is new in every run. */
export const randomKey = () => encodeBase64url(crypto.getRandomValues(new Uint8Array(32)))
