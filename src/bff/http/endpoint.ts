import type { PlainRequest, PlainResponse } from '../../protocol/http/plain-response.js'

/** One line of the table of endpoints. */
export interface Endpoint {
  /** `ALL`: the endpoint decides. */
  method: 'GET' | 'POST' | 'DELETE' | 'ALL'
  path: string
  /**
   * Without the CSRF rules: a navigation with rules of its own, a message of the provider that carries its own proof, a
   * stream of events, which the browser itself must call same-origin, or nothing that depends on anybody.
   */
  exempt?: 'navigation' | 'provider' | 'stream' | 'public'
  /** Each address may come here so often only. */
  limited?: boolean
  answer(request: PlainRequest): Promise<PlainResponse>
  /** How a refusal looks to whoever has navigated here. Default: JSON. */
  refusal?: 'page'
}
