import * as oidc from 'openid-client'
import type { Client } from './client.js'
import { type PrivateKey, readPrivateKey } from './private-key.js'

type Method = Client['clientAuthentication'] | 'none'

/** How one method authenticates with a credential: a secret, or a private key; an assertion names the issuer as its only `aud`. */
export async function authenticationBy(method: Method, credential: string): Promise<oidc.ClientAuth> {
  switch (method) {
    case 'client_secret_basic':
      return oidc.ClientSecretBasic(credential)
    case 'client_secret_post':
      return oidc.ClientSecretPost(credential)
    case 'private_key_jwt':
      return asserting(await readPrivateKey('clientKey', credential))
    case 'tls_client_auth':
      return oidc.TlsClientAuth()
    case 'none':
      return oidc.None()
  }
}

/** Each request to the provider carries the newest secret. */
export function clientAuthentication(
  { clientAuthentication: method }: { clientAuthentication: Method },
  secret: () => Promise<string>,
): oidc.ClientAuth {
  return async (...parameters) => (await authenticationBy(method, await secret()))(...parameters)
}

/** By the name of the algorithm that the JWK has: a provider may know Ed25519 by the older one. */
const asserting = ({ key, kid, alg }: PrivateKey): oidc.ClientAuth =>
  oidc.PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, {
    [oidc.modifyAssertion](header) {
      header['alg'] = alg
    },
  })
