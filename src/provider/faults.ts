import { ProviderError } from './errors.js'
import { answerFromError, errorCode } from './openid-client-errors.js'
import type { ProviderSettings } from './settings.js'

export type ProviderFaults = ReturnType<typeof createProviderFaults>

/** Errors that any request to the provider can have: it is down, or it refuses this client. Each one emits an event. */
export function createProviderFaults({ emit }: Pick<ProviderSettings, 'emit'>) {
  function unavailable(endpoint: string): ProviderError {
    emit({ type: 'provider_unavailable', detail: endpoint })
    return new ProviderError('temporarily_unavailable')
  }

  return {
    unavailable,

    /** `undefined` if the error is about this request only. */
    common(thrown: unknown, endpoint: string): ProviderError | undefined {
      const answer = answerFromError(thrown)
      if (answer.type !== 'error' || !answer.json) return undefined
      const { status, error } = answer
      // openid-client does not read the body of a 401 with a challenge. RFC 6749 section 5.2 requires that challenge.
      if (status === 401 || error === 'invalid_client' || error === 'unauthorized_client') {
        emit({
          type: 'operator_error',
          detail: `The ${endpoint} endpoint responds ${error === undefined ? status : errorCode(error)}`,
        })
        return new ProviderError('operator_error')
      }
      return status >= 500 || status === 429 ? unavailable(endpoint) : undefined
    },
  }
}
