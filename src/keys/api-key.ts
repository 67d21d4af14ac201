import type { AuthenticationResult, Authenticator } from '../protocol/principal.js'
import { withMethods } from '../protocol/shape.js'
import { validate } from '../protocol/validate.js'
import { StoreError } from '../store/contract.js'
import type { ApiKeys } from './api-keys.js'
import { apiKeyRefusals } from './errors.js'
import { findKeys, parseApiKey } from './format.js'
import type { KeyRecord } from './record.js'

export const keysCheck = withMethods<ApiKeys>('createApiKeys(…)', 'verify', 'spend')

/**
 * Accepts API keys in `X-API-Key` or, with their prefix, in `Authorization: Bearer`. A key in the URL is 400, because logs and
 * browser histories store URLs.
 *
 * Invalid keys are 403 `invalid_api_key`, the same body for malformed, unknown and revoked; `api_key_expired` only if the secret
 * is correct. An exceeded quota is 429 with `Retry-After` (none if waiting does not help). Quotas are counted after all other
 * checks: a refused call is not counted. If the store is down, the response is 503.
 */
export function apiKey(keys: ApiKeys): Authenticator {
  validate('apiKey', keysCheck, keys, 'keys')
  /** Whether the prefix is that of `keys`. A longer prefix that begins with it belongs to other keys: `live` and `live_eu`. */
  const isOurs = (text: string): boolean =>
    text.startsWith(`${keys.prefix}_`) && (parseApiKey(text)?.prefix ?? keys.prefix) === keys.prefix
  const presented = ({ headers }: Request): string | undefined => {
    const own = headers.get('x-api-key')
    if (own !== null) return own
    const [, token] = /^Bearer +([^ ]+)$/i.exec(headers.get('authorization') ?? '') ?? []
    return token !== undefined && isOurs(token) ? token : undefined
  }
  const isInUrl = ({ url }: Request) =>
    url.includes('?') && findKeys(decode(url.slice(url.indexOf('?'))), keys.prefix).length > 0

  async function admit(record: KeyRecord, cost: number): Promise<Refusal | undefined> {
    try {
      const result = await keys.spend(record, { cost })
      if (result.ok) return undefined
      const { window, retryAfter } = result
      return { ...refusal(429, 'quota_exceeded', window), ...(retryAfter !== undefined && { retryAfter }) }
    } catch (error) {
      return unavailable(error)
    }
  }

  return {
    method: 'api_key',
    explicit: true,
    // Keys are accepted in `Authorization: Bearer`.
    challenge: { scheme: 'Bearer' },
    once: {
      what: `apiKey(…) of the prefix "${keys.prefix}"`,
      remedy: 'keys of several kinds need a "prefix" each, or one createApiKeys(…)',
    },
    // A token with the prefix is certainly a key of ours. Any other value of `X-API-Key` is a key, maybe of another kind.
    claims(request) {
      const key = presented(request)
      return isInUrl(request) || (key !== undefined && isOurs(key)) ? 'certain' : key !== undefined
    },

    async verify(request): Promise<AuthenticationResult> {
      if (isInUrl(request)) return refusal(400, 'invalid_request', 'key in the URL')
      try {
        const result = await keys.verify(presented(request) ?? '', { request })
        if (!result.ok) return refusal(403, result.error, result.detail)
        const { id, owner, tenant, scopes, expiresAt, lineage } = result.record
        return {
          ok: true,
          principal: { method: 'api_key', sub: owner, tenant, scopes, expiresAt, claims: { key_id: id, lineage } },
          admit: (cost) => admit(result.record, cost),
        }
      } catch (error) {
        return unavailable(error)
      }
    },
  }
}

type Refusal = Extract<AuthenticationResult, { ok: false }>

const refusal = (status: 400 | 403 | 429 | 503, error: keyof typeof apiKeyRefusals, detail: string) => ({
  ok: false as const,
  status,
  error,
  error_description: apiKeyRefusals[error],
  detail,
})

/** The refusal for a store that is down. @throws every other error */
function unavailable(error: unknown): Refusal {
  if (!(error instanceof StoreError)) throw error
  return { ...refusal(503, 'keys_unavailable', 'store'), retryAfter: 5 }
}

function decode(query: string): string {
  try {
    return decodeURIComponent(query)
  } catch {
    return query
  }
}
