import type { Principal } from './principal.js'
import { check } from './shape.js'

type Members = Readonly<Record<string, unknown>> | null | undefined

/** Whatever a runtime or a framework makes of a request. */
export const request = check<Request>('a Request', (value) => {
  const { url, headers } = (value ?? {}) as { url?: unknown; headers?: Members }
  return typeof url === 'string' && typeof headers?.['get'] === 'function'
})

/** Who a guard has found: what is in it was verified there, and may be more than is known here. */
export const principal = check<Principal>('a principal, as a guard has found it', (value) => {
  const { method, sub, scopes, claims } = (value ?? {}) as Record<string, unknown>
  return (
    typeof method === 'string' &&
    typeof sub === 'string' &&
    Array.isArray(scopes) &&
    typeof claims === 'object' &&
    claims !== null
  )
})
