import * as oidc from 'openid-client'
import { Refusal } from './errors.js'
import { acceptIdToken, refusedClaim } from './id-token.js'
import { isLoopback, type Settings } from './options.js'
import type { ProviderAnswer } from './provider-answers.js'

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

export type Provider = ReturnType<typeof createProvider>

/** Seconds after which the metadata document is read again; the old one serves while that fails. */
const METADATA_AGE = 3600
/** Seconds until that is tried once more. */
const METADATA_RETRY = 60

/** The provider, through openid-client: the one file that knows it. Nothing is fetched until something is asked. */
export function createProvider(settings: Settings) {
  const { issuer, client_id, clientSecret, clientAuthentication, timeout, emit, now } = settings
  let found: { metadata: oidc.ServerMetadata; readAt: number } | undefined
  let reading: Promise<oidc.ServerMetadata> | undefined
  let current: { config: oidc.Configuration; skew: number; metadata: oidc.ServerMetadata } | undefined

  // The secret is asked for at each request: a manager may have rotated it.
  const authenticate: oidc.ClientAuth = async (as, client, body, headers) => {
    const secret = typeof clientSecret === 'function' ? await clientSecret() : clientSecret
    const method = clientAuthentication === 'client_secret_post' ? oidc.ClientSecretPost : oidc.ClientSecretBasic
    return method(secret)(as, client, body, headers)
  }
  const execute = isLoopback(new URL(issuer)) ? [oidc.allowInsecureRequests] : []
  const fetch: oidc.CustomFetch = (url, options) => settings.fetch(url, options as RequestInit)

  async function read(): Promise<oidc.ServerMetadata> {
    try {
      const options = { execute, timeout, [oidc.customFetch]: fetch }
      const config = await oidc.discovery(new URL(issuer), client_id, undefined, authenticate, options)
      const metadata = config.serverMetadata()
      // openid-client compares parsed URLs; an issuer is compared as a string (OpenID Connect Discovery 1.0 section 4.3).
      if (metadata.issuer !== issuer) throw mismatch()
      found = { metadata, readAt: now() }
      return metadata
    } catch (error) {
      if ((error as { code?: string }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') throw mismatch()
      if (error instanceof Refusal) throw error
      emit({ type: 'provider_unavailable', detail: 'metadata' })
      throw new Refusal('temporarily_unavailable', { cause: error })
    }
  }

  function mismatch() {
    emit({ type: 'operator_error', detail: 'The metadata document names another issuer than "issuer"' })
    return new Refusal('issuer_mismatch', {
      description: 'The provider\'s metadata document names another issuer than the backend\'s option "issuer".',
    })
  }

  /** The metadata document, checked to be the issuer's. A failure is not remembered. */
  async function metadata(): Promise<oidc.ServerMetadata> {
    if (found && now() - found.readAt < METADATA_AGE) return found.metadata
    reading ??= read().finally(() => {
      reading = undefined
    })
    const old = found
    if (!old) return reading
    return reading.catch(() => {
      old.readAt = now() - METADATA_AGE + METADATA_RETRY
      return old.metadata
    })
  }

  /** openid-client's clock is the system's plus a skew fixed at construction: a moved clock makes a new configuration. */
  async function configuration(): Promise<oidc.Configuration> {
    const server = await metadata()
    const skew = Math.round(now() - Date.now() / 1000)
    if (current?.skew === skew && current.metadata === server) return current.config
    const algs = server.id_token_signing_alg_values_supported ?? ['RS256']
    const allowed = algs.filter((alg) => settings.idTokenAlgs.includes(alg))
    const config = new oidc.Configuration(
      { ...server, id_token_signing_alg_values_supported: allowed },
      client_id,
      { [oidc.clockSkew]: skew, [oidc.clockTolerance]: settings.clockTolerance },
      authenticate,
    )
    for (const step of execute) step(config)
    oidc.enableNonRepudiationChecks(config)
    config.timeout = timeout
    config[oidc.customFetch] = fetch
    const keys = current?.metadata === server ? oidc.getJwksCache(current.config) : undefined
    if (keys) oidc.setJwksCache(config, keys)
    current = { config, skew, metadata: server }
    return config
  }

  return {
    metadata,

    /** Whether the metadata has been read already. */
    known: () => found?.metadata,

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
        return (await oidc.buildAuthorizationUrlWithPAR(config, parameters)).href
      } catch (error) {
        throw pushRefusal(error)
      }
    },

    /** @throws Refusal */
    async redeem(redemption: Redemption): Promise<Redeemed> {
      const config = await configuration()
      const server = await metadata()
      const { iss } = redemption
      if (iss === undefined ? server.authorization_response_iss_parameter_supported : iss !== issuer)
        throw new Refusal('issuer_mismatch')
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
        )
        if (tokens.token_type !== 'bearer') throw unusable(tokens.token_type)
        const claims = tokens.claims()
        const { id_token = '', access_token } = tokens
        if (!claims) throw new Refusal('id_token_invalid', { claim: 'missing' })
        await acceptIdToken({ claims, id_token, access_token, acr_values: redemption.acr_values }, settings)
        return { ...picked(tokens), id_token, claims }
      } catch (error) {
        throw redemptionRefusal(error)
      }
    },

    /** UserInfo of the subject; `undefined` when it cannot be had. @throws Refusal `subject_mismatch` */
    async userinfo(access_token: string, sub: string): Promise<oidc.UserInfoResponse | undefined> {
      if (!(await metadata()).userinfo_endpoint) return undefined
      try {
        return await oidc.fetchUserInfo(await configuration(), access_token, sub)
      } catch (error) {
        if ((error as { code?: string }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED')
          throw new Refusal('subject_mismatch')
        emit({ type: 'userinfo_failed' })
        return undefined
      }
    },

    /** Spends a refresh token. Never rejects: whatever comes of it is an answer. */
    async refresh(refresh_token: string, parameters: URLSearchParams): Promise<ProviderAnswer> {
      let config: oidc.Configuration
      try {
        config = await configuration()
      } catch {
        return { type: 'unreachable' }
      }
      try {
        const tokens = await oidc.refreshTokenGrant(config, refresh_token, parameters)
        if (tokens.token_type !== 'bearer') throw unusable(tokens.token_type)
        const sub = tokens.claims()?.sub
        return {
          type: 'tokens',
          ...picked(tokens),
          ...(tokens.id_token && { id_token: tokens.id_token }),
          ...(sub && { sub }),
        }
      } catch (error) {
        if (error instanceof Refusal) return { type: 'error', status: 401, error: 'invalid_client', json: true }
        return answerOf(error)
      }
    },

    /** Revokes a refresh token, best effort: never rejects, says whether it went well. @see RFC 7009 section 2 */
    async revoke(refresh_token: string): Promise<boolean> {
      try {
        if (!(await metadata()).revocation_endpoint) return true
        await oidc.tokenRevocation(await configuration(), refresh_token, { token_type_hint: 'refresh_token' })
        return true
      } catch {
        return false
      }
    },

    /** `undefined` where there is no end-session endpoint. @see OpenID Connect RP-Initiated Logout 1.0 section 2 */
    async endSessionUrl(parameters: Record<string, string>): Promise<string | undefined> {
      if (!(await metadata()).end_session_endpoint) return undefined
      return oidc.buildEndSessionUrl(await configuration(), parameters).href
    },
  }

  /** What an OAuth error says of the client or of the time, whatever was asked; `undefined` if it is about the request. */
  function commonRefusal({ status, error }: oidc.ResponseBodyError, endpoint: string): Refusal | undefined {
    if (status === 401 || error === 'invalid_client' || error === 'unauthorized_client') {
      emit({ type: 'operator_error', detail: `The ${endpoint} endpoint answers ${error}` })
      return new Refusal('operator_error')
    }
    return status >= 500 || status === 429 ? unavailable(endpoint) : undefined
  }

  function pushRefusal(error: unknown): Refusal {
    if (!(error instanceof oidc.ResponseBodyError)) return unavailable('pushed authorization request')
    const common = commonRefusal(error, 'pushed authorization request')
    if (common) return common
    const code = error.error === 'invalid_scope' || error.error === 'invalid_target' ? error.error : 'invalid_request'
    return new Refusal(code, { description: `The provider refused the request: ${error.error}` })
  }

  function redemptionRefusal(error: unknown): Refusal {
    if (error instanceof Refusal) return error
    if (error instanceof oidc.ResponseBodyError) {
      const common = commonRefusal(error, 'token')
      if (common) return common
      return new Refusal('invalid_grant', { description: `The provider refused the code: ${error.error}` })
    }
    const claim = refusedClaim(error)
    if (claim) {
      emit({ type: 'id_token_refused', claim })
      return new Refusal('id_token_invalid', { claim, description: `The ID Token was refused: ${claim}` })
    }
    return unavailable('token')
  }

  /** A page cannot use a token that is bound to a key of ours. @see RFC 10017 section 6.2.4.3.2 */
  function unusable(token_type: string): Refusal {
    emit({ type: 'operator_error', detail: `The provider issues ${token_type} tokens; a page can only use Bearer` })
    return new Refusal('operator_error', {
      description: 'The provider issues tokens that a page cannot use: not Bearer.',
    })
  }

  function unavailable(detail: string): Refusal {
    emit({ type: 'provider_unavailable', detail })
    return new Refusal('temporarily_unavailable')
  }
}

