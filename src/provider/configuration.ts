import * as oidc from 'openid-client'
import { isLoopback } from '../protocol/option-checks.js'
import { createSecretCache, freshSecrets, isDynamic, resolveSecret } from '../protocol/secret.js'
import { monotonicClock } from '../protocol/time.js'
import { authenticationBy, withAssertions } from './client/client-authentication.js'
import type { Dpop } from './client/dpop.js'
import { ProviderError } from './errors.js'
import { detailOf, type Endpoint, providerErrorIn, requestErrorIn } from './failures/failure.js'
import { createMetadataFetch, OtherIssuer } from './failures/metadata-fetch.js'
import { failureOf } from './failures/openid-client-errors.js'
import { createProviderFetch } from './failures/provider-fetch.js'
import { reportFailure, reportMistake } from './failures/report.js'
import type { ProviderSettings } from './settings.js'
import { readTokenResponses } from './unvalidated-response.js'

/** Seconds after which the metadata document is read again. If that fails, the previous document is used. */
const METADATA_MAX_AGE = 3600
/** Seconds until the next try after a failure. */
const METADATA_RETRY = 60

export type ProviderConfiguration = ReturnType<typeof createProviderConfiguration>

/** A member of the metadata document. */
type MetadataMember = 'authorization_endpoint' | 'token_endpoint' | 'jwks_uri'

/** What signing users in needs. */
export const signInMembers: readonly MetadataMember[] = ['authorization_endpoint', 'token_endpoint', 'jwks_uri']

/**
 * The provider’s metadata, and openid-client’s configuration made from it. `required` members are checked when the metadata is
 * read, before anybody is redirected. Creating it makes no request.
 */
export function createProviderConfiguration(
  settings: ProviderSettings,
  dpop: Pick<Dpop, 'keyPair'> | undefined,
  required: readonly MetadataMember[],
) {
  const { issuer, metadataUrl = issuer, client_id, credential, timeout, now } = settings
  const clock = monotonicClock(now)
  let latest: { metadata: oidc.ServerMetadata; readAt: number } | undefined
  let reading: Promise<oidc.ServerMetadata> | undefined
  let built: { config: oidc.Configuration; skew: number; metadata: oidc.ServerMetadata } | undefined

  async function readSecret(): Promise<oidc.ClientAuth> {
    try {
      return await authenticationBy(settings, await resolveSecret(credential))
    } catch (error) {
      const what = error instanceof ProviderError ? `: ${error.message}` : ''
      throw reportMistake(`The client’s secret or key cannot be read${what}`, settings)
    }
  }
  /** A dynamic secret is read again, because it may have been rotated. It is cached briefly, so that it delays no request. */
  const secret = createSecretCache(readSecret, { ...freshSecrets, dynamic: isDynamic([credential]) })

  const authenticate: oidc.ClientAuth = async (...parameters) => (await secret())(...parameters)
  const insecureOptions = isLoopback(new URL(metadataUrl)) ? [oidc.allowInsecureRequests] : []
  const send = createProviderFetch(settings.fetch)
  const fetch: oidc.CustomFetch = (url, options) => send(url, options as RequestInit)
  const fetchTokens = readTokenResponses(withAssertions(fetch))
  const readDocument = createMetadataFetch(settings.fetch, issuer)

  async function readMetadata(): Promise<oidc.ServerMetadata> {
    const endpoint: Endpoint & { url: string } = { name: 'metadata', url: metadataUrl }
    const fetchMetadata: oidc.CustomFetch = (url, options) => {
      endpoint.url = url
      return readDocument(url, options as RequestInit)
    }
    try {
      const options = { execute: insecureOptions, timeout, [oidc.customFetch]: fetchMetadata }
      const config = await oidc.discovery(new URL(metadataUrl), client_id, undefined, authenticate, options)
      const metadata = config.serverMetadata()
      validateEndpoints(metadata, endpoint)
      latest = { metadata, readAt: clock() }
      return metadata
    } catch (error) {
      const reported = providerErrorIn(error) ?? reportFailure(failureOf(error, endpoint), settings)
      throw requestErrorIn(error) instanceof OtherIssuer ? issuerMismatch(reported) : reported
    }
  }

  /**
   * The required members are there, and every URL is https. Codes, tokens and client credentials are sent to these URLs.
   * @see RFC 9700 section 2.6, OpenID Connect Discovery 1.0 section 3
   */
  function validateEndpoints(metadata: oidc.ServerMetadata, endpoint: Endpoint): void {
    const refuse = (flaw: string) => reportMistake(detailOf(endpoint, `200, ${flaw}`), settings)
    const pushed = metadata.require_pushed_authorization_requests === true
    const needed = pushed ? [...required, 'pushed_authorization_request_endpoint'] : required
    const missing = needed.find((name) => typeof metadata[name] !== 'string' || !metadata[name])
    if (missing !== undefined) throw refuse(`no usable ${missing}`)
    const aliases = settings.clientAuthentication === 'tls_client_auth' ? metadata.mtls_endpoint_aliases : {}
    for (const [name, value] of Object.entries({ ...metadata, ...aliases })) {
      // Some providers leave it empty.
      if (!/_endpoint$|^jwks_uri$/.test(name) || typeof value !== 'string' || !value) continue
      const url = URL.canParse(value) ? new URL(value) : undefined
      if (url?.protocol === 'https:' || (url && insecureOptions.length && isLoopback(url))) continue
      throw refuse(`"${name}" is not an https: URL`)
    }
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
    config[oidc.customFetch] = fetchTokens
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

const issuerMismatch = ({ details }: ProviderError): ProviderError =>
  new ProviderError('issuer_mismatch', {
    ...details,
    description: 'The provider\'s metadata document names another issuer than the backend\'s option "issuer".',
  })
