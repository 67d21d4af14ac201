import type { ServerMetadata } from 'openid-client'
import { ProviderError } from '../errors.js'
import type { ProviderSettings } from '../settings.js'
import { type Endpoint, type Failure, isTemporary, providerErrorIn } from './failure.js'
import { failureOf } from './openid-client-errors.js'

/** Endpoint → the member of the metadata document with its URL. */
const members = {
  'pushed authorization request': 'pushed_authorization_request_endpoint',
  token: 'token_endpoint',
  keys: 'jwks_uri',
  userinfo: 'userinfo_endpoint',
  revocation: 'revocation_endpoint',
} as const

type EndpointName = keyof typeof members

export type FailureReports = ReturnType<typeof createFailureReports>

/** Failures of requests to one provider, for the operator. `known`: its metadata, if it was read. */
export function createFailureReports(
  { emit }: Pick<ProviderSettings, 'emit'>,
  known: () => ServerMetadata | undefined,
) {
  const endpoint = (name: EndpointName): Endpoint => ({
    name,
    url: known()?.[members[name]],
    success: name === 'pushed authorization request' ? 201 : 200,
  })

  const failureAt = (error: unknown, name: EndpointName): Failure => failureOf(error, endpoint(name))

  return {
    endpoint,
    failureAt,

    /** The error for a failure that concerns all users. An error that was reported already stays as it is. */
    report(error: unknown, name: EndpointName): ProviderError {
      const made = providerErrorIn(error)
      if (!made) return reportFailure(failureAt(error, name), { emit })
      const isNew = made.code === 'operator_error' && made.details.detail === undefined
      return isNew ? reportMistake(made.message, { emit }) : made
    },
  }
}

/** Emits an event: the provider is down, or something is wrong. */
export function reportFailure(failure: Failure, { emit }: Pick<ProviderSettings, 'emit'>): ProviderError {
  const { detail } = failure
  if (isTemporary(failure)) {
    emit({ type: 'provider_unavailable', detail })
    return new ProviderError('temporarily_unavailable', { detail })
  }
  return reportMistake(detail, { emit })
}

export function reportMistake(detail: string, { emit }: Pick<ProviderSettings, 'emit'>): ProviderError {
  emit({ type: 'operator_error', detail })
  return new ProviderError('operator_error', { detail })
}
