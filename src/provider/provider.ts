import * as oidc from 'openid-client'
import { Refusal } from '../bff/errors.js'
import type { Settings } from '../bff/settings.js'
import { createProviderConfiguration } from './configuration.js'
import type { Dpop } from './dpop.js'
import { acceptIdToken, isIdToken, refusedClaim } from './id-token.js'
import { answerOf, errorCode } from './openid-client-errors.js'
import type { ProviderAnswer } from './refresh-outcome.js'
import type { ProviderSettings } from './settings.js'
import { picked, unfitMember } from './token-response.js'

/** Characters of JSON. A picture belongs at an address, not in every session. */
const LONGEST_USERINFO = 65_536

/** A redeemed code: what the session is made of. */
export interface Redeemed {
  access_token: string
  refresh_token?: string
  expires_in?: number
  scope?: string
  id_token: string
  claims: oidc.IDToken
}

/** What was sealed when the sign-in began, and what came back. */
export interface Redemption {
  redirect_uri: string
  code: string
  state: string
  iss?: string | undefined
  code_verifier: string
  nonce: string
  max_age?: number | undefined
  acr_values?: string | undefined
  resource: readonly string[]
}

export type Provider = ReturnType<typeof createProvider<Settings>>

/** What is asked of the provider, through openid-client. */
export function createProvider<Its extends ProviderSettings>(settings: Its, dpop: Pick<Dpop, 'pair'> | undefined) {
  const { issuer, emit } = settings
  const { metadata, configuration, secret, known } = createProviderConfiguration(settings)
  const tokenType = dpop ? 'dpop' : 'bearer'

  /** With a proof wherever a token is asked for that is to be bound to our key. */
  async function bound(config: oidc.Configuration): Promise<oidc.DPoPOptions> {
    return dpop ? { DPoP: oidc.getDPoPHandle(config, await dpop.pair()) } : {}
  }

  /** @throws Refusal `issuer_mismatch` for a response of another issuer, or of none where it says who it is. @see RFC 9207 */
  async function requireIssuer(iss: string | undefined): Promise<void> {
    const { authorization_response_iss_parameter_supported: says } = await metadata()
    if (iss === undefined ? says : iss !== issuer) throw new Refusal('issuer_mismatch')
  }

  return {
    /** As of this provider: its issuer, and this backend's client there. */
    settings,
    metadata,
    known,
    requireIssuer,

    /**
     * Where to send the person. Pushed first where the provider offers that: the request is then neither seen nor
     * changed on its way, and a provider that is away is noticed before anybody is sent there. @see RFC 9126
     *
     * @throws Refusal
     */
    async authorizationUrl(parameters: URLSearchParams): Promise<string> {
      const config = await configuration()
      const { pushed_authorization_request_endpoint: push } = await metadata()
      if (push === undefined) return oidc.buildAuthorizationUrl(config, parameters).href
      try {
        return (await oidc.buildAuthorizationUrlWithPAR(config, parameters, await bound(config))).href
      } catch (error) {
        throw pushRefusal(error)
      }
    },

    /** @throws Refusal */
    async redeem(redemption: Redemption): Promise<Redeemed> {
      const config = await configuration()
      const { iss } = redemption
      await requireIssuer(iss)
      const url = new URL(redemption.redirect_uri)
      url.searchParams.set('code', redemption.code)
      url.searchParams.set('state', redemption.state)
      if (iss !== undefined) url.searchParams.set('iss', iss)
      try {
        const tokens = await oidc.authorizationCodeGrant(
          config,
          url,
          {
            pkceCodeVerifier: redemption.code_verifier,
            expectedNonce: redemption.nonce,
            expectedState: redemption.state,
            idTokenExpected: true,
            ...(redemption.max_age !== undefined && { maxAge: redemption.max_age }),
          },
          new URLSearchParams(redemption.resource.map((resource) => ['resource', resource])),
          await bound(config),
        )
        requireUsable(tokens)
        const claims = tokens.claims()
        const { id_token = '', access_token } = tokens
        if (!claims) throw new Refusal('id_token_invalid', { claim: 'missing' })
        await acceptIdToken({ claims, id_token, access_token, acr_values: redemption.acr_values }, settings)
        return { ...picked(tokens), id_token, claims }
      } catch (error) {
        throw redemptionRefusal(error)
      }
    },

    /** UserInfo of the subject; `undefined` when it cannot be had, or is longer than any person's. @throws Refusal `subject_mismatch` */
    async userinfo(access_token: string, sub: string): Promise<oidc.UserInfoResponse | undefined> {
      if (!(await metadata()).userinfo_endpoint) return undefined
      try {
        const config = await configuration()
        const said = await oidc.fetchUserInfo(config, access_token, sub, await bound(config))
        if (JSON.stringify(said).length <= LONGEST_USERINFO) return said
        emit({ type: 'userinfo_failed' })
        return undefined
      } catch (error) {
        if ((error as { code?: string }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
          throw new Refusal('subject_mismatch')
        emit({ type: 'userinfo_failed' })
        return undefined
      }
    },

    /**
     * Gets ready to spend a refresh token: metadata and client secret are at hand when the returned function is called,
     * so that it asks at once. It never rejects: whatever comes of it is an answer. `undefined`: not now.
     */
    async prepareRefresh(): Promise<
      ((refresh_token: string, parameters: URLSearchParams) => Promise<ProviderAnswer>) | undefined
    > {
      let config: oidc.Configuration
      let proofs: oidc.DPoPOptions
      try {
        config = await configuration()
        proofs = await bound(config)
        await secret()
      } catch {
        return undefined
      }
      return async (refresh_token, parameters) => {
        try {
          const tokens = await oidc.refreshTokenGrant(config, refresh_token, parameters, proofs)
          requireUsable(tokens)
          const { id_token } = tokens
          const sub = tokens.claims()?.sub
          // The tokens are spent already: they are kept, and what came beside them is no ID Token.
          const judged = id_token !== undefined && isIdToken(id_token)
          if (id_token !== undefined && !judged) emit({ type: 'id_token_refused', claim: 'typ' })
          return { type: 'tokens', ...picked(tokens), ...(judged && { id_token, ...(sub && { sub }) }) }
        } catch (error) {
          if (error instanceof Refusal) return { type: 'error', status: 401, error: 'invalid_client', json: true }
          return answerOf(error)
        }
      }
    },

    /** A token of the client itself. Never rejects: whatever comes of it is an answer. @see RFC 6749 section 4.4 */
    async clientCredentials(parameters: URLSearchParams): Promise<ProviderAnswer> {
      try {
        const config = await configuration()
        const tokens = await oidc.clientCredentialsGrant(config, parameters, await bound(config))
        requireUsable(tokens)
        return { type: 'tokens', ...picked(tokens) }
      } catch (error) {
        if (error instanceof Refusal && error.code === 'temporarily_unavailable') return { type: 'unreachable' }
        if (error instanceof Refusal) return { type: 'error', status: 401, error: error.code, json: true }
        return answerOf(error)
      }
    },

    /** Revokes a refresh token, best effort: never rejects, says what came of it. @see RFC 7009 section 2 */
    async revoke(refresh_token: string): Promise<'done' | 'refused' | 'unreachable'> {
      try {
        if (!(await metadata()).revocation_endpoint) return 'done'
        await oidc.tokenRevocation(await configuration(), refresh_token, { token_type_hint: 'refresh_token' })
        return 'done'
      } catch (error) {
        // openid-client takes nothing but 200 for a success; providers answer 204 as well.
        const { cause } = error as { cause?: unknown }
        if (cause instanceof Response && cause.ok) return 'done'
        const answer = answerOf(error)
        return answer.type === 'error' && answer.status < 500 ? 'refused' : 'unreachable'
      }
    },

    /** `undefined` where there is no end-session endpoint. @see OpenID Connect RP-Initiated Logout 1.0 section 2 */
    async endSessionUrl(parameters: Record<string, string>): Promise<string | undefined> {
      if (!(await metadata()).end_session_endpoint) return undefined
      return oidc.buildEndSessionUrl(await configuration(), parameters).href
    },
  }

  /** What an OAuth error says of the client or of the time, whatever was asked; `undefined` if it is about the request. */
  function commonRefusal(thrown: unknown, endpoint: string): Refusal | undefined {
    const answer = answerOf(thrown)
    if (answer.type !== 'error' || !answer.json) return undefined
    const { status, error } = answer
    // openid-client reads no body beside a challenge, which a 401 of RFC 6749 section 5.2 has to have.
    if (status === 401 || error === 'invalid_client' || error === 'unauthorized_client') {
      emit({
        type: 'operator_error',
        detail: `The ${endpoint} endpoint answers ${error === undefined ? status : errorCode(error)}`,
      })
      return new Refusal('operator_error')
    }
    return status >= 500 || status === 429 ? unavailable(endpoint) : undefined
  }

  function pushRefusal(error: unknown): Refusal {
    const common = commonRefusal(error, 'pushed authorization request')
    if (common) return common
    if (!(error instanceof oidc.ResponseBodyError)) return unavailable('pushed authorization request')
    const code = error.error === 'invalid_scope' || error.error === 'invalid_target' ? error.error : 'invalid_request'
    // RFC 9126 has no word of its own for it, and it is the mistake that most begin with.
    const unregistered = /redirect_uri/.test(`${error.error} ${error.error_description}`)
    const what = unregistered ? 'redirect_uri is not registered, character for character' : errorCode(error.error)
    return new Refusal(code, { description: `The provider refused the request: ${what}` })
  }

  function redemptionRefusal(error: unknown): Refusal {
    if (error instanceof Refusal) return error
    const common = commonRefusal(error, 'token')
    if (common) return common
    if (error instanceof oidc.ResponseBodyError)
      return new Refusal('invalid_grant', { description: `The provider refused the code: ${errorCode(error.error)}` })
    const claim = refusedClaim(error)
    if (claim) {
      emit({ type: 'id_token_refused', claim })
      return new Refusal('id_token_invalid', { claim, description: `The ID Token was refused: ${claim}` })
    }
    return unavailable('token')
  }

  /**
   * Nothing of an answer that cannot be used is kept. A page cannot use a token that is bound to a key of ours, and one that should be bound is not taken unbound.
   * @see RFC 10017 section 6.2.4.3.2, RFC 9449 section 5
   */
  function requireUsable(tokens: oidc.TokenEndpointResponse): void {
    const unfit = unfitMember(tokens)
    if (unfit !== undefined) {
      emit({ type: 'operator_error', detail: `The provider answers with a value of ${unfit} that cannot be used` })
      throw new Refusal('operator_error', { description: 'The provider issues tokens that cannot be used here.' })
    }
    const { token_type } = tokens
    if (token_type === tokenType) return
    const wanted = dpop ? 'DPoP' : 'Bearer'
    emit({
      type: 'operator_error',
      detail: `The provider issues ${errorCode(token_type)} tokens; only ${wanted} can be used here`,
    })
    throw new Refusal('operator_error', {
      description: `The provider issues tokens that cannot be used here: not ${wanted}.`,
    })
  }

  function unavailable(detail: string): Refusal {
    emit({ type: 'provider_unavailable', detail })
    return new Refusal('temporarily_unavailable')
  }
}
