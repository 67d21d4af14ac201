import { formatChallenge } from '../protocol/challenge.js'
import { SallyportError } from '../protocol/error.js'
import { StoreError } from '../store/contract.js'
import { type AgentErrorCode, agentErrors } from './errors.js'

/** 403, but for these. */
const statuses: { readonly [Code in AgentErrorCode]?: number } = {
  agent_conflict: 409,
  agent_exists: 409,
  agent_key_refused: 400,
  agent_not_found: 404,
  agent_proof_refused: 401,
  approval_decided: 409,
  approval_not_found: 404,
  approval_used: 409,
  audit_conflict: 503,
  call_invalid: 400,
  checkpoint_invalid: 400,
  insufficient_user_authentication: 401,
  key_ring_busy: 503,
  key_ring_failed: 503,
  provider_key_missing: 503,
}

/**
 * The answer to whoever called, for what this folder and the store reject with: status, code and words, and for
 * `approval_required` the `approval` that was asked for (`id`, `code`, `expiresAt`, `digest`). 503 has `Retry-After`.
 *
 * Anything else is thrown again.
 *
 * @see RFC 9470 section 3 for the challenge of `insufficient_user_authentication`
 */
export function agentAnswer(error: unknown): Response {
  const ours = error instanceof SallyportError && Object.hasOwn(agentErrors, error.code)
  if (!ours && !(error instanceof StoreError)) throw error
  const { code, message, cause } = error
  const status = error instanceof StoreError ? 503 : (statuses[code as AgentErrorCode] ?? 403)
  const approval = code === 'approval_required' && cause ? { approval: cause } : {}
  const response = new Response(JSON.stringify({ error: code, error_description: message, ...approval }), {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  })
  if (status === 503) response.headers.set('Retry-After', '5')
  if (status === 401) {
    const wanted = Object.entries(cause ?? {}).map(([name, value]) => [name, `${value}`])
    response.headers.set('WWW-Authenticate', formatChallenge('Bearer', { error: code, ...Object.fromEntries(wanted) }))
  }
  return response
}
