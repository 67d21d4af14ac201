import type { Issued } from '../controls.js'

/** Anything that looks like a signed or encrypted token: a JOSE header in base64url begins with `eyJ`. */
const tokenLike = /eyJ[\w-]{6,}(?:\.[\w-]*){2,4}/g
/** Unbroken stretches that could hold an opaque token or a code. */
const stretch = /[\w.~-]{20,}/g

/** Hashes that are tried at most: a page full of long words must not keep a visitor waiting. */
const most = 60_000

/** What some texts hold: how many different ones of each. */
export interface Found {
  tokens: number
  /** Authorization codes, which are worth nothing once they are redeemed. */
  codes: number
}

/**
 * Finds tokens by their look, and everything issued exactly. The page is not told what was issued, only the digests: so
 * every piece that is as long as something issued is hashed and compared.
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
