import { Agent, fetch as undiciFetch } from 'undici'

/** A client certificate, PEM: what the provider knows this client by. */
export interface MutualTlsOptions {
  /** The certificate, with its chain. */
  cert: string
  /** Its private key. */
  key: string
  /** Authorities that the other side's certificate is checked against. Default: those of Node. */
  ca?: string
}

/**
 * A `fetch` that shows a client certificate, for `createBff({ clientAuthentication: 'tls_client_auth', fetch })`.
 *
 * Not done: the certificate is not read again; make another `fetch` for another certificate.
 *
 * @see RFC 8705 section 2
 */
export function mutualTls({ cert, key, ca }: MutualTlsOptions): typeof globalThis.fetch {
  const dispatcher = new Agent({ connect: { cert, key, ...(ca !== undefined && { ca }) } })
  const through = undiciFetch as unknown as (input: unknown, init: unknown) => Promise<Response>
  return (input, init) => through(input instanceof Request ? input.url : input, { ...init, dispatcher })
}
