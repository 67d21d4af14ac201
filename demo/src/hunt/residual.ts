import type { Issued } from '../controls.js'
import { backend, proxied } from '../mode.js'
import { recognise } from './recognise.js'

/** What a script gets that asks the backend exactly as the page does: the risk that a mode leaves. */
export interface Residual {
  /** Tokens in all that the backend answered. */
  tokens: number
  /** For how long the access token is good that it answered with. Seconds. */
  seconds: number
  /** Whether the API answers to calls through the backend. */
  calls: boolean
}

/** Asks for all that the page can ask for, in proxy mode with a call of the API. `undefined`: nobody is signed in. */
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
