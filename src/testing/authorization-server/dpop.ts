import { calculateJwkThumbprint, EmbeddedJWK, type JWK, jwtVerify } from 'jose'
import { encodeBase64url } from '../../protocol/base64url.js'
import { isFirst } from './client-authentication.js'
import { sha256 } from './keys.js'
import type { ProviderState } from './provider-state.js'

/** The result of a DPoP proof: the thumbprint of its key, or the error. */
type Proof = { jkt: string } | { error: 'invalid_dpop_proof' | 'use_dpop_nonce' }

/**
 * Checks the DPoP proof of a request, if it has one: signed by the key that it contains, for this method and URL,
 * current, used once, with the latest nonce if nonces are required, and for its access token. @see RFC 9449 section 4.3
 */
export async function proofOf(
  state: ProviderState,
  request: Request,
  access_token?: string,
): Promise<Proof | undefined> {
  const proof = request.headers.get('dpop')
  if (proof === null) return undefined
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256', 'EdDSA', 'Ed25519', 'PS256', 'RS256'],
      requiredClaims: ['jti', 'iat'],
    })
    const { htm, htu, ath, nonce, jti } = payload as Record<string, unknown>
    const expectedHash = access_token === undefined ? undefined : encodeBase64url(await sha256(access_token))
    const holds =
      htm === request.method &&
      htu === request.url.replace(/[?#].*$/, '') &&
      ath === expectedHash &&
      isFirst(state, `proof ${jti}`)
    if (!holds) return { error: 'invalid_dpop_proof' }
    if (state.dpopNonce !== undefined && nonce !== state.dpopNonce) return { error: 'use_dpop_nonce' }
    return { jkt: await calculateJwkThumbprint(protectedHeader.jwk as JWK) }
  } catch {
    return { error: 'invalid_dpop_proof' }
  }
}
