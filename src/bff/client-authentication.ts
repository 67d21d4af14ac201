import * as oidc from 'openid-client'
import type { Client } from './client.js'
import { type PrivateKey, readPrivateKey } from './private-key.js'

/** Each request to the provider carries the newest secret; an assertion names the issuer as its only `aud`. */
export function clientAuthentication(client: Client, secret: () => Promise<string>): oidc.ClientAuth {
  const methodOf = {
    client_secret_basic: async () => oidc.ClientSecretBasic(await secret()),
    client_secret_post: async () => oidc.ClientSecretPost(await secret()),
    private_key_jwt: async () => asserting(await readPrivateKey('clientKey', await secret())),
    tls_client_auth: async () => oidc.TlsClientAuth(),
  }[client.clientAuthentication]
  return async (as, metadata, body, headers) => (await methodOf())(as, metadata, body, headers)
}

/** By the name of the algorithm that the JWK has: a provider may know Ed25519 by the older one. */
const asserting = ({ key, kid, alg }: PrivateKey): oidc.ClientAuth =>
  oidc.PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, {
    [oidc.modifyAssertion](header) {
      header['alg'] = alg
    },
  })
