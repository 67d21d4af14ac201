import * as oidc from 'openid-client'
import { isLoopback } from '../protocol/option-checks.js'
import { createFreshSecretCache, isDynamic, resolveSecret } from '../protocol/secret.js'
import { monotonicClock } from '../protocol/time.js'
import { clientAuthentication } from './client/client-authentication.js'
import type { Dpop } from './client/dpop.js'
import { ProviderError } from './errors.js'
import type { ProviderSettings } from './settings.js'

/** Seconds after which the metadata document is read again; the old one serves while that fails. */
const METADATA_AGE = 3600
/** Seconds until that is tried once more. */
const METADATA_RETRY = 60
/**
 * Seconds that keys have to be old before openid-client reads them again for an unknown `kid`. Ours pass for that old at once:
 * what it verifies comes from the provider itself, and a key that was just rotated fails nobody's sign-in.
 */
const JWKS_SETTLED = 60

export type ProviderConfiguration = ReturnType<typeof createProviderConfiguration>

/** The provider's metadata, and openid-client's configuration made from it. Nothing is fetched until something is asked. */
export function createProviderConfiguration(settings: ProviderSettings, dpop: Pick<Dpop, 'pair'> | undefined) {
  const { issuer, client_id, credential, timeout, emit, now } = settings
  const clock = monotonicClock(now)
  let found: { metadata: oidc.ServerMetadata; readAt: number } | undefined
  let reading: Promise<oidc.ServerMetadata> | undefined
  let current: { config: oidc.Configuration; skew: number; metadata: oidc.ServerMetadata } | undefined

  /** Asked for again where it may have been rotated; good for a moment, so that asking does not delay a request. */
  const secret = createFreshSecretCache(() => resolveSecret(credential), {
    dynamic: isDynamic([credential]),
    onFailure: () => emit({ type: 'operator_error', detail: 'The client’s secret or key cannot be read again' }),
  })

  const authenticate = clientAuthentication(settings, secret)
  const execute = isLoopback(new URL(issuer)) ? [oidc.allowInsecureRequests] : []
  const fetch: oidc.CustomFetch = (url, options) => settings.fetch(url, options as RequestInit)

  async function read(): Promise<oidc.ServerMetadata> {
    try {
      const options = { execute, timeout, [oidc.customFetch]: fetch }
      const config = await oidc.discovery(new URL(issuer), client_id, undefined, authenticate, options)
      const metadata = config.serverMetadata()
      // openid-client compares parsed URLs; an issuer is compared as a string (OpenID Connect Discovery 1.0 section 4.3).
      if (metadata.issuer !== issuer) throw mismatch()
      requireTls(metadata)
      found = { metadata, readAt: clock() }
      return metadata
    } catch (error) {
      if ((error as { code?: string }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') throw mismatch()
      if (error instanceof ProviderError) throw error
      emit({ type: 'provider_unavailable', detail: 'metadata' })
      throw new ProviderError('temporarily_unavailable', { cause: error })
    }
  }

  /** Codes, tokens and keys travel to these addresses. @see RFC 9700 section 2.6, OpenID Connect Discovery 1.0 section 3 */
  function requireTls(metadata: oidc.ServerMetadata): void {
    for (const [name, value] of Object.entries(metadata)) {
      if (!/_endpoint$|^jwks_uri$/.test(name) || typeof value !== 'string') continue
      const url = URL.canParse(value) ? new URL(value) : undefined
      if (url?.protocol === 'https:' || (url && execute.length && isLoopback(url))) continue
      const detail = `The metadata document's "${name}" is no https address`
      emit({ type: 'operator_error', detail })
      throw new ProviderError('operator_error', { description: detail })
    }
  }

  function mismatch() {
    emit({ type: 'operator_error', detail: 'The metadata document names another issuer than "issuer"' })
    return new ProviderError('issuer_mismatch', {
      description: 'The provider\'s metadata document names another issuer than the backend\'s option "issuer".',
    })
  }

  /** The metadata document, checked to be the issuer's. A failure is not remembered. */
  async function metadata(): Promise<oidc.ServerMetadata> {
    if (found && clock() - found.readAt < METADATA_AGE) return found.metadata
    reading ??= read().finally(() => {
      reading = undefined
    })
    const old = found
    if (!old) return reading
    return reading.catch(() => {
      old.readAt = clock() - METADATA_AGE + METADATA_RETRY
      return old.metadata
    })
  }

  /** openid-client's clock is the system's plus a skew fixed at construction: a moved clock makes a new configuration. */
  async function configuration(): Promise<oidc.Configuration> {
    const server = await metadata()
    const skew = Math.round(now() - Date.now() / 1000)
    const keys = current?.metadata === server ? oidc.getJwksCache(current.config) : undefined
    const young = keys && Date.now() / 1000 - keys.uat < JWKS_SETTLED
    if (current?.skew === skew && current.metadata === server && !young) return current.config
    const algs = server.id_token_signing_alg_values_supported ?? ['RS256']
    const { userinfo_signed_response_alg: userinfoAlg } = settings
    const allowed = algs.filter((alg) => settings.idTokenAlgs.includes(alg))
    const config = new oidc.Configuration(
      {
        ...server,
        id_token_signing_alg_values_supported: allowed,
        userinfo_signing_alg_values_supported: [...settings.idTokenAlgs],
      },
      client_id,
      {
        [oidc.clockSkew]: skew,
        [oidc.clockTolerance]: settings.clockTolerance,
        use_mtls_endpoint_aliases: settings.clientAuthentication === 'tls_client_auth',
        ...(userinfoAlg !== undefined && { userinfo_signed_response_alg: userinfoAlg }),
      },
      authenticate,
    )
    for (const step of execute) step(config)
    oidc.enableNonRepudiationChecks(config)
    config.timeout = timeout
    config[oidc.customFetch] = fetch
    if (keys) oidc.setJwksCache(config, young ? { ...keys, uat: keys.uat - JWKS_SETTLED } : keys)
    current = { config, skew, metadata: server }
    return config
  }

  return {
    metadata,
    configuration,
    secret,
    /** The handle for proofs, where tokens are bound to a key of ours. @see RFC 9449 section 5 */
    async proofs(config: oidc.Configuration): Promise<oidc.DPoPOptions> {
      return dpop ? { DPoP: oidc.getDPoPHandle(config, await dpop.pair()) } : {}
    },
    /** The metadata, if it has been read already. */
    known: () => found?.metadata,
  }
}
