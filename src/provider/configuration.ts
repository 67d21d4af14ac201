import * as oidc from 'openid-client'
import { isLoopback } from '../protocol/option-checks.js'
import { createSecretCache, freshSecrets, isDynamic, resolveSecret } from '../protocol/secret.js'
import { monotonicClock } from '../protocol/time.js'
import { clientAuthentication } from './client/client-authentication.js'
import type { Dpop } from './client/dpop.js'
import { ProviderError } from './errors.js'
import type { ProviderSettings } from './settings.js'
import { readTokenResponses } from './unvalidated-response.js'

/** Seconds after which the metadata document is read again. If that fails, the previous document is used. */
const METADATA_MAX_AGE = 3600
/** Seconds until the next try after a failure. */
const METADATA_RETRY = 60

export type ProviderConfiguration = ReturnType<typeof createProviderConfiguration>

/** The provider’s metadata, and openid-client’s configuration made from it. Creating it makes no request. */
export function createProviderConfiguration(settings: ProviderSettings, dpop: Pick<Dpop, 'keyPair'> | undefined) {
  const { issuer, client_id, credential, timeout, emit, now } = settings
  const clock = monotonicClock(now)
  let latest: { metadata: oidc.ServerMetadata; readAt: number } | undefined
  let reading: Promise<oidc.ServerMetadata> | undefined
  let built: { config: oidc.Configuration; skew: number; metadata: oidc.ServerMetadata } | undefined

  /** A dynamic secret is read again, because it may have been rotated. It is cached briefly, so that it delays no request. */
  const secret = createSecretCache(() => resolveSecret(credential), {
    ...freshSecrets,
    dynamic: isDynamic([credential]),
    onFailure: () => emit({ type: 'operator_error', detail: 'The client’s secret or key cannot be read again' }),
  })

  const authenticate = clientAuthentication(settings, secret)
  const insecureOptions = isLoopback(new URL(issuer)) ? [oidc.allowInsecureRequests] : []
  const fetch: oidc.CustomFetch = (url, options) => settings.fetch(url, options as RequestInit)

  async function readMetadata(): Promise<oidc.ServerMetadata> {
    try {
      const options = { execute: insecureOptions, timeout, [oidc.customFetch]: fetch }
      const config = await oidc.discovery(new URL(issuer), client_id, undefined, authenticate, options)
      const metadata = config.serverMetadata()
      // openid-client compares parsed URLs; an issuer is compared as a string (OpenID Connect Discovery 1.0 section 4.3).
      if (metadata.issuer !== issuer) throw issuerMismatch()
      requireTls(metadata)
      latest = { metadata, readAt: clock() }
      return metadata
    } catch (error) {
      if ((error as { code?: string }).code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') throw issuerMismatch()
      if (error instanceof ProviderError) throw error
      emit({ type: 'provider_unavailable', detail: 'metadata' })
      throw new ProviderError('temporarily_unavailable', { cause: error })
    }
  }

  /** Codes, tokens and client credentials are sent to these URLs. @see RFC 9700 section 2.6, OpenID Connect Discovery 1.0 section 3 */
  function requireTls(metadata: oidc.ServerMetadata): void {
    for (const [name, value] of Object.entries(metadata)) {
      if (!/_endpoint$|^jwks_uri$/.test(name) || typeof value !== 'string') continue
      const url = URL.canParse(value) ? new URL(value) : undefined
      if (url?.protocol === 'https:' || (url && insecureOptions.length && isLoopback(url))) continue
      const detail = `The metadata document's "${name}" is not an https: URL`
      emit({ type: 'operator_error', detail })
      throw new ProviderError('operator_error', { description: detail })
    }
  }

  function issuerMismatch() {
    emit({ type: 'operator_error', detail: 'The metadata document names another issuer than "issuer"' })
    return new ProviderError('issuer_mismatch', {
      description: 'The provider\'s metadata document names another issuer than the backend\'s option "issuer".',
    })
  }

  /** The metadata document of the issuer. A failure is not cached. */
  async function metadata(): Promise<oidc.ServerMetadata> {
    if (latest && clock() - latest.readAt < METADATA_MAX_AGE) return latest.metadata
    reading ??= readMetadata().finally(() => {
      reading = undefined
    })
    const previous = latest
    if (!previous) return reading
    return reading.catch(() => {
      previous.readAt = clock() - METADATA_MAX_AGE + METADATA_RETRY
      return previous.metadata
    })
  }

  /** openid-client takes a clock skew at construction only. A different skew needs a new configuration. */
  async function configuration(): Promise<oidc.Configuration> {
    const server = await metadata()
    const skew = Math.round(now() - Date.now() / 1000)
    if (built?.skew === skew && built.metadata === server) return built.config
    const config = new oidc.Configuration(
      // `iss` of an authorization response is compared before: there may be one for each tenant.
      { ...server, authorization_response_iss_parameter_supported: false },
      client_id,
      {
        [oidc.clockSkew]: skew,
        [oidc.clockTolerance]: settings.clockTolerance,
        use_mtls_endpoint_aliases: settings.clientAuthentication === 'tls_client_auth',
      },
      authenticate,
    )
    for (const step of insecureOptions) step(config)
    config.timeout = timeout
    config[oidc.customFetch] = readTokenResponses(fetch)
    built = { config, skew, metadata: server }
    return config
  }

  return {
    metadata,
    configuration,
    secret,
    /** openid-client’s options for DPoP; empty for bearer tokens. @see RFC 9449 section 5 */
    async proofs(config: oidc.Configuration): Promise<oidc.DPoPOptions> {
      return dpop ? { DPoP: oidc.getDPoPHandle(config, await dpop.keyPair()) } : {}
    },
    /** The metadata; `undefined` before it was read. */
    known: () => latest?.metadata,
  }
}
