import { readable } from './provider-text.js'

/** A request that has no result, by its URL. */
export abstract class RequestError extends Error {
  readonly url: string

  constructor(url: string, options?: ErrorOptions) {
    super('The request has no result', options)
    this.url = url
  }
}

/** No response: no connection, no valid certificate, a timeout, or a body that broke off. */
export class RequestFailed extends RequestError {}

/** A response that is neither a success nor an OAuth error: a page, a redirect, an error of the server. */
export class UnexpectedResponse extends RequestError {
  readonly response: Response
  /** What it says, for the operator. */
  readonly said: string

  constructor(url: string, response: Response, said: string) {
    super(url)
    this.response = response
    this.said = said
  }
}

/** A success that is not what this endpoint responds with. */
export class UnreadableResponse extends RequestError {
  readonly status: number
  readonly flaw: string

  constructor(url: string, status: number, flaw: string) {
    super(url)
    this.status = status
    this.flaw = flaw
  }
}

export type ProviderFetch = (url: string, options: RequestInit) => Promise<Response>

/** Parameters of requests that are secrets, or work like one. */
const secretParameters = ['client_secret', 'client_assertion', 'refresh_token', 'code', 'code_verifier', 'token']

/**
 * A `fetch` for requests to a provider that tells outages and mistakes apart. It resolves only for a success, for the OAuth error
 * of an endpoint (which are all requested with POST), and for a challenge for a DPoP nonce. The body has arrived by then.
 *
 * An OAuth error is recognized by its body: some providers send it with another media type, and a 401 has a challenge beside it
 * (RFC 6749 section 5.2), for which libraries do not read the body. Its text is made readable here, because only here it is known
 * what was sent.
 *
 * @throws RequestFailed, UnexpectedResponse
 */
export function createProviderFetch(fetch: typeof globalThis.fetch): ProviderFetch {
  return async (url, options) => {
    let response: Response
    let text: string
    try {
      response = await fetch(url, options)
      text = await response.clone().text()
    } catch (error) {
      throw new RequestFailed(url, { cause: error })
    }
    if (response.ok) return response
    const { status, headers } = response
    const challenge = headers.get('www-authenticate') ?? ''
    if (/\buse_dpop_nonce\b/.test(challenge)) return response
    const { error, error_description, suberror } = objectIn(text)
    const sent = sentSecrets(options)
    const description = readable(error_description, sent)
    if (options.method === 'POST' && status >= 400 && status < 500 && typeof error === 'string' && error) {
      const kept = [...headers].filter(([name]) => name === 'retry-after' || name === 'dpop-nonce')
      return Response.json({ error, error_description: description, suberror }, { status, headers: kept })
    }
    throw new UnexpectedResponse(url, response, description || readable(error, sent) || readable(challenge, sent))
  }
}

/** A `fetch` for the keys of a provider: it resolves only for a key set. @throws RequestError @see RFC 7517 section 5 */
export function createKeySetFetch(fetch: typeof globalThis.fetch): ProviderFetch {
  const send = createProviderFetch(fetch)
  return async (url, options) => {
    const response = await send(url, options)
    const { keys } = objectIn(await response.clone().text())
    if (!Array.isArray(keys)) throw new UnreadableResponse(url, response.status, 'no usable keys')
    return response
  }
}

/** The JSON object in a text; an empty one if there is none. */
export function objectIn(text: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** What a response must not bring into an event. */
function sentSecrets({ headers, body }: RequestInit): string[] {
  const credentials = new Headers(headers).get('authorization')?.split(' ').at(-1) ?? ''
  const form = body instanceof URLSearchParams ? body : new URLSearchParams()
  return [credentials, ...passwordIn(credentials), ...secretParameters.flatMap((name) => form.getAll(name))]
}

/** The client secret in `Authorization: Basic`, form-encoded and decoded. @see RFC 6749 section 2.3.1 */
function passwordIn(credentials: string): string[] {
  try {
    const [, encoded = ''] = atob(credentials).split(':')
    return [encoded, decodeURIComponent(encoded.replaceAll('+', ' '))]
  } catch {
    return []
  }
}
