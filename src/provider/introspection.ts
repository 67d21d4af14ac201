import * as oidc from 'openid-client'
import { isSafeUrl } from '../protocol/option-checks.js'
import { createSecretCache, freshSecrets, isDynamic, resolveSecret } from '../protocol/secret.js'
import type { Client } from './client/client.js'
import { authenticationBy, withAssertions } from './client/client-authentication.js'
import { detailOf, type Endpoint, type Failure, isTemporary } from './failures/failure.js'
import { createMetadataFetch } from './failures/metadata-fetch.js'
import { failureOf } from './failures/openid-client-errors.js'
import { createProviderFetch } from './failures/provider-fetch.js'
import type { ProviderSettings } from './settings.js'

interface IntrospectionSettings
  extends Pick<Client, 'issuer' | 'client_id' | 'clientAuthentication' | 'credential' | 'assertionAudience'>,
    Pick<ProviderSettings, 'timeout' | 'fetch' | 'now'> {
  /** Used instead of the endpoint in the metadata document. */
  readonly endpoint: string | undefined
}

/** Why introspection failed. */
interface IntrospectionFault {
  readonly detail: string
  /** The issuer is down. Otherwise the configuration is wrong, or that of the issuer. */
  readonly temporary: boolean
  /** Seconds, from `Retry-After`. */
  readonly retryAfter?: number
}

/** Token introspection at an issuer, as one of its clients. A failed request is not repeated. @see RFC 7662 section 2 */
export function createIntrospectionRequest(settings: IntrospectionSettings) {
  const { issuer, client_id, endpoint, timeout, now } = settings
  const send = createProviderFetch(settings.fetch)
  const fetch: oidc.CustomFetch = (url, init) => send(url, init as RequestInit)
  const readDocument = createMetadataFetch(settings.fetch, issuer)
  const insecureOptions = new URL(endpoint ?? issuer).protocol === 'http:' ? [oidc.allowInsecureRequests] : []
  const { credential } = settings
  const method = createSecretCache(async () => authenticationBy(settings, await resolveSecret(credential)), {
    ...freshSecrets,
    dynamic: isDynamic([credential]),
  })
  const authenticate: oidc.ClientAuth = async (...parameters) => (await method())(...parameters)
  let discovering: Promise<oidc.ServerMetadata> | undefined

  /** @throws MetadataFailed */
  async function discoverMetadata(): Promise<oidc.ServerMetadata> {
    const asked: Endpoint & { url: string } = { name: 'metadata', url: issuer }
    const fetchMetadata: oidc.CustomFetch = (url, init) => {
      asked.url = url
      return readDocument(url, init as RequestInit)
    }
    const options = { execute: insecureOptions, timeout, [oidc.customFetch]: fetchMetadata }
    const config = await oidc.discovery(new URL(issuer), client_id, undefined, authenticate, options).catch((error) => {
      throw new MetadataFailed(failureOf(error, asked))
    })
    const metadata = config.serverMetadata()
    // http: is allowed on loopback only.
    if (!isSafeUrl(metadata.introspection_endpoint))
      throw new MetadataFailed(unreadable(asked, 'no usable introspection_endpoint'))
    return metadata
  }

  /** Made for each request, because openid-client takes a clock skew at construction only. */
  function configuration(metadata: oidc.ServerMetadata): oidc.Configuration {
    const skew = Math.round(now() - Date.now() / 1000)
    const config = new oidc.Configuration({ ...metadata }, client_id, { [oidc.clockSkew]: skew }, authenticate)
    for (const step of insecureOptions) step(config)
    config.timeout = timeout
    config[oidc.customFetch] = withAssertions(fetch)
    return config
  }

  /** Never rejects. */
  return async (token: string): Promise<{ answer: oidc.IntrospectionResponse } | { fault: IntrospectionFault }> => {
    let url = endpoint
    try {
      discovering ??=
        endpoint === undefined ? discoverMetadata() : Promise.resolve({ issuer, introspection_endpoint: endpoint })
      const metadata = await discovering
      url = metadata.introspection_endpoint
      const config = configuration(metadata)
      return { answer: await oidc.tokenIntrospection(config, token, { token_type_hint: 'access_token' }) }
    } catch (error) {
      // The cached metadata may be the cause: read it again next time.
      discovering = undefined
      const failure = error instanceof MetadataFailed ? error.failure : failureOf(error, { name: 'introspection', url })
      const { retryAfter } = failure as { retryAfter?: number }
      return {
        fault: {
          detail: failure.detail,
          temporary: isTemporary(failure),
          ...(retryAfter !== undefined && { retryAfter }),
        },
      }
    }
  }
}

class MetadataFailed extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.detail)
    this.failure = failure
  }
}

const unreadable = (endpoint: Endpoint, flaw: string): Failure => ({
  type: 'unreadable',
  status: 200,
  detail: detailOf(endpoint, `200, ${flaw}`),
})
