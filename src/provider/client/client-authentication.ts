import * as oidc from 'openid-client'
import type { Client } from './client.js'
import { type PrivateKey, readPrivateKey } from './private-key.js'

/** How this client authenticates. */
interface AuthenticationMethod extends Pick<Client, 'assertionAudience'> {
  readonly clientAuthentication: Client['clientAuthentication'] | 'none'
}

/** Client authentication by one method. The credential is a secret or a private key. */
export async function authenticationBy(
  { clientAuthentication, assertionAudience = 'issuer' }: AuthenticationMethod,
  credential: string,
): Promise<oidc.ClientAuth> {
  switch (clientAuthentication) {
    case 'client_secret_basic':
      return clientSecretBasic(credential)
    case 'client_secret_post':
      return oidc.ClientSecretPost(credential)
    case 'private_key_jwt': {
      const key = await readPrivateKey('clientKey', credential)
      return assertionAudience === 'issuer' ? privateKeyJwt(key) : privateKeyJwtForEndpoint(key)
    }
    case 'tls_client_auth':
      return oidc.TlsClientAuth()
    case 'none':
      return oidc.None()
  }
}

/**
 * The library’s own function also encodes characters that form encoding leaves unchanged, such as `-` and `_`. Some servers
 * decode neither. @see RFC 6749 section 2.3.1 and appendix B
 */
const clientSecretBasic =
  (client_secret: string): oidc.ClientAuth =>
  (_server, { client_id }, _body, headers) => {
    const credentials = [client_id, client_secret].map((text) => `${new URLSearchParams({ '': text })}`.slice(1))
    headers.set('authorization', `Basic ${btoa(credentials.join(':'))}`)
  }

/** `alg` is as the JWK spells it, because some providers accept only the older name of Ed25519, `EdDSA`. */
const privateKeyJwt = ({ key, kid, alg }: PrivateKey, aud?: string): oidc.ClientAuth =>
  oidc.PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, {
    [oidc.modifyAssertion](header, payload) {
      header['alg'] = alg
      if (aud !== undefined) payload['aud'] = aud
    },
  })

/** Requests whose assertion is not signed yet: openid-client authenticates before it says the URL. */
const unsigned = new WeakMap<object, (url: string) => unknown>()

const privateKeyJwtForEndpoint =
  (key: PrivateKey): oidc.ClientAuth =>
  (server, client, body, headers) => {
    unsigned.set(body, (url) => privateKeyJwt(key, url)(server, client, body, headers))
  }

/** Signs the assertions for the URL that a request is sent to: no other endpoint accepts them, whatever the metadata says. */
export const withAssertions =
  (fetch: oidc.CustomFetch): oidc.CustomFetch =>
  async (url, options) => {
    const { body } = options
    if (body instanceof URLSearchParams) await unsigned.get(body)?.(url)
    return fetch(url, options)
  }
