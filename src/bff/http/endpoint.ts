import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'

/** One row of the table of endpoints. */
export interface Endpoint {
  /** `ALL`: the endpoint decides. */
  method: 'GET' | 'HEAD' | 'POST' | 'DELETE' | 'ALL'
  path: string
  /**
   * Without the CSRF check: a navigation (checked by `requireNavigation`), a request of the provider that authenticates itself, an
   * event stream (checked by `isOwnStream`), or a response that is the same for everybody.
   */
  exempt?: 'navigation' | 'provider' | 'stream' | 'public'
  /** Requests are limited by address. */
  limited?: boolean
  answer(request: PlainRequest): Promise<PlainResponse>
  /** Refusals are HTML pages. Default: JSON. */
  refusal?: 'page'
}
