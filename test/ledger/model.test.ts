import fc from 'fast-check'
import { type BudgetLine, type Hold, memoryLedger } from 'sallyport/store'
import { describe, expect, it } from 'vitest'

const order = ['minute', 'day', 'month', 'total']

const DAY = 86_400
/** Not long before midnight. */
const START = Math.floor(1_790_000_000 / DAY) * DAY - 3600
/** A hold is remembered for a week, if it is not settled. */
const END = START + 6 * DAY

const lines: readonly BudgetLine[] = [
  { subject: 'agent:a', window: 'day', limit: 100 },
  { subject: 'agent:b', window: 'day', limit: 60 },
  { subject: 'tenant:t', window: 'total', limit: 300 },
  { subject: 'user:u', window: 'day' },
]

interface Entry {
  hold: Hold
  made: number
  until: number
  started: boolean
  state: 'open' | 'released' | 'settled'
  actual: number
  overrun: number
  /** Until when the id of a settled hold is known. */
  knownUntil: number
}

/** What a ledger is, with nothing kept but what has happened: every balance is counted anew. */
function createModel() {
  let time = START
  const holds = new Map<string, Entry>()
  /** Settled holds whose ids are no longer known. Their costs still count. */
  const forgotten: Entry[] = []
  const spent: { at: number; lines: readonly BudgetLine[]; amount: number }[] = []

  const has = (of: readonly BudgetLine[], line: BudgetLine) => of.some(({ subject }) => subject === line.subject)
  const isOpen = ({ state, until }: Entry) => state === 'open' && until > time
  const costOf = (entry: Entry) => {
    if (entry.state === 'settled') return entry.actual
    return entry.state === 'open' && !isOpen(entry) && entry.started ? entry.hold.amount : 0
  }
  const sum = (amounts: readonly number[]) => amounts.reduce((all, one) => all + one, 0)

  function balance(line: BudgetLine, at = time) {
    const counts = (of: readonly BudgetLine[], when: number) =>
      has(of, line) && (line.window === 'total' || Math.floor(when / DAY) === Math.floor(at / DAY))
    const mine = [...holds.values(), ...forgotten].filter(({ hold, made }) => counts(hold.lines, made))
    const charges = spent.filter((one) => counts(one.lines, one.at))
    return {
      committed: sum(mine.map(costOf)) + sum(charges.map(({ amount }) => amount)),
      held: sum(mine.filter(isOpen).map(({ hold }) => hold.amount)),
    }
  }
  const shortage = (of: readonly BudgetLine[], amount: number) =>
    of
      .map((line) => {
        const { committed, held } = balance(line)
        return { line, left: (line.limit ?? Number.POSITIVE_INFINITY) - committed - held }
      })
      .filter(({ left }) => amount > left)
      .sort((a, b) => order.indexOf(b.line.window) - order.indexOf(a.line.window) || a.left - b.left)[0]

  return {
    balance,
    advance(seconds: number) {
      time = Math.min(END, time + seconds)
      for (const [id, entry] of holds)
        if (entry.state === 'settled' && time >= entry.knownUntil) {
          holds.delete(id)
          forgotten.push(entry)
        }
    },
    now: () => time,
    reserve(hold: Hold, ttl: number) {
      const known = holds.get(hold.id)
      if (known && !isOpen(known)) return 'hold_ended'
      const same = (one: Hold) => JSON.stringify([one.amount, one.lines])
      if (known) return same(known.hold) === same(hold) ? 'ok' : 'hold_conflict'
      const short = shortage(hold.lines, hold.amount)
      if (short) return { ...short, left: Math.max(0, short.left) }
      const entry: Entry = {
        hold,
        made: time,
        until: time + ttl,
        started: false,
        state: 'open',
        actual: 0,
        overrun: 0,
        knownUntil: 0,
      }
      holds.set(hold.id, entry)
      return 'ok'
    },
    spend(of: readonly BudgetLine[], amount: number) {
      const short = shortage(of, amount)
      if (short) return { ...short, left: Math.max(0, short.left) }
      spent.push({ at: time, lines: of, amount })
      return 'ok'
    },
    start(id: string) {
      const entry = holds.get(id)
      if (!entry) return 'hold_unknown'
      if (!isOpen(entry)) return false
      entry.started = true
      return true
    },
    settle(id: string, actual: number) {
      const entry = holds.get(id)
      if (!entry) return 'hold_unknown'
      if (entry.state === 'settled') return entry.overrun
      const taken = isOpen(entry) ? entry.hold.amount : costOf(entry)
      Object.assign(entry, { state: 'settled', actual, knownUntil: Math.max(entry.until, time) + DAY })
      entry.overrun = Math.max(
        0,
        ...entry.hold.lines.map((line) => {
          const { committed, held } = balance(line, entry.made)
          return Math.min(actual - taken, committed + held - (line.limit ?? Number.POSITIVE_INFINITY))
        }),
      )
      return entry.overrun
    },
    release(id: string) {
      const entry = holds.get(id)
      if (!entry) return 'hold_unknown'
      if (isOpen(entry)) entry.state = 'released'
      return 'ok'
    },
    holdOf: (id: string): Hold | undefined => holds.get(id)?.hold,
    openHolds: (line: BudgetLine) =>
      [...holds.values()]
        .filter((one) => isOpen(one) && !one.started && has(one.hold.lines, line))
        .map(({ hold }) => hold),
  }
}

