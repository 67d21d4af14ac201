import * as oidc from 'openid-client'
import { type PrivateKey, readPrivateKey } from './private-key.js'
import type { ProviderSettings } from './settings.js'

/** Each request to the provider carries the newest secret; an assertion names the issuer as its only `aud`. */
export function clientAuthentication(
  { clientAuthentication: method }: Pick<ProviderSettings, 'clientAuthentication'>,
  secret: () => Promise<string>,
): oidc.ClientAuth {
  const methodOf = {
    client_secret_basic: async () => oidc.ClientSecretBasic(await secret()),
    client_secret_post: async () => oidc.ClientSecretPost(await secret()),
    private_key_jwt: async () => asserting(await readPrivateKey('clientKey', await secret())),
    tls_client_auth: async () => oidc.TlsClientAuth(),
    none: async () => oidc.None(),
  }[method]
  return async (as, metadata, body, headers) => (await methodOf())(as, metadata, body, headers)
}

/** By the name of the algorithm that the JWK has: a provider may know Ed25519 by the older one. */
const asserting = ({ key, kid, alg }: PrivateKey): oidc.ClientAuth =>
  oidc.PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, {
    [oidc.modifyAssertion](header) {
      header['alg'] = alg
    },
  })
