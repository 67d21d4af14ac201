import type { BudgetLine } from 'sallyport/store'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { postgresUrl } from '../services/postgres.js'
import { type Remote, startRemote } from '../services/script.js'
import { type OpenStore, openPostgres, openRedis } from '../services/stores.js'
import type { KeysProcessOptions } from './keys-process.js'
import type { Outcome, Task } from './ledger-process.js'

const PROCESSES = 4
const IN_FLIGHT = 16
const full = process.env['FULL'] === '1'
const TASKS = full ? 8000 : 1200
const KILLS = full ? 12 : 3

const total = (subject: BudgetLine['subject'], limit: number): BudgetLine => ({ subject, window: 'total', limit })
const strict = [
  total('tenant:strict', TASKS * 4),
  ...[0, 1, 2, 3].map((at) => total(`agent:strict-${at}`, TASKS * 1.5)),
]
const loose = [total('tenant:loose', TASKS * 8), ...[0, 1].map((at) => total(`user:loose-${at}`, TASKS * 5))]

/** Numbers that look random and are the same in every run. */
function randomly(seed: number) {
  let state = seed
  return (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state % below
  }
}

/**
 * Half of them on lines that no cost can take above their limit: nobody settles more than was held, and nothing ends by itself
 * before it is settled. The others end by themselves, are settled late, or cost more than they said.
 */
function makeTasks(tenant: string): Task[] {
  const random = randomly(20_261_128)
  const fates = ['settle', 'settle-twice', 'release', 'release-and-settle'] as const
  const looseFates = [...fates, 'settle-late', 'abandon', 'start-and-abandon'] as const
  return Array.from({ length: TASKS }, (_, at): Task => {
    const amount = random(100)
    const common = { id: `${at}`, tenant, amount }
    if (at % 2)
      return {
        ...common,
        lines: [strict[0], strict[1 + random(4)]] as BudgetLine[],
        ttl: 600,
        // What was released and settled after all may go above a limit.
        fate: fates[random(3)] ?? 'settle',
        actual: random(amount + 1),
      }
    return {
      ...common,
      lines: [loose[0], loose[1 + random(2)]] as BudgetLine[],
      ttl: 0.2 + random(10) / 10,
      fate: looseFates[random(looseFates.length)] ?? 'settle',
      actual: random(150),
    }
  })
}

export function race(engine: 'redis' | 'postgres'): void {
  describe(`budgets in ${engine}, in ${PROCESSES} processes that are killed`, () => {
    let opened: OpenStore
    const processes: Promise<Remote>[] = []
    const options = (): KeysProcessOptions => ({ engine, port: inject(engine) })
    const start = () => startRemote('test/store/ledger-process.ts', options())

    beforeAll(async () => {
      if (engine === 'redis') opened = await openRedis(inject('redis'))
      else {
        const postgres = await openPostgres(postgresUrl(inject('postgres')))
        await postgres.ledger.migrate()
        opened = postgres
      }
      processes.push(...Array.from({ length: PROCESSES }, start))
      await Promise.all(processes)
    })
    afterAll(async () => {
      await Promise.all(processes.map(async (one) => (await one).kill()))
      await opened.close()
    })

    it('are never admitted above a limit, and come to what was spent', async () => {
      const tenant = `race ${crypto.randomUUID()}`
      const queue = makeTasks(tenant)
      const done: { task: Task; outcome: Outcome }[] = []
      let killed = 0
      let finished = false
      const read = async ({ subject, window, limit = 0 }: BudgetLine) => ({
        limit,
        ...(await opened.ledger.read({ subject, window }, { tenant })),
      })

      async function worker(at: number): Promise<void> {
        for (let task = queue.shift(); task; task = queue.shift())
          try {
            const process = await (processes[at] as Promise<Remote>)
            done.push({ task, outcome: await process.ask<Outcome>('run', task) })
          } catch (error) {
            // Killed, or no connection in time: how far it came is not known.
            if (!['killed', 'store_unavailable'].includes((error as Error).message)) throw error
            queue.push({ ...task, again: true })
          }
      }
      async function kill(): Promise<void> {
        for (; killed < KILLS; killed++) {
          while (done.length < ((killed + 0.5) / KILLS) * TASKS) await new Promise((resolve) => setTimeout(resolve, 5))
          const victim = await (processes[killed % PROCESSES] as Promise<Remote>)
          processes[killed % PROCESSES] = start()
          await victim.kill()
        }
      }
      async function watch(): Promise<number> {
        let looks = 0
        for (; !finished; looks++) {
          for (const one of await Promise.all(strict.map(read)))
            expect(one.committed + one.held).toBeLessThanOrEqual(one.limit)
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
        return looks
      }
      const watching = watch()
      await Promise.all([
        kill(),
        ...Array.from({ length: PROCESSES * IN_FLIGHT }, (_, at) => worker(at % PROCESSES)),
      ]).finally(() => {
        finished = true
      })
      // Those that were put back by a late kill.
      await Promise.all(Array.from({ length: IN_FLIGHT }, (_, at) => worker(at % PROCESSES)))
      const looks = await watching
      await new Promise((resolve) => setTimeout(resolve, 1500))

      expect(done).toHaveLength(TASKS)
      const admitted = done.filter(({ outcome }) => outcome.cost !== undefined)
      for (const line of [...strict, ...loose]) {
        const own = admitted.filter(({ task }) => task.lines.some(({ subject }) => subject === line.subject))
        const cost = own.reduce((sum, { outcome }) => sum + (outcome.cost ?? 0), 0)
        const overrun = own.reduce((sum, { outcome }) => sum + outcome.overrun, 0)
        const { committed, held, limit } = await read(line)
        expect({ line: line.subject, committed, held }).toEqual({ line: line.subject, committed: cost, held: 0 })
        expect(committed).toBeLessThanOrEqual(limit + overrun)
      }
      // The limits were felt: there was less to be had than was asked for.
      expect(done.length - admitted.length).toBeGreaterThan(TASKS / 10)
      const again = done.filter(({ task }) => task.again).length
      expect(again).toBeGreaterThan(0)
      console.log(
        `${engine}: ${TASKS} reservations, ${admitted.length} admitted, ${killed} kills, ${again} taken over, ${looks} looks at the strict lines`,
      )
    })
  })
}
