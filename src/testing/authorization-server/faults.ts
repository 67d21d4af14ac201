export const endpoints = [
  'discovery',
  'jwks',
  'push',
  'authorize',
  'token',
  'userinfo',
  'revocation',
  'introspection',
  'end_session',
] as const

/** The endpoints that can be made to fail. */
export type EndpointName = (typeof endpoints)[number]

/**
 * A fault. `network`: the connection is reset before the request is read. `refused`: the connection is refused. `lost`:
 * the request takes effect, and the connection is reset before the response.
 */
export type Fault = { status: number; body?: string; headers?: Record<string, string> } | 'network' | 'refused' | 'lost'

/** The faults by endpoint, in the order in which they were set. */
export function createFaults() {
  const waiting = new Map<EndpointName, Fault[]>()
  const gates = new Map<EndpointName, Promise<void>>()

  return {
    fail(endpoint: EndpointName, fault: Fault, { times = 1 }: { times?: number } = {}): void {
      waiting.set(endpoint, [...(waiting.get(endpoint) ?? []), ...Array.from({ length: times }, () => fault)])
    },
    delay(endpoint: EndpointName): { release(): void } {
      let release = () => {}
      const gate = new Promise<void>((resolve) => {
        release = resolve
      })
      gates.set(endpoint, gate)
      return {
        release() {
          if (gates.get(endpoint) === gate) gates.delete(endpoint)
          release()
        },
      }
    },
    /** Runs a request with the next fault of its endpoint. */
    async run(endpoint: EndpointName, answer: () => Promise<Response>): Promise<Response> {
      await gates.get(endpoint)
      const fault = waiting.get(endpoint)?.shift()
      if (fault === undefined) return answer()
      if (fault === 'lost') await answer()
      if (fault === 'network' || fault === 'lost') throw broken('ECONNRESET')
      if (fault === 'refused') throw broken('ECONNREFUSED')
      return new Response(fault.body ?? null, { status: fault.status, headers: fault.headers ?? {} })
    },
  }
}

/** The error that the platform's `fetch` rejects with. */
const broken = (code: string): TypeError =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
