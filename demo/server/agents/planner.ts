/** How a call is to be made: with the agent’s key for APIs, for the person, or for the person and with its certificate. */
export type Credential = 'api_key' | 'delegated' | 'certificate'

/** A call that the planner wants to have made. */
export interface PlannedCall {
  tool: string
  args: Readonly<Record<string, unknown>>
  as: Credential
  /** In words, for who watches. */
  title: string
  /** Whether a text that was read has asked for it. */
  told?: boolean
}

const code = 'const prices = [450, 120, 75]; ({ sum: prices.reduce((a, b) => a + b), dearest: Math.max(...prices) })'

/**
 * What a model would decide, without one: the next call, given what the last one has answered (`undefined` for one that was
 * refused). It does its work, and it does whatever a text tells it to: the worst agent that there can be.
 */
export function* plan(): Generator<PlannedCall, void, unknown> {
  yield { tool: 'notices.read', args: {}, as: 'api_key', title: 'Read the public notices' }
  const notes = yield { tool: 'notes.read', args: {}, as: 'delegated', title: 'Read your notes' }
  yield* obey(notes)
  if (Array.isArray(notes))
    yield {
      tool: 'notes.add',
      args: { text: `Counted by the agent: ${notes.length} ${notes.length === 1 ? 'note' : 'notes'}.` },
      as: 'delegated',
      title: 'Write you a note',
    }
  yield {
    tool: 'courier.book',
    args: { to: 'The White Rabbit', parcel: 'a pair of gloves', pence: 450 },
    as: 'certificate',
    title: 'Book a courier at another company',
  }
  yield { tool: 'code.run', args: { code }, as: 'delegated', title: 'Run code that it has written' }
  const shared = yield { tool: 'shared.read', args: {}, as: 'delegated', title: 'Read what others have shared' }
  yield* obey(shared)
}

/** Takes what it has read for orders: `call <tool> with {…}`. */
function* obey(read: unknown): Generator<PlannedCall, void, unknown> {
  for (const [, tool = '', written = ''] of `${read}`.matchAll(/\bcall (\w+\.\w+) with (\{[^{}]*\})/g))
    yield { tool, args: argumentsIn(written), as: 'delegated', title: 'Do what a text has told it', told: true }
}

function argumentsIn(written: string): Record<string, unknown> {
  try {
    return JSON.parse(written)
  } catch {
    return {}
  }
}
