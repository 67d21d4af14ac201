import type { BudgetLine, Hold } from 'sallyport/store'
import { postgresUrl } from '../services/postgres.js'
import { answering } from '../services/script.js'
import { openPostgres, openRedis } from '../services/stores.js'
import type { KeysProcessOptions } from './keys-process.js'

/** What is to happen to one reservation. */
export interface Task {
  id: string
  tenant: string
  lines: BudgetLine[]
  amount: number
  ttl: number
  fate: 'settle' | 'settle-twice' | 'settle-late' | 'release' | 'release-and-settle' | 'abandon' | 'start-and-abandon'
  /** Taken over from a process that was killed in the middle of it: nobody knows how far it came. */
  again?: true
  actual: number
}

/** What it has cost in the end, as the process knows it; `undefined`: it was not admitted. */
export interface Outcome {
  cost: number | undefined
  overrun: number
}

const { engine, port }: KeysProcessOptions = JSON.parse(process.argv[2] ?? '{}')
const { ledger } = engine === 'redis' ? await openRedis(port) : await openPostgres(postgresUrl(port))
const sleep = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

async function settled(hold: Hold, actual: number): Promise<Outcome> {
  return { cost: actual, overrun: (await ledger.settle(hold, actual)).overrun }
}

async function run({ fate, actual, again, ...reservation }: Task): Promise<Outcome> {
  const hold: Hold = reservation
  try {
    const answer = await ledger.reserve(reservation)
    if (!answer.ok) return { cost: undefined, overrun: 0 }
  } catch (error) {
    if (!again || (error as { code?: string }).code !== 'hold_ended') throw error
    // Reserved by the process that is gone, and over by now: a late cost counts all the same.
    return fate === 'release' || fate === 'abandon' ? { cost: 0, overrun: 0 } : settled(hold, actual)
  }
  switch (fate) {
    case 'settle':
      await ledger.start(hold)
      return settled(hold, actual)
    case 'settle-twice': {
      const [first] = await Promise.all([settled(hold, actual), settled(hold, actual), ledger.release(hold)])
      return first
    }
    case 'settle-late':
      await ledger.start(hold)
      await sleep(reservation.ttl + 0.1)
      return settled(hold, actual)
    case 'release':
      await ledger.release(hold)
      return { cost: 0, overrun: 0 }
    case 'release-and-settle':
      await ledger.release(hold)
      return settled(hold, actual)
    case 'abandon':
      return { cost: 0, overrun: 0 }
    case 'start-and-abandon':
      return { cost: (await ledger.start(hold)) ? reservation.amount : 0, overrun: 0 }
  }
}

answering({ run })
