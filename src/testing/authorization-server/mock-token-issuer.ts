import { exportJWK, generateKeyPair } from 'jose'
import { anyText, anything, either, list, mapOf, object, optional, seconds, text } from '../../protocol/shape.js'
import { asyncCall } from '../../protocol/validate.js'
import { accessTokenClaims, accessTokenHeader, issueAccessToken } from './access-token.js'
import type { Claims, Header, TamperedToken } from './keys.js'
import { logoutToken } from './logout-token.js'
import { issue, type ProviderState, randomText } from './provider-state.js'

export interface MockTokenOptions {
  /** Default: the first user of `users`. For a service's own token, its `client_id`. */
  sub?: string
  /** Default: the first of `clients`. */
  client_id?: string
  /** `aud`: the `resource` of your guard. Default: the `client_id`. */
  audience?: string | readonly string[]
  /** Space-separated. Default: none. */
  scope?: string
  /** Seconds. Default: the server's `accessTokenLifetime`. */
  lifetime?: number
  /** The confirmation of a bound token: `{ jkt }` (RFC 9449), `{ 'x5t#S256': … }` (RFC 8705). */
  cnf?: Readonly<Record<string, string>>
  /** Further claims, or other values; `undefined` removes a claim. */
  claims?: Readonly<Record<string, unknown>>
}

/** A token that an API must refuse. */
export interface BadToken {
  /** The fault, for a test's title. */
  readonly name: string
  readonly token: string
}

/** Issues access tokens without a sign-in, valid and invalid, to test an API with. */
export interface MockTokenIssuer {
  /** A valid access token; `opaque` servers know it at introspection. @see RFC 9068 section 2.2 */
  token(options?: MockTokenOptions): Promise<string>
  /**
   * The same token with one fault each: in its claims, its header or its signature, or a token of another type. All are
   * JWTs, even if access tokens are `opaque`. An API that accepts any of them is insecure.
   *
   * Not included: revoked tokens (`revoke()`), and what depends on the API: missing scope, a missing proof.
   */
  badTokens(options?: MockTokenOptions): Promise<readonly BadToken[]>
}

const mockTokenOptions = object<MockTokenOptions>({
  sub: optional(text),
  client_id: optional(text),
  audience: optional(either(text, list(text, 1))),
  scope: optional(anyText),
  lifetime: optional(seconds()),
  cnf: optional(mapOf(text)),
  claims: optional(mapOf(anything<unknown>())),
})

export const mockTokenIssuerCalls = {
  token: asyncCall(['options', optional(mockTokenOptions)]),
  badTokens: asyncCall(['options', optional(mockTokenOptions)]),
}

const HOUR = 3600

export function createMockTokenIssuer(state: ProviderState): MockTokenIssuer {
  function draft({ audience, scope = '', claims, ...options }: MockTokenOptions): Claims {
    const { client_id = state.clients[0]?.client_id, sub = state.users[0]?.sub ?? client_id, ...rest } = options
    return { ...accessTokenClaims(state, { aud: audience ?? client_id, sub, client_id, scope, ...rest }), ...claims }
  }

  const header = accessTokenHeader

  const token = async (options: MockTokenOptions = {}): Promise<string> =>
    (await issueAccessToken(state, draft(options))).access_token

  async function badTokens(options: MockTokenOptions = {}): Promise<readonly BadToken[]> {
    const good = draft(options)
    const { iat, sub, client_id } = good as { iat: number; sub: string; client_id: string }
    const but = (changes: Claims): TamperedToken => ({ header, claims: { ...good, ...changes } })
    const spoiled = (signature: TamperedToken['signature'], changes: Partial<Header> = {}): TamperedToken => ({
      header: { ...header, ...changes },
      claims: good,
      ...(signature && { signature }),
    })
    const sign = (tampered: TamperedToken) => state.keys.sign(tampered)
    const whole = await sign({ header, claims: good })
    const [head, , signature] = whole.split('.')
    const [, more] = (await sign(but({ scope: 'everything', sub: 'somebody-else' }))).split('.')
    const stranger = await generateKeyPair('ES256', { extractable: true })
    const ofItsOwn = { ...spoiled('other-key'), header: { ...header, jwk: await exportJWK(stranger.publicKey) } }

    const made: Record<string, string | Promise<string>> = {
      'another audience': sign(but({ aud: 'https://another-api.example' })),
      'no audience': sign(but({ aud: undefined })),
      'a foreign issuer': sign(but({ iss: 'https://foreign-issuer.example' })),
      'no issuer': sign(but({ iss: undefined })),
      expired: sign(but({ iat: iat - 2 * HOUR, exp: iat - HOUR })),
      'no exp': sign(but({ exp: undefined })),
      'exp as text': sign(but({ exp: `${iat + HOUR}` })),
      'not yet valid': sign(but({ nbf: iat + HOUR, exp: iat + 2 * HOUR })),
      'alg none': sign(spoiled('none', { alg: 'none' })),
      'alg none in capitals': sign(spoiled('none', { alg: 'NONE' })),
      'HS256 with the public key': sign(spoiled('hs256-with-public-key')),
      'an unknown kid': sign(spoiled('other-key', { kid: crypto.randomUUID() })),
      'another key under a known kid': sign(spoiled('other-key')),
      'a key of its own in its header': sign(ofItsOwn),
      'a broken signature': sign(spoiled('broken')),
      'no signature': `${head}.${whole.split('.')[1]}.`,
      'claims changed after signing': `${head}.${more}.${signature}`,
      'an ID Token': sign({ header: { alg: 'RS256' }, claims: { ...good, nonce: randomText(), auth_time: iat } }),
      'a logout token': logoutToken(state, client_id, {
        sub,
        tamper: (claims, header) => ({ header, claims: { ...claims, aud: good['aud'] } }),
      }),
      'typ of a proof': sign(spoiled(undefined, { typ: 'dpop+jwt' })),
      'no JWT': randomText(),
    }
    return Promise.all(Object.entries(made).map(async ([name, token]) => ({ name, token: issue(state, await token) })))
  }

  return { token, badTokens }
}
