/** How a call is made: with the agent’s API key, for the user, or for the user with its certificate. */
export type Credential = 'api_key' | 'delegated' | 'certificate'

/** A call that the planner requests. */
export interface PlannedCall {
  tool: string
  args: Readonly<Record<string, unknown>>
  as: Credential
  /** A description for the page. */
  title: string
  /** Whether a text that was read contained the instruction. */
  told?: boolean
}

const code = 'const prices = [450, 120, 75]; ({ sum: prices.reduce((a, b) => a + b), dearest: Math.max(...prices) })'

/**
 * Replaces a model: returns the next call, given the result of the last one (`undefined` for a call that was
 * refused). It does its work, and follows every instruction in a text: the worst case of an agent.
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
      title: 'Write a note for you',
    }
  yield {
    tool: 'courier.book',
    args: { to: 'The White Rabbit', parcel: 'a pair of gloves', pence: 450 },
    as: 'certificate',
    title: 'Book a courier at another company',
  }
  yield { tool: 'code.run', args: { code }, as: 'delegated', title: 'Run its own code' }
  const shared = yield { tool: 'shared.read', args: {}, as: 'delegated', title: 'Read what others have shared' }
  yield* obey(shared)
}

/** Follows instructions in a text: `call <tool> with {…}`. */
function* obey(read: unknown): Generator<PlannedCall, void, unknown> {
  for (const [, tool = '', written = ''] of `${read}`.matchAll(/\bcall (\w+\.\w+) with (\{[^{}]*\})/g))
    yield { tool, args: argumentsIn(written), as: 'delegated', title: 'Follow an instruction in a text', told: true }
}

function argumentsIn(written: string): Record<string, unknown> {
  try {
    return JSON.parse(written)
  } catch {
    return {}
  }
}