function picked({ access_token, refresh_token, expires_in, scope }: oidc.TokenEndpointResponse) {
  return {
    access_token,
    ...(refresh_token !== undefined && { refresh_token }),
    ...(expires_in !== undefined && { expires_in }),
    ...(scope !== undefined && { scope }),
  }
}

/** Sorts what openid-client throws into what the provider did. */
function answerOf(error: unknown): ProviderAnswer {
  if (error instanceof oidc.ResponseBodyError)
    return { type: 'error', status: error.status, error: error.error, json: true, ...retryAfter(error.response) }
  if (error instanceof oidc.WWWAuthenticateChallengeError)
    return { type: 'error', status: error.status, json: true, ...retryAfter(error.response) }
  const { cause } = error as { cause?: unknown }
  // A status that is no success, without an OAuth error in a JSON body.
  if (cause instanceof Response && !cause.ok)
    return { type: 'error', status: cause.status, json: false, ...retryAfter(cause) }
  for (let at: unknown = error; at instanceof Object; at = (at as { cause?: unknown }).cause)
    if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH)$/.test(`${(at as { code?: unknown }).code}`))
      return { type: 'unreachable' }
  return { type: 'unknown' }
}

function retryAfter({ headers }: Response): { retryAfter?: number } {
  const text = headers.get('retry-after') ?? ''
  return /^\d{1,6}$/.test(text) ? { retryAfter: Number(text) } : {}
}
