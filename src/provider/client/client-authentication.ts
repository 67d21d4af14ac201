import * as oidc from 'openid-client'
import type { Client } from './client.js'
import { type PrivateKey, readPrivateKey } from './private-key.js'

type Method = Client['clientAuthentication'] | 'none'

/** Client authentication by one method. The credential is a secret or a private key. The issuer is the only `aud` of an assertion. */
export async function authenticationBy(method: Method, credential: string): Promise<oidc.ClientAuth> {
  switch (method) {
    case 'client_secret_basic':
      return oidc.ClientSecretBasic(credential)
    case 'client_secret_post':
      return oidc.ClientSecretPost(credential)
    case 'private_key_jwt':
      return privateKeyJwt(await readPrivateKey('clientKey', credential))
    case 'tls_client_auth':
      return oidc.TlsClientAuth()
    case 'none':
      return oidc.None()
  }
}

/** `alg` is as the JWK spells it, because some providers accept only the older name of Ed25519, `EdDSA`. */
const privateKeyJwt = ({ key, kid, alg }: PrivateKey): oidc.ClientAuth =>
  oidc.PrivateKeyJwt(kid === undefined ? { key } : { key, kid }, {
    [oidc.modifyAssertion](header) {
      header['alg'] = alg
    },
  })
