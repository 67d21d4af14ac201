/** One line of the table of endpoints. */
export interface Endpoint {
  method: 'GET' | 'POST'
  path: string
  /** Without the CSRF rules: a navigation with rules of its own, or nothing that depends on anybody. */
  exempt?: 'navigation' | 'public'
  answer(request: Request): Promise<Response>
}
