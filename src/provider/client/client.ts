import { privateKeyFlaw } from '../../protocol/jwk.js'
import { type Misuse, parseUrl, validateSecret } from '../../protocol/option-checks.js'
import type { Secret } from '../../protocol/secret.js'
import { oneOf, optional, type Shape, secret as secretCheck, text } from '../../protocol/shape.js'
import { isTemplate, isTenantId, type Tenants } from '../issuer.js'

/** How this client authenticates to a provider. */
export type ClientAuthentication =
  | {
      /** The secret, or a function that reads it from a secret manager. The function is called for every request to the provider. */
      client_secret: Secret
      /** How the secret is sent. Default `client_secret_basic`. @see RFC 6749 section 2.3.1 */
      clientAuthentication?: 'client_secret_basic' | 'client_secret_post'
    }
  | {
      /** A signed assertion, so that no secret is sent. @see RFC 7523 section 2.2 */
      clientAuthentication: 'private_key_jwt'
      /** The private key as a JWK in JSON, with `alg` (`ES256`, `EdDSA`, `PS256`, `RS256`) and the registered `kid`. */
      clientKey: Secret
      /**
       * The only `aud` of an assertion. `issuer` (default), or `endpoint`: the URL that the request is sent to, for providers that
       * accept nothing else (Okta).
       */
      assertionAudience?: 'issuer' | 'endpoint'
    }
  | {
      /** The TLS client certificate. The option `fetch` must send it: `mutualTls(…)` in Node. @see RFC 8705 section 2 */
      clientAuthentication: 'tls_client_auth'
    }

/** How a client is registered at one provider. */
export type ClientOptions = {
  /** The issuer identifier, exactly as in the provider’s metadata document: `https://login.example.com/realms/acme`. */
  issuer: string
  /**
   * Where the metadata document is, if it is not below the issuer: policies of Azure AD B2C, an address inside your network. Its `issuer`
   * must still be the configured one, and its endpoints `https:`. Contains `/.well-known/`. Default: below the issuer, as OpenID
   * Connect Discovery says. With it, the issuer may be any text: nothing is fetched from it.
   */
  metadataUrl?: string
  client_id: string
} & ClientAuthentication

export const clientShape: Shape<ClientOptions> = {
  issuer: text,
  metadataUrl: optional(text),
  client_id: text,
  client_secret: optional(secretCheck),
  clientAuthentication: optional(
    oneOf('client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth'),
  ),
  clientKey: optional(secretCheck),
  assertionAudience: optional(oneOf('issuer', 'endpoint')),
}

/** {@link ClientOptions}, validated. */
export interface Client {
  readonly issuer: string
  /** `undefined`: below the issuer. */
  readonly metadataUrl?: string | undefined
  /** For an issuer of many tenants. */
  readonly tenants?: Tenants | undefined
  readonly client_id: string
  readonly clientAuthentication: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'tls_client_auth'
  /** The secret, or the private key as a JWK. Empty for `tls_client_auth`. */
  readonly credential: Secret
  /** For `private_key_jwt`. Default `issuer`. */
  readonly assertionAudience?: 'issuer' | 'endpoint' | undefined
}

/** Validates what a shape cannot describe. `misuse` throws; it names the option and the remedy. */
export function validateClient(
  options: ClientOptions & { tenants?: Tenants },
  ownFetch: boolean,
  misuse: Misuse,
): Client {
  const { issuer, metadataUrl, tenants } = options
  validateIssuer(options, misuse)
  return {
    issuer,
    metadataUrl,
    tenants,
    client_id: options.client_id,
    clientAuthentication: options.clientAuthentication ?? 'client_secret_basic',
    credential: credentialOf(options, ownFetch, misuse),
    assertionAudience: assertionAudienceOf(options, misuse),
  }
}

/** Of any client options. Has no effect without an assertion, so it is refused then. */
export function assertionAudienceOf(options: ClientAuthentication, misuse: Misuse): Client['assertionAudience'] {
  const { assertionAudience } = options as { assertionAudience?: Client['assertionAudience'] }
  if (assertionAudience !== undefined && options.clientAuthentication !== 'private_key_jwt')
    misuse('assertionAudience', 'needs clientAuthentication: "private_key_jwt"')
  return assertionAudience
}

function validateIssuer({ issuer, metadataUrl, tenants }: ClientOptions & { tenants?: Tenants }, misuse: Misuse): void {
  if (metadataUrl !== undefined) {
    const url = parseUrl('metadataUrl', metadataUrl, misuse)
    if (!url.pathname.includes('/.well-known/') || url.hash)
      misuse('metadataUrl', 'must be the URL of a metadata document, with /.well-known/ in its path')
  }
  const template = isTemplate(issuer)
  if (/[{}]/.test(template ? issuer.replace('{tenantid}', '') : issuer))
    misuse('issuer', 'may have one place, "{tenantid}", where the id of a tenant stands')
  if (template && metadataUrl === undefined)
    misuse('metadataUrl', 'is missing: an issuer of many tenants has no document')
  if (template !== (tenants !== undefined))
    misuse(
      'tenants',
      'and an issuer with "{tenantid}" need each other: the ids of the tenants, or a function that decides',
    )
  const wrong = Array.isArray(tenants) ? tenants.find((tid) => !isTenantId(tid)) : undefined
  if (wrong !== undefined) misuse('tenants', `names "${wrong}"; the id of a tenant is a GUID in lower case`)
  if (metadataUrl !== undefined && !template) return
  const url = parseUrl('issuer', issuer, misuse)
  if (url.search || url.hash) misuse('issuer', 'must have no query and no fragment')
}

function credentialOf(options: ClientOptions, ownFetch: boolean, misuse: Misuse): Secret {
  switch (options.clientAuthentication) {
    case 'private_key_jwt':
      validatePrivateKey('clientKey', options.clientKey, misuse)
      return options.clientKey
    case 'tls_client_auth':
      if (!ownFetch) misuse('fetch', 'must send the client certificate for "tls_client_auth": mutualTls({ cert, key })')
      return ''
    default:
      validateSecret('client_secret', options.client_secret, 1, misuse)
      return options.client_secret
  }
}

/** A key that a function returns is validated when it is read. */
export function validatePrivateKey(option: string, value: Secret | undefined, misuse: Misuse): void {
  if (typeof value === 'function') return
  const flaw = value === undefined ? 'is missing: the private key, a JWK in JSON' : privateKeyFlaw(value)
  if (flaw !== undefined) misuse(option, flaw)
}
