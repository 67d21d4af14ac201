import type { Step } from './api.js'

/** How the agent authenticates. */
export const credentials: Record<Step['as'], string> = {
  api_key: 'its API key',
  delegated: 'a token for you, bound to its key',
  certificate: 'a token for you, bound to its certificate',
}

/** The state of a call, in a sentence or two. */
export function explainStep({ state, error = '', told, result }: Step): string {
  if (state === 'calling') return 'The call is in progress.'
  if (state === 'waiting')
    return told ? `${orders} It waits for a decision above, and has not been made.` : 'It waits for a decision above.'
  if (state === 'away') return 'It waits until you are back: it gets its tokens through your sign-in.'
  if (state === 'refused') return `${told ? `${orders} ` : ''}${refusals[error] ?? `It was refused (${error}).`}`
  return explainResult(result)
}

const orders =
  'A text that the agent has read told it to do this, and the agent tried it. The server decides what an agent may do, not the texts that it reads.'

const refusals: Record<string, string> = {
  approval_denied: 'The call was denied, so nothing was done.',
  approval_expired: 'There was no decision in time, so nothing was done.',
  approval_void: 'The request was voided, so nothing was done.',
  approval_used: 'This approval was already used: it is valid for one call.',
  insufficient_scope: 'Its role does not have the required scope, so nothing was done, and no approval was requested.',
  arguments_denied: 'The tool does not accept these arguments, so nothing was done.',
  tool_denied: 'There is no such tool here, so nothing was done.',
  budget_exceeded: 'Today’s budget is too small for this call.',
  consent_missing: 'You have not let it act for you, or have withdrawn it.',
  agent_scope_refused: 'You, its role and your consent have no scope in common.',
  agent_ended: 'It was decommissioned: it gets no more tokens.',
  agents_stopped: 'All agents are stopped: it gets no token.',
  invalid_api_key: 'Its API key is no longer accepted.',
  invalid_token: 'Its token is no longer valid.',
  person_away: 'You were away for too long.',
  delegation_refused: 'Your sign-in has ended, so the agent may no longer act for you.',
  unavailable: 'The other server does not respond.',
}

const ends: Record<string, string> = {
  time: 'It ran too long and was stopped.',
  memory: 'It used too much memory and was stopped.',
  process: 'Its process ended.',
}

/** The result of a call; for code, its output or the reason why it stopped. */
function explainResult(result = 'null'): string {
  const value: unknown = JSON.parse(result)
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.length ? value.map((one) => `“${one}”`).join(' ') : 'The list is empty.'
  const { ok, output, cut, ended, message } = value as Record<string, unknown>
  if (ok) return `The result is ${output}${cut ? ' … (cut short)' : ''}`
  return ends[`${ended}`] ?? `It failed: ${message}`
}
