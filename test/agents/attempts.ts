import { scenarios, type ToolCall } from 'sallyport/agents'
import { expect } from 'vitest'
import type { Caller, world } from './world.js'

type World = Awaited<ReturnType<typeof world>>

/** Two tools that wait for the person concerned. */
export const tools = {
  'notes.replace': scenarios.modifyUserData.tool,
  'notes.erase': scenarios.modifyUserData.tool,
}
export const replace: ToolCall = { tool: 'notes.replace', args: { note: 7, text: 'new' }, estimate: 1 }

/** What Alice has approved, and by whom it is used. */
export interface Attempt {
  call?: Partial<ToolCall>
  caller?: Caller
}

/** Others who have got hold of the id. */
export const strangers = (): Readonly<Record<string, Attempt>> => ({
  'the agent, for another person': { caller: { sub: 'bob' } },
  'another agent': { caller: { agent: `agent_${crypto.randomUUID()}` } },
  'another tenant’s agent': {
    caller: { agent: `agent_${crypto.randomUUID()}`, tenant: `globex ${crypto.randomUUID()}` },
  },
})

/** The agent itself, which comes with something else. */
export const changed: Readonly<Record<string, Attempt>> = {
  'another argument': { call: { args: { note: 7, text: 'other' } } },
  'another tool': { call: { tool: 'notes.erase' } },
  'another resource': { call: { resource: 'note 8' } },
}

/**
 * Alice approves one call of an agent; then all attempts to use that approval come at once, each kind `times` times, at all sides
 * in turn, behind the guard: where nothing but the store lies between them. Tells how many of each kind ran, and what became of the approval.
 */
export async function attempts(sides: readonly World[], kinds: Readonly<Record<string, Attempt>>, times: number) {
  const [first] = sides
  if (!first) throw new Error('no side')
  const forAlice = { sub: 'alice' }
  const { approval } = await (await first.api(await first.requestOf(forAlice, replace))).json()
  await first.approve(approval.id)
  const prepared = await Promise.all(
    Object.entries(kinds).map(async ([kind, { call, caller }]) => {
      const principal = await first.principalOf({ ...forAlice, ...caller })
      return { kind, principal, body: { ...replace, ...call, approval: approval.id } }
    }),
  )
  const ran = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, 0]))
  const statuses = new Set<number>()
  const all = Array.from({ length: times }, () => prepared).flat()
  await Promise.all(
    all.map(async ({ kind, principal, body }, at) => {
      const { status } = (await sides[at % sides.length]?.run(principal, body)) ?? {}
      if (status === 200) ran[kind] = (ran[kind] ?? 0) + 1
      else statuses.add(status ?? 0)
    }),
  )
  const executed = sides.flatMap(({ executed }) => executed)
  expect(executed).toHaveLength(Object.values(ran).reduce((sum, count) => sum + count, 0))
  for (const { tool, args } of executed) expect({ tool, args }).toEqual({ tool: replace.tool, args: replace.args })
  return { ran, statuses, status: (await first.approvals.get(approval.id, { tenant: first.tenant }))?.status }
}
