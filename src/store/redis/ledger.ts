import { validated } from '../../protocol/validate.js'
import { shortageOf, windowAt } from '../budget-windows.js'
import { StoreError } from '../contract.js'
import { type BudgetLine, HOLD_KEPT, type Hold, holdOf, type Ledger, ledgerError, type Shortage } from '../ledger.js'
import { ledgerCalls } from '../validate-ledger.js'
import { ledgerScripts } from './ledger-scripts.js'
import { createRedisSender, escapeName, type RedisStoreOptions } from './sender.js'

/** Holds that one call reads. */
const HOLDS_PER_CALL = 100

/**
 * Budgets in Redis 6.2 or later, Valkey, or a cluster of them, through the caller's own client: the same `send` as for
 * `redisStore`. Each call is one script on the node of its tenant, by the server's clock.
 *
 * If the server loses its data, budgets are lost: set `appendonly yes` at least, or use {@link postgresLedger} if money
 * is counted.
 */
export function redisLedger(options: RedisStoreOptions): Ledger {
  const { tag, ...sender } = createRedisSender('redisLedger', options)
  const scripts = ledgerScripts()

  async function run(...call: Parameters<typeof sender.run>): Promise<unknown> {
    const reply = await sender.run(...call)
    if (reply === null || reply === undefined) throw new StoreError('store_format_unknown')
    return reply
  }

  // The kind of a record is never empty, so keys of budgets differ from those of records.
  const holdKey = ({ tenant, id }: { tenant: string; id: string }) => `${tag(tenant)}::hold:${escapeName(id)}`
  /** The keys of a subject: the amounts of its windows, its holds by expiry, and the content of each hold. */
  const subjectKeys = (tenant: string, subject: string) => {
    const base = `${tag(tenant)}::budget:${escapeName(subject)}`
    return [base, `${base}:ends`, `${base}:holds`]
  }
  /**
   * The lines as arguments of the scripts: the subjects in order, and for each the number of windows, and each window
   * with its limit.
   */
  function described(tenant: string, lines: readonly BudgetLine[]) {
    const groups = [...groupBySubject(lines)]
    return {
      keys: groups.flatMap(([subject]) => subjectKeys(tenant, subject)),
      args: groups.flatMap(([, own]) => [own.length, ...own.flatMap(({ window, limit = '' }) => [window, limit])]),
      ordered: groups.flatMap(([, own]) => own),
    }
  }
  const shortage = (ordered: readonly BudgetLine[], [, at, left, now]: number[]): Shortage => {
    const line = ordered[(at ?? 1) - 1] as BudgetLine
    return shortageOf(line, left ?? 0, (now ?? 0) / 1000)
  }
  const numbers = (reply: unknown): number[] => (reply as unknown[]).map(Number)

  async function onHold(script: 'start' | 'settle' | 'release', hold: Hold, ...first: number[]): Promise<number[]> {
    const { keys, args } = described(hold.tenant, hold.lines)
    const reply = numbers(await run(scripts[script], [holdKey(hold), ...keys], [hold.id, ...first, ...args]))
    if (reply[0] === -1) throw ledgerError('hold_unknown')
    return reply
  }

  const ledger: Ledger = {
    async reserve(reservation) {
      const hold = holdOf(reservation)
      const { keys, args, ordered } = described(hold.tenant, hold.lines)
      const first = [hold.id, hold.amount, milliseconds(reservation.ttl), HOLD_KEPT * 1000, JSON.stringify(hold.lines)]
      const reply = numbers(await run(scripts.reserve, [holdKey(hold), ...keys], [...first, ...args]))
      if (reply[0] === -1) throw ledgerError('hold_ended')
      if (reply[0] === -2) throw ledgerError('hold_conflict')
      return reply[0] === 1 ? { ok: true, hold } : shortage(ordered, reply)
    },

    async spend(spending) {
      const { keys, args, ordered } = described(spending.tenant, spending.lines)
      const reply = numbers(await run(scripts.spend, keys, [spending.amount, ...args]))
      return reply[0] === 1 ? { ok: true } : shortage(ordered, reply)
    },

    async start(hold) {
      return (await onHold('start', hold))[0] === 1
    },

    async settle(hold, actual) {
      const [, overrun = 0] = await onHold('settle', hold, actual)
      return { overrun }
    },

    async release(hold) {
      await onHold('release', hold)
    },

    async read({ subject, window }, { tenant, at }) {
      const name = at === undefined ? '' : windowAt(window, at).name
      const reply = numbers(await run(scripts.read, subjectKeys(tenant, subject), [window, name]))
      const [committed = 0, held = 0, now = 0] = reply
      const { resetsAt } = windowAt(window, at ?? now / 1000)
      return { committed, held, ...(resetsAt !== undefined && { resetsAt }) }
    },

    async holds(subject, { tenant }) {
      const keys = subjectKeys(tenant, subject)
      const ids = ((await run(scripts.open, keys, [])) as unknown[]).map(String)
      const found: Hold[] = []
      for (let at = 0; at < ids.length; at += HOLDS_PER_CALL) {
        const some = ids.slice(at, at + HOLDS_PER_CALL)
        const keys = some.map((id) => holdKey({ tenant, id }))
        for (const [place, [amount, lines]] of ((await run(scripts.describe, keys, [])) as unknown[][]).entries())
          if (lines)
            found.push({ tenant, id: some[place] ?? '', lines: JSON.parse(`${lines}`), amount: Number(amount) })
      }
      return found
    },
  }
  return validated('ledger', ledger, ledgerCalls)
}

/** The lines by subject, in the order of the subjects: each group is stored together. */
function groupBySubject(lines: readonly BudgetLine[]): Map<string, BudgetLine[]> {
  const grouped = new Map<string, BudgetLine[]>()
  for (const line of lines) grouped.set(line.subject, [...(grouped.get(line.subject) ?? []), line])
  return grouped
}

const milliseconds = (seconds: number): number => Math.max(1, Math.round(seconds * 1000))
