import * as oidc from 'openid-client'
import type { ProviderConfiguration } from './configuration.js'
import { ProviderError } from './errors.js'
import { concernsRequest, type Failure, isTemporary, refusesClient } from './failures/failure.js'
import type { FailureReports } from './failures/report.js'

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
  failures: FailureReports,
): Promise<string> {
  const config = await configuration()
  const { pushed_authorization_request_endpoint: push } = await metadata()
  if (!push) return oidc.buildAuthorizationUrl(config, parameters).href
  try {
    return (await oidc.buildAuthorizationUrlWithPAR(config, parameters, await proofs(config))).href
  } catch (error) {
    throw pushError(error, failures)
  }
}

function pushError(error: unknown, failures: FailureReports): ProviderError {
  const failure = failures.failureAt(error, ENDPOINT)
  if (!isRefusal(failure)) return failures.report(error, ENDPOINT)
  const { error: refused, detail } = failure
  const code = refused === 'invalid_scope' || refused === 'invalid_target' ? refused : 'invalid_request'
  // RFC 9126 has no error code for it, and it is the most common mistake at first.
  const unregistered = /redirect_uri/.test(detail)
  const what = unregistered ? 'redirect_uri is not registered, character for character' : refused
  return new ProviderError(code, { description: `The provider refused the request: ${what}`, detail })
}

/** The parameters are those of the page: here, `invalid_request` is about this request. */
const isRefusal = (failure: Failure): failure is Failure & { type: 'error'; error: string } =>
  concernsRequest(failure) ||
  (failure.type === 'error' && failure.error === 'invalid_request' && !refusesClient(failure) && !isTemporary(failure))
