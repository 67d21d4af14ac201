import { createPrivateKey, X509Certificate } from 'node:crypto'
import { Agent, fetch as undiciFetch } from 'undici'
import { object, optional, text } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'

/** A client certificate, PEM: what the provider knows this client by. */
export interface MutualTlsOptions {
  /** The certificate, with its chain. */
  cert: string
  /** Its private key. */
  key: string
  /** Authorities that the other side's certificate is checked against. Default: those of Node. */
  ca?: string
}

export const mutualTlsOptions = object<MutualTlsOptions>({ cert: text, key: text, ca: optional(text) })

/**
 * A `fetch` that shows a client certificate, for `createBff({ clientAuthentication: 'tls_client_auth', fetch })`.
 *
 * Not done: the certificate is not read again; make another `fetch` for another certificate.
 *
 * @throws TypeError naming the option: what is no certificate, no private key, or not of each other
 * @see RFC 8705 section 2
 */
export function mutualTls(options: MutualTlsOptions): typeof globalThis.fetch {
  validate('mutualTls', mutualTlsOptions, options)
  validatePair(options)
  const { cert, key, ca } = options
  const dispatcher = new Agent({ connect: { cert, key, ...(ca !== undefined && { ca }) } })
  const through = undiciFetch as unknown as (input: unknown, init: unknown) => Promise<Response>
  return (input, init) => {
    // Another library's `Request` than the platform's: it is read by its members, and what `init` says goes before them.
    if (!(input instanceof Request)) return through(input, { ...init, dispatcher })
    const { url, method, headers, body, signal, redirect } = new Request(input, init)
    return through(url, { method, headers: [...headers], body, signal, redirect, duplex: 'half', dispatcher })
  }
}

/** What TLS would only say in the first handshake, to whoever waits for it. Nothing of a key is quoted. */
function validatePair({ cert, key, ca }: MutualTlsOptions): void {
  const read = <Read>(option: string, what: string, reading: () => Read): Read => {
    try {
      return reading()
    } catch {
      throw new TypeError(`mutualTls: "${option}" must be ${what} in PEM`)
    }
  }
  const certificate = read('cert', 'a certificate', () => new X509Certificate(cert))
  const privateKey = read('key', 'a private key without a passphrase', () => createPrivateKey(key))
  if (ca !== undefined) read('ca', 'certificates', () => new X509Certificate(ca))
  if (!certificate.checkPrivateKey(privateKey))
    throw new TypeError('mutualTls: "key" must be the private key of "cert"')
}
