// What an operation of a ledger costs at 1,000, 100,000 and 1,000,000 records of one tenant, on the three engines: a third of them are
// holds that are open, a third holds that are settled, a third windows of subjects, most of which nobody reads any more.
//   npm run build && node bench/ledger.js [--engine memory] [--records 1000 --records 100000] [--rounds 21] [--only hold]
import { createPresent, forEachUpTo, measureGrowth } from './growth/measure.js'
import { fillLedger } from './growth/redis-fill.js'

const tenant = 'acme'
/** Holds of one user. */
const EACH = 10
/** Seconds: longer than the measurement. */
const TTL = 1e6

const userOf = (name, records) => `user:${(name * 7919) % Math.ceil(records / 3 / EACH)}`
const linesOf = (subject) => [
  { subject: 'tenant:acme', window: 'month', limit: 1e12 },
  { subject, window: 'day', limit: 1e9 },
]
const hold = (id, subject) => ({ tenant, id, lines: linesOf(subject), amount: 3, ttl: TTL })
const spending = (subject) => ({ tenant, lines: linesOf(subject), amount: 1 })

const fills = {
  async memory({ clock }, ledger, records) {
    const third = Math.floor(records / 3)
    await forEachUpTo(third, (at) =>
      ledger.spend({ tenant, lines: [{ subject: `key:${at}`, window: 'minute', limit: 1e9 }], amount: 1 }),
    )
    clock.now += 3 * 3600
    await forEachUpTo(third, async (at) => {
      await ledger.reserve(hold(`settled ${at}`, userOf(at, records)))
      await ledger.settle(hold(`settled ${at}`, userOf(at, records)), 2)
    })
    await forEachUpTo(third, (at) => ledger.reserve(hold(`open ${at}`, userOf(at, records))))
  },
  redis(opened, _, records) {
    const third = Math.floor(records / 3)
    const lines = JSON.stringify(linesOf('user:0'))
    return fillLedger(opened, third, { tenant, users: Math.ceil(records / 3 / EACH), ttl: TTL, lines })
  },
  async postgres({ query, prefix }, _, records) {
    const third = Math.floor(records / 3)
    const users = Math.ceil(records / 3 / EACH)
    const windows = `array["${prefix}_budget_window"('month'), "${prefix}_budget_window"('day')]`
    const user = `'user:' || (n::bigint * 7919) % ${users}`
    for (const state of ['settled', 'open'])
      await query(
        `insert into "${prefix}_holds" (tenant, id, amount, until, state, subjects, windows, lines)
         select '${tenant}', '${state} ' || n, 3, now() + interval '${TTL} seconds', '${state}',
           array['tenant:acme', ${user}], names, replace($1, 'user:0', ${user})
         from generate_series(0, ${third - 1}) as n, (select ${windows} as names offset 0) as present`,
        [JSON.stringify(linesOf('user:0'))],
      )
    await query(
      `insert into "${prefix}_budgets" (tenant, subject, name, committed, held)
       select '${tenant}', line.subject, line.name, 0, sum(amount) from "${prefix}_holds",
         unnest(subjects, windows) as line(subject, name) where state = 'open' group by 2, 3`,
      [],
    )
    await query(
      `insert into "${prefix}_budgets" (tenant, subject, name, committed, held)
       select '${tenant}', 'key:' || n, 'm' || n % 1000, 1, 0 from generate_series(0, ${third - 1}) as n`,
      [],
    )
    await query(`vacuum analyze "${prefix}_holds", "${prefix}_budgets"`, [])
  },
}

/** Removes what a block has added, where it would stay: small numbers of records stay small. */
const forgets = {
  memory: () => {},
  async redis({ send, prefix }, ids) {
    if (ids.length) await send(['DEL', ...ids.map((id) => `${prefix}{${tenant}}::hold:${encodeURIComponent(id)}`)])
  },
  postgres: ({ query, prefix }, ids) => query(`delete from "${prefix}_holds" where id = any ($1)`, [ids]),
}

await measureGrowth('ledger', async (opened, records, engine) => {
  let ledger = opened.newLedger()
  await fills[engine](opened, ledger, records)
  const present = createPresent(Math.floor(records / 3))
  const user = () => userOf(present.one(), records)
  let made = 0
  let ids = []
  let subjects = []

  /** Some names that nobody has used yet. */
  async function begin(calls) {
    // In memory little that is over can be taken away, and a small one is soon filled anew.
    if (engine === 'memory' && records <= 1000) {
      ledger = opened.newLedger()
      await fills.memory(opened, ledger, records)
    }
    ids = Array.from({ length: calls }, () => `new ${made++}`)
    subjects = ids.map(user)
  }
  async function beginWithHolds(calls) {
    await begin(calls)
    await forEachUpTo(calls, (at) => ledger.reserve(hold(ids[at], subjects[at])))
  }
  async function end() {
    await forEachUpTo(ids.length, (at) => ledger.release(hold(ids[at], subjects[at])))
    await forgets[engine](opened, ids)
  }
  const sure = async (outcome) => {
    if (!(await outcome).ok) throw new Error('it should have been admitted')
  }

  return {
    reserve: { before: begin, run: (at) => sure(ledger.reserve(hold(ids[at], subjects[at]))), after: end },
    start: { before: beginWithHolds, run: (at) => ledger.start(hold(ids[at], subjects[at])), after: end },
    settle: { before: beginWithHolds, run: (at) => ledger.settle(hold(ids[at], subjects[at]), 2), after: end },
    release: { before: beginWithHolds, run: (at) => ledger.release(hold(ids[at], subjects[at])), after: end },
    spend: { run: () => sure(ledger.spend(spending(user()))) },
    'spend, refused': { run: () => ledger.spend({ ...spending(user()), amount: 1e10 }) },
    'spend, a new window': { before: begin, run: (at) => sure(ledger.spend(spending(`agent:${ids[at]}`))) },
    read: { run: () => ledger.read(linesOf(user())[1], { tenant }) },
    'read, the tenant': { run: () => ledger.read(linesOf('')[0], { tenant }) },
    holds: {
      async run() {
        if ((await ledger.holds(user(), { tenant })).length < EACH / 2) throw new Error('it found too few')
      },
    },
  }
})
