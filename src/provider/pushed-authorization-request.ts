import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import type { ProviderFaults } from './faults.js'
import { errorCode } from './openid-client-errors.js'

const ENDPOINT = 'pushed authorization request'

/**
 * The URL of the authorization request. If the provider supports PAR, the request is pushed first: then the browser neither
 * sees nor changes its parameters, and nobody is redirected to a provider that is down.
 *
 * @throws ProviderError
 * @see RFC 9126
 */
export async function authorizationUrl(
  parameters: URLSearchParams,
  { metadata, configuration, proofs }: ProviderConfiguration,
  faults: ProviderFaults,
): Promise<string> {
  const config = await configuration()
  const { pushed_authorization_request_endpoint: push } = await metadata()
  if (push === undefined) return oidc.buildAuthorizationUrl(config, parameters).href
  try {
    return (await oidc.buildAuthorizationUrlWithPAR(config, parameters, await proofs(config))).href
  } catch (error) {
    throw pushError(error, faults)
  }
}

function pushError(error: unknown, { common, unavailable }: ProviderFaults): ProviderError {
  const fault = common(error, ENDPOINT)
  if (fault) return fault
  if (!(error instanceof oidc.ResponseBodyError)) return unavailable(ENDPOINT)
  const code = error.error === 'invalid_scope' || error.error === 'invalid_target' ? error.error : 'invalid_request'
  // RFC 9126 has no error code for it, and it is the most common mistake at first.
  const unregistered = /redirect_uri/.test(`${error.error} ${error.error_description}`)
  const what = unregistered ? 'redirect_uri is not registered, character for character' : errorCode(error.error)
  return new ProviderError(code, { description: `The provider refused the request: ${what}` })
}
