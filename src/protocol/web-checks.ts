import type { Principal } from './principal.js'
import { check, isObject } from './shape.js'

type Members = Readonly<Record<string, unknown>> | null | undefined

/** A request of any runtime or framework. */
const isRequest = (value: unknown): boolean => {
  const { url, headers } = (value ?? {}) as { url?: unknown; headers?: Members }
  return typeof url === 'string' && typeof headers?.['get'] === 'function'
}
export const requestCheck = check<Request>('a Request', isRequest)

/** The principal that a guard has found: its members were verified there, and there may be others. */
export const principalCheck = check<Principal>('a principal, as a guard has found it', (value) => {
  const { method, sub, scopes, claims } = (value ?? {}) as Record<string, unknown>
  return (
    typeof method === 'string' &&
    typeof sub === 'string' &&
    Array.isArray(scopes) &&
    typeof claims === 'object' &&
    claims !== null
  )
})

/** What `fetch` takes: a text, a `URL` or a `Request`. */
export const fetchInput = check<string | URL | Request>(
  'a URL or a Request',
  (value) => (typeof value === 'string' && value !== '') || value instanceof URL || isRequest(value),
)

/** The platform checks its members. */
export const fetchInit = check<RequestInit>('what fetch takes beside a URL', isObject)
