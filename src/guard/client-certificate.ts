import { type CertificateContent, readCertificate, thumbprintOf } from '../crypto/certificate.js'
import { createBoundedCache } from '../protocol/bounded-cache.js'
import { peerOf } from '../protocol/http/peer.js'
import type { AuthenticationResult, Authenticator } from '../protocol/principal.js'
import { described, func, object } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import { deepFreeze } from './deep-freeze.js'
import { invalidToken } from './results.js'

/**
 * A certificate that a caller has shown. What stands in it is there in Node, Bun and workerd; in Deno, and where there is no
 * node:crypto, there are `der` and thumbprint alone.
 */
export type ClientCertificate = Partial<CertificateContent> & {
  readonly der: Uint8Array
  /** SHA-256 of `der`, base64url. @see RFC 8705 section 3.1 */
  readonly 'x5t#S256': string
}

/** Whom a certificate stands for. */
export interface CertificateHolder {
  sub: string
  /** Default none. */
  scopes?: readonly string[]
  tenant?: string
  client_id?: string
  /** For decisions of the application. */
  claims?: Readonly<Record<string, unknown>>
}

export interface ClientCertificateOptions {
  /**
   * Says whom a certificate stands for, `undefined` for nobody. Asked for every request, so whoever is no longer let in is out
   * at once. One that throws is 503.
   */
  identify: (certificate: ClientCertificate) => CertificateHolder | undefined | Promise<CertificateHolder | undefined>
}

export const clientCertificateOptions = object<ClientCertificateOptions>({
  identify: described('a function that says whom a certificate stands for', func),
})

/** Certificates whose content is remembered at most: reading one takes forty times as long as its digest. */
const MAX_CACHED = 200

/**
 * Accepts the client certificate of the connection, which the rim ties to the request (`withPeer`), where no credential was sent on
 * purpose; beside a bound token it is that token's proof. Behind a proxy that ends TLS: `createGuard({ trustedProxies })`.
 *
 * A certificate that stands for nobody, that has expired or is not valid yet (to the second, by the guard's clock) is 401
 * `invalid_token`. Where its content cannot be read its validity is not known, and is left to whoever verified the certificate.
 *
 * Not checked: chain, name constraints, key usage and revocation. That is the TLS server's: with `requestCert` and `ca` in Node,
 * and only a certificate that it has verified gets here. Nor who made a browser send it: certificates are for services.
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
          // A copy: what the guard freezes is not the application's own.
          claims: { ...structuredClone(claims), 'x5t#S256': thumbprint },
          ...(tenant !== undefined && { tenant }),
          ...(client_id !== undefined && { client_id }),
          ...(content && { expiresAt: content.notAfter }),
        },
      }
    },
  }
}
