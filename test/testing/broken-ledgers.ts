import { type BudgetLine, type Hold, type Ledger, memoryLedger, type Reservation, type Shortage } from 'sallyport/store'

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 1))
type Make = (now: () => number) => Ledger
type Subject = BudgetLine['subject']

const changed =
  (change: (ledger: Ledger, now: () => number) => Partial<Ledger>): Make =>
  (now) => {
    const ledger = memoryLedger({ now })
    return { ...ledger, ...change(ledger, now) }
  }

interface Naming {
  name?: (text: string) => string
  lines?: (lines: readonly BudgetLine[]) => readonly BudgetLine[]
  tenant?: (tenant: string) => string
}

/** Other names, or other lines, in the place of those that were given. */
const renaming = ({ name = (text) => text, lines = (all) => all, tenant = name }: Naming): Make =>
  changed((ledger) => {
    const subject = (of: string) => name(of) as Subject
    const moved = <Of extends { tenant: string; lines: readonly BudgetLine[] }>(of: Of): Of => ({
      ...of,
      tenant: tenant(of.tenant),
      lines: lines(of.lines).map((line) => ({ ...line, subject: subject(line.subject) })),
    })
    return {
      async reserve(of) {
        const answer = await ledger.reserve(moved(of))
        return answer.ok
          ? { ok: true, hold: { tenant: of.tenant, id: of.id, lines: of.lines, amount: of.amount } }
          : answer
      },
      spend: (of) => ledger.spend(moved(of)),
      start: (of) => ledger.start(moved(of)),
      settle: (of, actual) => ledger.settle(moved(of), actual),
      release: (of) => ledger.release(moved(of)),
      read: (line, of) =>
        ledger.read({ ...line, subject: subject(line.subject) }, { ...of, tenant: tenant(of.tenant) }),
      holds: (whose, of) => ledger.holds(subject(whose), { tenant: tenant(of.tenant) }),
    }
  })

/** Without a look at what is there in the same step. */
const careless: Make = changed((ledger) => {
  const room = async ({ tenant, lines, amount }: Pick<Reservation, 'tenant' | 'lines' | 'amount'>) => {
    for (const line of lines) {
      const { committed, held } = await ledger.read(line, { tenant })
      if (line.limit !== undefined && committed + held + amount > line.limit)
        return { ok: false, line, left: line.limit - committed - held } as Shortage
    }
    await turn()
    return undefined
  }
  const unlimited = (lines: readonly BudgetLine[]) => lines.map(({ limit: _, ...line }) => line)
  return {
    reserve: async (of) => (await room(of)) ?? ledger.reserve({ ...of, lines: unlimited(of.lines) }),
    spend: async (of) => (await room(of)) ?? ledger.spend({ ...of, lines: unlimited(of.lines) }),
  }
})

const lineByLine: Make = changed((ledger) => ({
  async reserve(of) {
    for (const [at, line] of of.lines.entries()) {
      const answer = await ledger.reserve({ ...of, id: at ? `${of.id}${at}` : of.id, lines: [line] })
      if (!answer.ok) return answer
    }
    return { ok: true, hold: { tenant: of.tenant, id: of.id, lines: of.lines, amount: of.amount } }
  },
  async spend(of) {
    for (const line of of.lines) {
      const answer = await ledger.spend({ ...of, lines: [line] })
      if (!answer.ok) return answer
    }
    return { ok: true }
  },
}))

/** A lock for each line, taken in the order in which the lines come. */
const locking: Make = changed((ledger) => {
  const locks = new Map<string, Promise<void>>()
  return {
    async spend(of) {
      const held: (() => void)[] = []
      for (const { subject } of of.lines) {
        const before = locks.get(subject)
        let free = () => {}
        locks.set(
          subject,
          new Promise((resolve) => {
            free = resolve
          }),
        )
        held.push(free)
        await before
        await turn()
      }
      const answer = await ledger.spend(of)
      for (const free of held) free()
      return answer
    },
  }
})

const keyOf = ({ tenant, id }: Pick<Hold, 'tenant' | 'id'>) => `${tenant}\n${id}`

