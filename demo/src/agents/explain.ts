import type { Step } from './api.js'

/** With what the agent shows that it is itself. */
export const credentials: Record<Step['as'], string> = {
  api_key: 'its API key',
  delegated: 'a token for you, bound to its key',
  certificate: 'a token for you, bound to its certificate',
}

/** What has become of a call, in a sentence or two. */
export function explainStep({ state, error = '', told, result }: Step): string {
  if (state === 'calling') return 'It is being made.'
  if (state === 'waiting') return told ? `${orders} It waits above, and has not been made.` : 'It waits above.'
  if (state === 'away') return 'It waits for you to come back: your sign-in lends it its tokens.'
  if (state === 'refused') return `${told ? `${orders} ` : ''}${refusals[error] ?? `It was refused (${error}).`}`
  return explainResult(result)
}

const orders =
  'A text that the agent has read told it to do this, and it obeyed. Who may do what is decided here, not by what an agent reads.'

const refusals: Record<string, string> = {
  approval_denied: 'The answer was no, so nothing was done.',
  approval_expired: 'Nobody decided in time, so nothing was done.',
  approval_void: 'What waited was taken back, so nothing was done.',
  approval_used: 'This approval was used already: it is good for one call.',
  insufficient_scope: 'Its role does not have the scope for that, so nothing was done, and nobody was even asked.',
  arguments_denied: 'The tool does not take these arguments, so nothing was done.',
  tool_denied: 'There is no such tool here, so nothing was done.',
  budget_exceeded: 'Today’s budget has no room for this call.',
  consent_missing: 'You do not let it act for you (any more).',
  agent_scope_refused: 'You, its role and your consent have no scope in common.',
  agent_ended: 'It was decommissioned: it gets no token any more.',
  agents_stopped: 'All agents are stopped: it gets no token.',
  invalid_api_key: 'Its API key is no longer taken.',
  invalid_token: 'Its token is no longer good.',
  person_away: 'You were away for too long.',
  delegation_refused: 'Your sign-in has ended, and with it what the agent may do for you.',
  unavailable: 'The other side does not answer.',
}

const ends: Record<string, string> = {
  time: 'It ran too long and was ended.',
  memory: 'It wanted too much memory and was ended.',
  process: 'Its process ended.',
}

/** What came back, as it is; of code, what it said or what ended it. */
function explainResult(result = 'null'): string {
  const value: unknown = JSON.parse(result)
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.length ? value.map((one) => `“${one}”`).join(' ') : 'Nothing is there.'
  const { ok, output, cut, ended, message } = value as Record<string, unknown>
  if (ok) return `It came to ${output}${cut ? ' … (cut short)' : ''}`
  return ends[`${ended}`] ?? `It failed: ${message}`
}
