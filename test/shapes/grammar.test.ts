import { describe, expect, it } from 'vitest'
import { sampleOf, spotsOf } from './faults.js'
import { made } from './made.js'
import { subjects } from './subjects.js'

/** Contracts that engines of others implement; the testing kit; and what has the grammar of the platform. */
const others = ['store', 'as', 'browser', 'tab', 'jar']
const asTheWeb = ['auth.fetch', 'client.fetch']

const calls = made.flatMap(([who, instance, declared]) =>
  Object.entries(declared).map(([name, { parameters }]) => ({ who, name: `${who}.${name}`, instance, parameters })),
)
const ours = calls.filter(({ who, name }) => !others.includes(who) && !asTheWeb.includes(name))

const shown = ({ name, parameters }: (typeof calls)[number]): string =>
  `${name}(${parameters
    .map(([argument, { members }]) => (members ? `{ ${Object.keys(members).join(', ')} }` : argument))
    .join(', ')})`

describe('every method that is public', () => {
  it('takes an id, a subject or what is presented first, then one object of options', () => {
    expect([...new Set(calls.map(shown))].sort()).toMatchSnapshot()
    for (const call of ours) {
      expect(call.parameters.length, shown(call)).toBeLessThanOrEqual(2)
      for (const [argument] of call.parameters) expect(argument, shown(call)).not.toBe('tenant')
    }
  })

  it('takes the tenant in its options, which are last but for a function that is called back', () => {
    const tenanted = ours.filter(({ parameters }) => parameters.some(([, { members }]) => members?.['tenant']))
    expect(tenanted.length).toBeGreaterThan(20)
    // A hold names its tenant: it is what `reserve()` has returned.
    for (const call of tenanted.filter(({ name }) => name !== 'ledger.settle')) {
      const last = call.parameters.filter(([, check]) => check.expected !== 'a function').at(-1)
      expect(last?.[1].members, shown(call)).toHaveProperty('tenant')
    }
  })

  it('takes times as seconds: no name says another unit, and no value is a Date', () => {
    const odd = /[a-z](Ms|Millis|Milliseconds|Minutes|Hours|Days|Date)$/
    const names = subjects.flatMap((subject) => spotsOf(subject).map(({ path }) => `${path.at(-1)}`))
    expect(names.filter((name) => odd.test(name))).toEqual([])
    expect('timeoutMs').toMatch(odd)
    const times = subjects.flatMap((subject) => spotsOf(subject).filter(({ check }) => /seconds/.test(check.expected)))
    expect(times.length).toBeGreaterThan(20)
    for (const { check } of times) expect(check.flaw(new Date())).toBeDefined()
  })

  it('is answered with { items, cursor } where it takes a cursor', async () => {
    const lists = ours.filter(({ parameters }) => parameters.some(([, { members }]) => members?.['cursor']))
    expect(lists.map(({ name }) => name)).toEqual([
      'keys.list',
      'agents.list',
      'agents.consents',
      'approvals.pending',
      'audit.read',
    ])
    for (const { name, instance, parameters } of lists) {
      const method = (instance as Record<string, (...args: unknown[]) => Promise<unknown>>)[name.split('.')[1] ?? '']
      const args = parameters.map(([, check]) => {
        const { cursor: _, ...rest } = sampleOf(check) as Record<string, unknown>
        return rest
      })
      expect(await method?.(...args), name).toEqual({ items: [] })
    }
  })
})