/** Defect → the engine that has it, and the cases that find it. */
export const brokenLedgers: Readonly<Record<string, [make: Make, ...cases: string[]]>> = {
  'names are cut': [
    renaming({ name: (text) => text.slice(0, 12) }),
    'similar tenants, subjects and windows are kept apart',
  ],
  'subjects of more than 200 characters are refused': [
    renaming({
      name(text) {
        if (text.length > 200) throw new TypeError('too long')
        return text
      },
    }),
    'names of the maximum length, in any script, are accepted',
  ],
  'accents are normalized': [
    renaming({ name: (text) => text.normalize() }),
    'tenants, subjects and holds that look alike are kept apart',
  ],
  'braces are taken out': [
    renaming({ name: (text) => text.replace(/[{}]/g, '') }),
    'similar tenants, subjects and windows are kept apart',
    'tenants, subjects and holds that look alike are kept apart',
  ],
  'the first sixteen lines count': [
    renaming({ lines: (lines) => lines.slice(0, 16) }),
    'forty lines are taken together, and given back together',
  ],
  'a line is locked after the other': [locking, 'spending from the same lines in another order causes no deadlock'],
  'the first limit of a line is remembered': [
    (() => {
      const limits = new Map<string, number | undefined>()
      const first = ({ limit, ...line }: BudgetLine): BudgetLine => {
        if (!limits.has(line.subject)) limits.set(line.subject, limit)
        const kept = limits.get(line.subject)
        return { ...line, ...(kept !== undefined && { limit: kept }) }
      }
      return changed((ledger) => ({
        reserve: (of) => ledger.reserve({ ...of, lines: of.lines.map(first) }),
        spend: (of) => ledger.spend({ ...of, lines: of.lines.map(first) }),
      }))
    })(),
    'the limit of the call applies: no earlier limit is kept',
  ],
  'lines are taken one by one': [
    lineByLine,
    'takes from all lines or from none',
    'the limit of the call applies: no earlier limit is kept',
    'of several lines without room, the refusal names the one that starts again last',
    'refuses invalid amounts and lines, and changes nothing',
  ],
  'room is looked at first, and taken later': [
    careless,
    'admits up to the limit under concurrent calls',
    'spends a known cost at once',
    'a refusal says how long to wait by the clock of the ledger',
  ],
  'an id that is over may come again': [
    changed((ledger) => ({
      reserve: (of) =>
        ledger.reserve(of).catch((error) => {
          if (error.code !== 'hold_ended') throw error
          return ledger.reserve({ ...of, id: crypto.randomUUID() })
        }),
    })),
    'the id of an ended hold cannot be reserved again, however it ended',
    'the same reservation again takes nothing twice',
  ],
  'an id that is open is taken, whatever it is for': [
    changed((ledger) => {
      const open = new Map<string, Hold>()
      return {
        async reserve(of) {
          const hold = open.get(keyOf(of))
          if (hold) return { ok: true, hold }
          const answer = await ledger.reserve(of)
          if (answer.ok) open.set(keyOf(of), answer.hold)
          return answer
        },
      }
    }),
    'an id that is open with other content is refused, and changes nothing',
  ],
  'holds that are over are listed': [
    changed((ledger) => {
      const all: Hold[] = []
      return {
        async reserve(of) {
          const answer = await ledger.reserve(of)
          if (answer.ok) all.push(answer.hold)
          return answer
        },
        holds: async (subject, { tenant }) =>
          all.filter((one) => one.tenant === tenant && one.lines.some((line) => line.subject === subject)),
      }
    }),
    'lists no ended hold, and none of another tenant',
    'lists the holds of a subject that have not started',
  ],
  'a hundred holds are listed at most': [
    changed((ledger) => ({ holds: async (...of) => (await ledger.holds(...of)).slice(0, 100) })),
    'lists no ended hold, and none of another tenant',
  ],
  'a cost counts whenever it is said': [
    changed((ledger) => ({
      async settle({ tenant, lines, ...hold }, actual) {
        await ledger.release({ tenant, lines, ...hold })
        await ledger.spend({ tenant, lines: lines.map(({ limit: _, ...line }) => line), amount: actual })
        return { overrun: 0 }
      },
    })),
    'a cost counts once, however often it is settled, also concurrently',
    'a started hold that expires counts in full, until it is settled',
    'a late cost counts, and reports how far it went above the limit',
    'a cost above the held amount is reported',
    'a released amount can be taken again, and a late cost still counts',
  ],
  'what was held is what it costs': [
    changed((ledger) => ({ settle: (hold) => ledger.settle(hold, hold.amount) })),
    'the real cost replaces the held amount',
    'a hold is plain data: any process can settle it',
  ],
  'a hold never ends by itself': [
    changed((ledger) => ({ reserve: (of) => ledger.reserve({ ...of, ttl: 1e9 }) })),
    'a hold expires and leaves nothing',
  ],
  'what has ended is given back by the clock': [
    changed((ledger, now) => {
      const ends = new Map<string, number>()
      const back = async (hold: Hold) => {
        // Over and given back; by a clock that was set back it is open, and is given back again.
        if (now() < (ends.get(keyOf(hold)) ?? 0)) await ledger.settle(hold, 1)
      }
      return {
        async reserve(of) {
          const answer = await ledger.reserve(of)
          ends.set(keyOf(of), now() + of.ttl)
          return answer
        },
        async release(hold) {
          await ledger.release(hold)
          await back(hold)
        },
      }
    }),
    'an ended hold stays ended when the clock goes back, and is given back once',
  ],
  'a limit of 0 is none': [
    renaming({ lines: (lines) => lines.map(({ limit, ...line }) => ({ ...line, ...(limit && { limit }) })) }),
    'a limit of 0 allows nothing, an absent limit allows everything',
  ],
  'a refusal says what was asked for': [
    changed((ledger) => ({
      async reserve(of) {
        const answer = await ledger.reserve(of)
        return answer.ok ? answer : { ...answer, left: of.amount }
      },
    })),
    'a refusal names the line and what is left of it',
  ],
  'a hold that nobody knows is none': [
    changed((ledger) => ({ release: (hold) => ledger.release(hold).catch(() => {}) })),
    'an unknown hold is refused as hold_unknown',
  ],
  'windows are one': [
    changed((ledger) => {
      const total = <Line extends object>(line: Line) => ({ ...line, window: 'total' as const })
      return {
        spend: (of) => ledger.spend({ ...of, lines: of.lines.slice(0, 1).map(total) }),
        read: (line, of) => ledger.read(total(line), of),
      }
    }),
    'windows count separately and say when they start again',
  ],
  'amounts are rounded to fifty-three bits less a little': [
    changed((ledger) => ({
      async read(...of) {
        const balance = await ledger.read(...of)
        return { ...balance, committed: Math.fround(balance.committed) }
      },
    })),
    'counts whole numbers up to 2^53 − 1 exactly',
  ],
}
