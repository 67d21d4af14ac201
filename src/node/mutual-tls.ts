import { createPrivateKey, X509Certificate } from 'node:crypto'
import { Agent, fetch as undiciFetch } from 'undici'
import { object, optional, text } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'

/** The client certificate that is registered at the provider, in PEM. */
export interface MutualTlsOptions {
  /** The certificate, with its chain. */
  cert: string
  /** Its private key. */
  key: string
  /** Certificate authorities for the server's certificate. Default: those of Node. */
  ca?: string
}

export const mutualTlsOptions = object<MutualTlsOptions>({ cert: text, key: text, ca: optional(text) })

/**
 * A `fetch` that uses a client certificate, for `createBff({ clientAuthentication: 'tls_client_auth', fetch })`.
 *
 * The certificate is not reloaded: create another `fetch` for a new certificate.
 *
 * @throws TypeError naming the option if it is not a certificate or private key, or if they do not match
 * @see RFC 8705 section 2
 */
export function mutualTls(options: MutualTlsOptions): typeof globalThis.fetch {
  validate('mutualTls', mutualTlsOptions, options)
  validatePair(options)
  const { cert, key, ca } = options
  const dispatcher = new Agent({ connect: { cert, key, ...(ca !== undefined && { ca }) } })
  const through = undiciFetch as unknown as (input: unknown, init: unknown) => Promise<Response>
  return (input, init) => {
    // The `Request` of undici is another class than the global one. Its members are passed on; `init` overrides them.
    if (!(input instanceof Request)) return through(input, { ...init, dispatcher })
    const { url, method, headers, body, signal, redirect } = new Request(input, init)
    return through(url, { method, headers: [...headers], body, signal, redirect, duplex: 'half', dispatcher })
  }
}

/** Checks certificate and key at creation, not in the first handshake. Messages never contain the key. */
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
