import { type KeyRingErrorCode, keyRingErrors } from '../key-ring/errors.js'
import { SallyportError } from '../protocol/error.js'
import { formatChallenge } from '../protocol/http/challenge.js'
import { func, object, optional } from '../protocol/shape.js'
import { type Now, systemNow } from '../protocol/time.js'
import { validate } from '../protocol/validate.js'
import { StoreError } from '../store/contract.js'
import { type AgentErrorCode, agentErrors } from './errors.js'

/** Error code → status. All others are 403. */
const statuses: { readonly [Code in AgentErrorCode | KeyRingErrorCode]?: number } = {
  agent_conflict: 409,
  agent_exists: 409,
  agent_key_refused: 400,
  agent_not_found: 404,
  agent_proof_refused: 401,
  approval_decided: 409,
  approval_not_found: 404,
  approval_used: 409,
  approvals_exceeded: 429,
  audit_conflict: 503,
  budget_exceeded: 429,
  call_invalid: 400,
  checkpoint_invalid: 400,
  insufficient_user_authentication: 401,
  invalid_agent_request: 401,
  invalid_token: 401,
  key_ring_busy: 503,
  key_ring_failed: 503,
  keys_unavailable: 503,
  provider_key_missing: 503,
  request_too_large: 413,
}

/** The header of a signed request. It is separate from `Authorization`, so that a request can have a signature and a token. */
export const AGENT_HEADER = 'Sallyport-Agent'

/** Error code → scheme of its challenge, and the members of `cause` that become its parameters. */
const challenges: {
  readonly [Code in AgentErrorCode | KeyRingErrorCode]?: readonly [scheme: string, ...evidence: string[]]
} = {
  insufficient_scope: ['Bearer', 'scope'],
  insufficient_user_authentication: ['Bearer', 'acr_values', 'max_age'],
  invalid_agent_request: [AGENT_HEADER],
  invalid_token: ['Bearer'],
}

interface AnswerOptions {
  /** The clock, epoch seconds. Default: the system's. */
  now?: Now
}

export const answerOptions = object<AnswerOptions>({ now: optional(func) })

/**
 * Makes the response for an error of `sallyport/agents`, a key ring or the store: status, code and message, and for
 * `approval_required` the pending `approval` (`id`, `code`, `expiresAt`, `digest`). 503 has `Retry-After`; 429 has it if the budget
 * has a next window.
 *
 * Any other error is thrown again.
 *
 * @see RFC 6750 section 3 for the challenges
 */
export function agentAnswer(error: unknown, options: AnswerOptions = {}): Response {
  validate('agentAnswer', answerOptions, options)
  const { now = systemNow } = options
  const isKnown =
    error instanceof SallyportError && [agentErrors, keyRingErrors].some((table) => Object.hasOwn(table, error.code))
  if (!isKnown && !(error instanceof StoreError)) throw error
  const { message, cause } = error
  const code = error.code as AgentErrorCode | KeyRingErrorCode
  const status = error instanceof StoreError ? 503 : (statuses[code] ?? 403)
  const evidence = (cause ?? {}) as Readonly<Record<string, unknown>>
  const approval = code === 'approval_required' && cause ? { approval: cause } : {}
  const response = new Response(JSON.stringify({ error: code, error_description: message, ...approval }), {
    status,
    headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' },
  })
  if (status === 503) response.headers.set('Retry-After', '5')
  const { resetsAt, retryAfter = typeof resetsAt === 'number' ? Math.max(1, Math.ceil(resetsAt - now())) : undefined } =
    evidence
  if (typeof retryAfter === 'number') response.headers.set('Retry-After', `${retryAfter}`)
  const [scheme, ...evidenceNames] = challenges[code] ?? []
  if (scheme !== undefined) {
    const parameters: Record<string, string> = { error: code }
    for (const name of evidenceNames) if (evidence[name] !== undefined) parameters[name] = `${evidence[name]}`
    response.headers.set('WWW-Authenticate', formatChallenge(scheme, parameters))
  }
  return response
}
