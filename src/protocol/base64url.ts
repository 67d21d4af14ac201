/** Encodes bytes as unpadded base64url. @see RFC 4648 section 5 */
export function encodeBase64url(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/**
 * Decodes unpadded base64url. Returns `undefined` for anything else, so that a caller cannot use invalid input as
 * bytes.
 *
 * Padding, the alphabet of plain base64, white space and non-zero trailing bits are refused: one value has one
 * spelling.
 *
 * @see RFC 4648 sections 3.5 and 5
 */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return undefined
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0))
  return encodeBase64url(bytes) === text ? bytes : undefined
}