const id = fc.constantFrom('1', '2', '3', '4', '5', '6')
const amount = fc.oneof(fc.integer({ min: 0, max: 70 }), fc.constantFrom(0, 60, 100))
const some = fc.subarray([...lines], { minLength: 1 })
const command = fc.oneof(
  fc.record({ do: fc.constant('reserve' as const), id, lines: some, amount, ttl: fc.constantFrom(1, 60, 5000) }),
  fc.record({ do: fc.constant('spend' as const), lines: some, amount }),
  fc.record({ do: fc.constant('start' as const), id }),
  fc.record({ do: fc.constant('settle' as const), id, amount }),
  fc.record({ do: fc.constant('release' as const), id }),
  fc.record({ do: fc.constant('advance' as const), seconds: fc.constantFrom(1, 59, 3600, DAY / 2, DAY) }),
)

describe('the ledger in memory', () => {
  it('does what the model does, whatever is asked in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
        const model = createModel()
        const ledger = memoryLedger({ now: model.now })
        const tenant = 't'
        const holdOf = (id: string): Hold => model.holdOf(id) ?? { tenant, id, lines: lines.slice(0, 1), amount: 1 }
        const codeOf = (error: { code?: string }) => error.code ?? `${error}`

        for (const step of commands) {
          if (step.do === 'advance') model.advance(step.seconds)
          if (step.do === 'reserve') {
            const { do: _, ttl, ...input } = step
            const isNew = !model.holdOf(step.id)
            const answer = await ledger.reserve({ tenant, ttl, ...input }).catch(codeOf)
            const expected = model.reserve({ tenant, ...input }, ttl)
            expect(said(answer)).toEqual(expected)
            if (expected === 'ok')
              for (const line of isNew && step.amount ? step.lines : []) {
                const { committed, held } = await ledger.read(line, { tenant })
                // Nothing that is admitted takes a line above its limit.
                expect(committed + held).toBeLessThanOrEqual(line.limit ?? Number.POSITIVE_INFINITY)
              }
          }
          if (step.do === 'spend')
            expect(said(await ledger.spend({ tenant, lines: step.lines, amount: step.amount }))).toEqual(
              model.spend(step.lines, step.amount),
            )
          if (step.do === 'start')
            expect(await ledger.start(holdOf(step.id)).catch(codeOf)).toEqual(model.start(step.id))
          if (step.do === 'settle')
            expect(await ledger.settle(holdOf(step.id), step.amount).then(({ overrun }) => overrun, codeOf)).toEqual(
              model.settle(step.id, step.amount),
            )
          if (step.do === 'release')
            expect(await ledger.release(holdOf(step.id)).then(() => 'ok', codeOf)).toEqual(model.release(step.id))
          for (const line of lines) {
            const { committed, held } = await ledger.read(line, { tenant })
            expect({ committed, held }).toEqual(model.balance(line))
            expect(new Set((await ledger.holds(line.subject, { tenant })).map((hold) => hold.id))).toEqual(
              new Set(model.openHolds(line).map((hold) => hold.id)),
            )
          }
        }
        // In the end every hold is over, and what remains is what was paid.
        model.advance(5001)
        for (const line of lines) expect((await ledger.read(line, { tenant })).held).toBe(0)
      }),
      { numRuns: process.env['FULL'] ? 5000 : 500 },
    )
  }, 120_000)
})

/** An answer without what time makes of it. */
function said(answer: unknown): unknown {
  if (typeof answer === 'string') return answer
  const { ok, line, left } = answer as { ok: boolean; line?: BudgetLine; left?: number }
  return ok ? 'ok' : { line, left }
}
