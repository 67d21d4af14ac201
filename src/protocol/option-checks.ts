import type { Secret } from './secret.js'

/** Throws a TypeError that names the option and the remedy. */
export type Misuse = (option: string, remedy: string) => never

/** Makes the function that reports a wrong option of one function. */
export const misuseOf =
  (caller: string): Misuse =>
  (option, remedy) => {
    throw new TypeError(`${caller}: "${option}" ${remedy}`)
  }

export function parseUrl(option: string, value: string, misuse: Misuse): URL {
  if (!URL.canParse(value)) return misuse(option, 'must be an absolute URL')
  const parsed = new URL(value)
  if (parsed.protocol !== 'https:' && !(parsed.protocol === 'http:' && isLoopback(parsed)))
    misuse(option, 'must be https: (http: on loopback only)')
  if (parsed.username || parsed.password) misuse(option, 'must have no user information')
  return parsed
}

/** `localhost`, its subdomains, 127.0.0.0/8 and ::1. @see RFC 6761 section 6.3 */
export const isLoopback = ({ hostname }: URL): boolean =>
  /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)

/**
 * An `https:` URL, or `http:` on loopback: our codes and tokens, and the keys that we trust, are sent over TLS only.
 */
export function isSafeUrl(text: unknown): text is string {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url))
}

/** A command that prints a secret. */
export const MAKE_SECRET = `node -p "crypto.randomBytes(32).toString('base64url')"`

/** Words of sample values in documentation. */
const sampleWords =
  /change.?me|your|example|sample|secret|password|insecure|default|placeholder|123456|abcdef|qwerty|key|here/gi

/** Whether such words make up a quarter of a text: a short word can be part of a random text by chance. */
const looksLikeSample = (value: string): boolean => (value.match(sampleWords) ?? []).join('').length >= value.length / 4

export function validateSecret(option: string, value: Secret | undefined, length: number, misuse: Misuse): void {
  if (typeof value === 'function') return
  const remedy =
    value === undefined ? 'is missing: set the secret, or a function that returns it' : secretWeakness(value, length)
  if (remedy) misuse(option, remedy)
}

/** Why a secret cannot be used; `undefined` if it can. Secrets from a function are checked when they arrive. */
export function secretWeakness(value: string, length: number): string | undefined {
  if (value.length < length) return `is shorter than ${length} characters; make one: ${MAKE_SECRET}`
  if (length > 1 && (new Set(value).size < 10 || looksLikeSample(value)))
    return `looks like a sample; make one: ${MAKE_SECRET}`
  return undefined
}
