import type { Issued } from '../controls.js'

/** Anything that looks like a signed or encrypted token: a JOSE header in base64url begins with `eyJ`. */
const tokenLike = /eyJ[\w-]{6,}(?:\.[\w-]*){2,4}/g
/** Long words that could be an opaque token or a code. */
const stretch = /[\w.~-]{20,}/g

/** The maximum number of hashes, so that a page full of long words does not block a search. */
const most = 60_000

/** The number of different tokens and codes in some texts. */
export interface Found {
  tokens: number
  /** Authorization codes, which are useless after they are redeemed. */
  codes: number
}

/**
 * Finds tokens by their form, and issued strings by their digest. The page gets only digests of issued strings, so
 * every piece with the length of an issued string is hashed and compared.
 */
export async function recognise(texts: ReadonlySet<string>, issued: readonly Issued[]): Promise<Found> {
  const found = { tokens: new Set<string>(), codes: new Set<string>() }
  const kinds = new Map(issued.map(({ sha256, kind }) => [sha256, kind]))
  const lengths = [...new Set(issued.map(({ length }) => length))]
  const pieces = new Set<string>()
  for (const text of texts) {
    for (const [token] of text.matchAll(tokenLike)) found.tokens.add(token)
    for (const [run] of text.matchAll(stretch))
      for (const length of lengths)
        for (let at = 0; at + length <= run.length && pieces.size < most; at++) pieces.add(run.slice(at, at + length))
  }
  for (const piece of pieces) {
    const kind = kinds.get(await sha256(piece))
    if (kind) found[kind === 'code' ? 'codes' : 'tokens'].add(piece)
  }
  return { tokens: found.tokens.size, codes: found.codes.size }
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
