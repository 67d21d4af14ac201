import * as oidc from 'openid-client'
import { isSafeUrl } from '../protocol/option-checks.js'
import { createSecretCache, freshSecrets, isDynamic, resolveSecret } from '../protocol/secret.js'
import type { Client } from './client/client.js'
import { authenticationBy } from './client/client-authentication.js'
import { ProviderError } from './errors.js'
import type { ProviderSettings } from './settings.js'

interface IntrospectionSettings
  extends Pick<Client, 'issuer' | 'client_id' | 'clientAuthentication' | 'credential'>,
    Pick<ProviderSettings, 'timeout' | 'fetch' | 'now'> {
  /** Used instead of the endpoint in the metadata document. */
  readonly endpoint: string | undefined
}

/** Why introspection failed: the status of the response, or an error code. */
interface IntrospectionFault {
  readonly reason: string | number
  /** Seconds, from `Retry-After`. */
  readonly retryAfter?: number
}

/** Token introspection at an issuer, as one of its clients. A failed request is not repeated. @see RFC 7662 section 2 */
export function createIntrospectionRequest(settings: IntrospectionSettings) {
  const { issuer, client_id, endpoint, timeout, now } = settings
  const fetch: oidc.CustomFetch = (url, init) => settings.fetch(url, init as RequestInit)
  const insecureOptions = new URL(endpoint ?? issuer).protocol === 'http:' ? [oidc.allowInsecureRequests] : []
  const { clientAuthentication, credential } = settings
  const method = createSecretCache(
    async () => authenticationBy(clientAuthentication, await resolveSecret(credential)),
    { ...freshSecrets, dynamic: isDynamic([credential]) },
  )
  const authenticate: oidc.ClientAuth = async (...parameters) => (await method())(...parameters)
  let discovering: Promise<oidc.ServerMetadata> | undefined

  async function discoverMetadata(): Promise<oidc.ServerMetadata> {
    const options = { execute: insecureOptions, timeout, [oidc.customFetch]: fetch }
    const metadata = (
      await oidc.discovery(new URL(issuer), client_id, undefined, authenticate, options)
    ).serverMetadata()
    // openid-client compares parsed URLs; an issuer is compared as a string (RFC 8414 section 3.3).
    if (metadata.issuer !== issuer) throw Object.assign(new Error(), { code: 'another issuer' })
    // http: is allowed on loopback only.
    if (!isSafeUrl(metadata.introspection_endpoint)) throw Object.assign(new Error(), { code: 'endpoint' })
    return metadata
  }

  /** Made for each request, because openid-client takes a clock skew at construction only. */
  function configuration(metadata: oidc.ServerMetadata): oidc.Configuration {
    const skew = Math.round(now() - Date.now() / 1000)
    const config = new oidc.Configuration({ ...metadata }, client_id, { [oidc.clockSkew]: skew }, authenticate)
    for (const step of insecureOptions) step(config)
    config.timeout = timeout
    config[oidc.customFetch] = fetch
    return config
  }

  /** Never rejects. */
  return async (token: string): Promise<{ answer: oidc.IntrospectionResponse } | { fault: IntrospectionFault }> => {
    try {
      discovering ??=
        endpoint === undefined ? discoverMetadata() : Promise.resolve({ issuer, introspection_endpoint: endpoint })
      const config = configuration(await discovering)
      return { answer: await oidc.tokenIntrospection(config, token, { token_type_hint: 'access_token' }) }
    } catch (error) {
      // The cached metadata may be the cause: read it again next time.
      discovering = undefined
      return { fault: faultOf(error) }
    }
  }
}

/** From the response that openid-client refused, if there was one. */
function faultOf(error: unknown): IntrospectionFault {
  const { cause, response = cause, code } = error as { cause?: unknown; response?: unknown; code?: unknown }
  // A key that cannot be read is an error of this client, not of the issuer.
  const reason = code === undefined || error instanceof ProviderError ? 'failed' : `${code}`
  if (!(response instanceof Response)) return { reason }
  const retryAfter = response.headers.get('retry-after') ?? ''
  return { reason: response.status, ...(/^\d{1,6}$/.test(retryAfter) && { retryAfter: Number(retryAfter) }) }
}
