import type { Issued } from '../controls.js'
import { backend, proxied } from '../mode.js'
import { recognise } from './recognise.js'

/** What a script gets if it asks the backend exactly as the page does: the remaining risk of a mode. */
export interface Residual {
  /** The number of tokens in the backend's responses. */
  tokens: number
  /** The remaining lifetime of that access token. Seconds. */
  seconds: number
  /** Whether the API accepts calls through the backend. */
  calls: boolean
}

/** Makes all requests that the page can make; in proxy mode also an API call. `undefined`: no user is signed in. */
export async function askAsThePageDoes(issued: () => Promise<Issued[]>): Promise<Residual | undefined> {
  const heard = new Set<string>()
  const ask = async (method: string, path: string) => {
    const response = await fetch(backend + path, { method, headers: { 'Sallyport-CSRF': '1' } })
    const body = await response.text()
    for (const text of [body, ...[...response.headers].flat()]) heard.add(text)
    return { ok: response.ok, body }
  }
  const session = await ask('GET', '/session')
  const renewed = await ask('POST', '/session')
  const calls = proxied && (await ask('GET', '/api/notes')).ok
  if (!JSON.parse(session.body || '{}').user) return undefined
  const { tokens } = await recognise(heard, await issued())
  return { tokens, seconds: Number(JSON.parse(renewed.body || '{}').token?.expires_in ?? 0), calls }
}
