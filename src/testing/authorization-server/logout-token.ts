import type { Claims, Header, TamperedToken } from './keys.js'
import { issue, type ProviderState } from './provider-state.js'

export interface LogoutTokenOptions {
  /** Whose sessions end: of a user, or one session. */
  sub?: string
  sid?: string
  tamper?: ((claims: Claims, header: Header) => TamperedToken) | undefined
}

/** A logout token of this provider, or one that a test has tampered with. */
export async function logoutToken(
  state: ProviderState,
  client_id: string,
  { tamper = (claims, header) => ({ claims, header }), ...owner }: LogoutTokenOptions,
): Promise<string> {
  const iat = Math.floor(state.now())
  const claims = {
    iss: state.issuer,
    aud: client_id,
    iat,
    exp: iat + 120,
    jti: crypto.randomUUID(),
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    ...owner,
  }
  return issue(state, await state.keys.sign(tamper(claims, { alg: 'RS256', typ: 'logout+jwt' })))
}
