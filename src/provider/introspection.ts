import * as oidc from 'openid-client'
import { isSafeUrl } from '../protocol/option-checks.js'
import { createFreshSecretCache, isDynamic, resolveSecret } from '../protocol/secret.js'
import type { Client } from './client/client.js'
import { authenticationBy } from './client/client-authentication.js'
import { ProviderError } from './errors.js'
import type { ProviderSettings } from './settings.js'

export interface IntrospectionSettings
  extends Pick<Client, 'issuer' | 'client_id' | 'clientAuthentication' | 'credential'>,
    Pick<ProviderSettings, 'timeout' | 'fetch' | 'now'> {
  /** Asked instead of the one that the metadata document names. */
  readonly endpoint: string | undefined
}

/** Why an issuer has not said anything: the status of its response, or a code; and how long it wants to be left alone. */
export interface IntrospectionFault {
  readonly what: string | number
  /** Seconds. */
  readonly retryAfter?: number
}

/** Asks an issuer about tokens, as one of its clients. Nothing is tried again by itself. @see RFC 7662 section 2 */
export function createIntrospectionRequest(settings: IntrospectionSettings) {
  const { issuer, client_id, endpoint, timeout, now } = settings
  const fetch: oidc.CustomFetch = (url, init) => settings.fetch(url, init as RequestInit)
  const execute = new URL(endpoint ?? issuer).protocol === 'http:' ? [oidc.allowInsecureRequests] : []
  const { clientAuthentication, credential } = settings
  const method = createFreshSecretCache(
    async () => authenticationBy(clientAuthentication, await resolveSecret(credential)),
    {
      dynamic: isDynamic([credential]),
    },
  )
  const authenticate: oidc.ClientAuth = async (...parameters) => (await method())(...parameters)
  let discovering: Promise<oidc.ServerMetadata> | undefined

  async function discover(): Promise<oidc.ServerMetadata> {
    const own = { execute, timeout, [oidc.customFetch]: fetch }
    const metadata = (await oidc.discovery(new URL(issuer), client_id, undefined, authenticate, own)).serverMetadata()
    // openid-client compares parsed URLs; an issuer is compared as a string (RFC 8414 section 3.3).
    if (metadata.issuer !== issuer) throw Object.assign(new Error(), { code: 'another issuer' })
    // Where http is allowed at all, it is on loopback alone.
    if (!isSafeUrl(metadata.introspection_endpoint)) throw Object.assign(new Error(), { code: 'endpoint' })
    return metadata
  }

  /** Made for each question: openid-client's clock is the system's plus a skew that is fixed at construction. */
  function configuration(metadata: oidc.ServerMetadata): oidc.Configuration {
    const skew = Math.round(now() - Date.now() / 1000)
    const config = new oidc.Configuration({ ...metadata }, client_id, { [oidc.clockSkew]: skew }, authenticate)
    for (const step of execute) step(config)
    config.timeout = timeout
    config[oidc.customFetch] = fetch
    return config
  }

  /** Never rejects. */
  return async (token: string): Promise<{ answer: oidc.IntrospectionResponse } | { fault: IntrospectionFault }> => {
    try {
      discovering ??=
        endpoint === undefined ? discover() : Promise.resolve({ issuer, introspection_endpoint: endpoint })
      const config = configuration(await discovering)
      return { answer: await oidc.tokenIntrospection(config, token, { token_type_hint: 'access_token' }) }
    } catch (error) {
      // What was read of the issuer may be what is wrong.
      discovering = undefined
      return { fault: faultOf(error) }
    }
  }
}

/** Of the response that openid-client did not take, where there was one. */
function faultOf(error: unknown): IntrospectionFault {
  const { cause, response = cause, code } = error as { cause?: unknown; response?: unknown; code?: unknown }
  // A key that cannot be read is nothing that the issuer has said.
  const what = code === undefined || error instanceof ProviderError ? 'failed' : `${code}`
  if (!(response instanceof Response)) return { what }
  const said = response.headers.get('retry-after') ?? ''
  return { what: response.status, ...(/^\d{1,6}$/.test(said) && { retryAfter: Number(said) }) }
}
