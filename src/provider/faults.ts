import { ProviderError } from './errors.js'
import { answerOf, errorCode } from './openid-client-errors.js'
import type { ProviderSettings } from './settings.js'

export type ProviderFaults = ReturnType<typeof createProviderFaults>

/** What a failed request says of the client or of the time, whatever was asked; the operator is told. */
export function createProviderFaults({ emit }: Pick<ProviderSettings, 'emit'>) {
  function unavailable(endpoint: string): ProviderError {
    emit({ type: 'provider_unavailable', detail: endpoint })
    return new ProviderError('temporarily_unavailable')
  }

  return {
    unavailable,

    /** `undefined` if the error is about the request. */
    common(thrown: unknown, endpoint: string): ProviderError | undefined {
      const answer = answerOf(thrown)
      if (answer.type !== 'error' || !answer.json) return undefined
      const { status, error } = answer
      // openid-client reads no body beside a challenge, which a 401 of RFC 6749 section 5.2 has to have.
      if (status === 401 || error === 'invalid_client' || error === 'unauthorized_client') {
        emit({
          type: 'operator_error',
          detail: `The ${endpoint} endpoint answers ${error === undefined ? status : errorCode(error)}`,
        })
        return new ProviderError('operator_error')
      }
      return status >= 500 || status === 429 ? unavailable(endpoint) : undefined
    },
  }
}
