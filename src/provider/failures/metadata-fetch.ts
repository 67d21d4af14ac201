import { createProviderFetch, objectIn, type ProviderFetch, UnreadableResponse } from './provider-fetch.js'
import { readable } from './provider-text.js'

/** A metadata document of another issuer. */
export class OtherIssuer extends UnreadableResponse {}

/**
 * A `fetch` for the metadata document of an issuer: it resolves only for one that names this issuer, character for character.
 *
 * @throws RequestError
 * @see OpenID Connect Discovery 1.0 section 4.3, RFC 8414 section 3.3
 */
export function createMetadataFetch(fetch: typeof globalThis.fetch, issuer: string): ProviderFetch {
  const send = createProviderFetch(fetch)
  return async (url, options) => {
    const response = await send(url, options)
    const { status } = response
    const document = objectIn(await response.clone().text())
    if (!Object.keys(document).length) throw new UnreadableResponse(url, status, 'no JSON object')
    const { issuer: named } = document
    if (typeof named !== 'string') throw new UnreadableResponse(url, status, 'no usable issuer')
    if (named === issuer) return response
    throw new OtherIssuer(url, status, `its issuer is "${readable(named)}", but the option "issuer" is "${issuer}"`)
  }
}
