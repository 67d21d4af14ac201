import { type CertificateContent, readCertificate, thumbprintOf } from '../crypto/certificate.js'
import { createBoundedCache } from '../protocol/bounded-cache.js'
import { deepFreeze } from '../protocol/deep-freeze.js'
import { peerOf } from '../protocol/http/peer.js'
import type { AuthenticationResult, Authenticator } from '../protocol/principal.js'
import { described, func, object } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import { invalidToken } from './results.js'

/**
 * The client certificate of a caller. Its parsed content is available in Node, Bun and workerd. In Deno, and without
 * node:crypto, there are only `der` and the thumbprint.
 */
export type ClientCertificate = Partial<CertificateContent> & {
  readonly der: Uint8Array
  /** SHA-256 of `der`, base64url. @see RFC 8705 section 3.1 */
  readonly 'x5t#S256': string
}

/** The caller that a certificate identifies. */
export interface CertificateHolder {
  sub: string
  /** Default none. */
  scopes?: readonly string[]
  tenant?: string
  client_id?: string
  /** For the application. */
  claims?: Readonly<Record<string, unknown>>
}

export interface ClientCertificateOptions {
  /**
   * Returns the caller that a certificate identifies; `undefined` if it is unknown. Called for every request, so a removed
   * caller loses access at once. If it throws, the response is 503.
   */
  identify: (certificate: ClientCertificate) => CertificateHolder | undefined | Promise<CertificateHolder | undefined>
}

export const clientCertificateOptions = object<ClientCertificateOptions>({
  identify: described('a function that returns the caller that a certificate identifies', func),
})

/** Parsed certificates in the cache, at most. Parsing takes forty times as long as the digest. */
const MAX_CACHED = 200

/**
 * Accepts the client certificate of the connection, which the server adapter attaches to the request (`withPeer`), if the request
 * has no explicit credential. Together with a bound token it is the proof of that token. Behind a proxy that terminates TLS:
 * `createGuard({ trustedProxies })`.
 *
 * A certificate that is unknown, expired or not valid yet (to the second, by the guard's clock) is 401 `invalid_token`. If its
 * content cannot be parsed on this platform, the validity is not checked here: the TLS server has checked it.
 *
 * Not checked: chain, name constraints, key usage and revocation. The TLS server checks them (`requestCert` and `ca` in Node) and
 * passes on only verified certificates. Cross-site requests of a browser are not detected either: use certificates for services.
 *
 * @throws TypeError when there is no `identify`
 */
export function clientCertificate(options: ClientCertificateOptions): Authenticator {
  validate('clientCertificate', clientCertificateOptions, options)
  const { identify } = options
  const remembered = createBoundedCache<CertificateContent>(MAX_CACHED)

  function contentOf(der: Uint8Array, thumbprint: string): CertificateContent | undefined {
    const known = remembered.get(thumbprint)
    if (known) return known
    const content = readCertificate(der)
    if (content) remembered.set(thumbprint, deepFreeze(content))
    return content
  }

  return {
    method: 'client_certificate',
    explicit: false,
    claims: (request) => peerOf(request)?.certificate !== undefined,

    async verify(request, { now }): Promise<AuthenticationResult> {
      const der = peerOf(request)?.certificate ?? new Uint8Array()
      const thumbprint = await thumbprintOf(der)
      let content: CertificateContent | undefined
      try {
        content = contentOf(der, thumbprint)
      } catch {
        return invalidToken('not a certificate')
      }
      if (content && now() < content.notBefore) return invalidToken('not valid yet')
      if (content && now() > content.notAfter) return invalidToken('expired')
      const holder = await identify({ ...content, der, 'x5t#S256': thumbprint })
      if (!holder?.sub) return invalidToken('unknown certificate')
      const { sub, scopes = [], tenant, client_id, claims } = holder
      return {
        ok: true,
        principal: {
          method: 'client_certificate',
          sub,
          scopes,
          bound: 'mtls',
          // A copy, since the guard freezes the claims.
          claims: { ...structuredClone(claims), 'x5t#S256': thumbprint },
          ...(tenant !== undefined && { tenant }),
          ...(client_id !== undefined && { client_id }),
          ...(content && { expiresAt: content.notAfter }),
        },
      }
    },
  }
}
