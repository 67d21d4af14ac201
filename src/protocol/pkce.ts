import { encodeBase64url } from './base64url.js'

/** Whether `verifier` has the form of RFC 7636 section 4.1: 43 to 128 unreserved characters. */
export const isCodeVerifier = (verifier: string): boolean => /^[\w.~-]{43,128}$/.test(verifier)

/** Whether `challenge` has the form of an S256 code challenge: the base64url of 32 bytes. */
export const isCodeChallenge = (challenge: string): boolean => /^[\w-]{43}$/.test(challenge)

/** Makes a code verifier from 32 random bytes: 43 characters. @see RFC 7636 section 4.1 */
export function generateCodeVerifier(): string {
  return encodeBase64url(crypto.getRandomValues(new Uint8Array(32)))
}

/** The S256 code challenge of `verifier`. `plain` is not supported. @see RFC 7636 section 4.2 */
export async function calculateCodeChallenge(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return encodeBase64url(new Uint8Array(digest))
}
