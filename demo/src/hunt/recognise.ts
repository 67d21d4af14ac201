import type { Issued } from '../controls.js'

/** Anything that looks like a signed or encrypted token: a JOSE header in base64url begins with `eyJ`. */
const tokenLike = /eyJ[\w-]{6,}(?:\.[\w-]*){2,4}/g
/** Unbroken stretches that could hold an opaque token or a code. */
const stretch = /[\w.~-]{20,}/g

/** Hashes that are tried at most: a page full of long words must not keep a visitor waiting. */
const most = 60_000

/**
 * How many different tokens `texts` hold: by their look, and exactly. The page is not told what was issued, only the
 * digests: so every piece that is as long as something issued is hashed and compared.
 */
export async function countTokens(texts: ReadonlySet<string>, issued: readonly Issued[]): Promise<number> {
  const found = new Set<string>()
  const digests = new Set(issued.map(({ sha256 }) => sha256))
  const lengths = [...new Set(issued.map(({ length }) => length))]
  const pieces = new Set<string>()
  for (const text of texts) {
    for (const [token] of text.matchAll(tokenLike)) found.add(token)
    for (const [run] of text.matchAll(stretch))
      for (const length of lengths)
        for (let at = 0; at + length <= run.length && pieces.size < most; at++) pieces.add(run.slice(at, at + length))
  }
  for (const piece of pieces) if (digests.has(await sha256(piece))) found.add(piece)
  return found.size
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
