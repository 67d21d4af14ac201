import type { Authenticator, Verdict } from '../protocol/principal.js'
import { StoreError } from '../store/contract.js'
import type { ApiKeys } from './api-keys.js'
import { apiKeyRefusals } from './errors.js'
import { findKeys } from './format.js'

/**
 * Accepts API keys in `X-API-Key` or, beginning with their prefix, in `Authorization: Bearer`; never in the URL, where logs
 * and histories keep them: that is 400, whoever else is accepted.
 *
 * Refused keys are 403 `invalid_api_key`, one body for malformed, unknown and revoked; `api_key_expired` only once the secret
 * has matched. A store that cannot be asked is 503.
 */
export function apiKey(keys: ApiKeys): Authenticator {
  const presented = ({ headers }: Request): string | undefined => {
    const own = headers.get('x-api-key')
    if (own !== null) return own
    const [, token] = /^Bearer +(\S+) *$/i.exec(headers.get('authorization') ?? '') ?? []
    return token?.startsWith(`${keys.prefix}_`) ? token : undefined
  }
  const isInUrl = ({ url }: Request) =>
    url.includes('?') && findKeys(decode(url.slice(url.indexOf('?'))), keys.prefix).length > 0

  return {
    method: 'api_key',
    explicit: true,
    // A token that begins with the prefix is a key and nothing else.
    claims: (request) => (presented(request) !== undefined || isInUrl(request) ? 'certain' : false),

    async verify(request): Promise<Verdict> {
      if (isInUrl(request)) return refused(400, 'invalid_request', 'key in the URL')
      try {
        const verdict = await keys.verify(presented(request) ?? '', request)
        if (!verdict.ok) return refused(403, verdict.error, verdict.detail)
        const { id, owner, tenant, scopes, expiresAt, lineage } = verdict.record
        return {
          ok: true,
          principal: { method: 'api_key', sub: owner, tenant, scopes, expiresAt, claims: { key_id: id, lineage } },
        }
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        return { ...refused(503, 'keys_unavailable', 'store'), retryAfter: 5 }
      }
    },
  }
}

const refused = (status: 400 | 403 | 503, error: keyof typeof apiKeyRefusals, detail: string) => ({
  ok: false as const,
  status,
  error,
  error_description: apiKeyRefusals[error],
  detail,
})

function decode(query: string): string {
  try {
    return decodeURIComponent(query)
  } catch {
    return query
  }
}
