import { func, object, optional, withMethods } from '../protocol/shape.js'
import type { Now } from '../protocol/time.js'
import type { RecordStore } from './contract.js'
import type { Ledger } from './ledger.js'

const usual = 'memoryStore() for one process, redisStore(…) or postgresStore(…) for all'

/** The options of the engines in memory. */
export interface MemoryOptions {
  /** The clock, epoch seconds. Default: the system's. */
  now?: Now
}

export const memoryOptions = object<MemoryOptions>({ now: optional(func) })

export const storeCheck = withMethods<RecordStore>(usual, 'get', 'write', 'list', 'consume')
export const ledgerCheck = withMethods<Ledger>(
  'memoryLedger() for one process, redisLedger(…) or postgresLedger(…) for all',
  'reserve',
  'spend',
  'start',
  'settle',
  'release',
  'read',
  'holds',
)
