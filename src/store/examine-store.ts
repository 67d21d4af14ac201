import { having } from '../protocol/shape.js'
import type { RecordStore } from './contract.js'
import type { Ledger } from './ledger.js'

const usual = 'memoryStore() for one process, redisStore(…) or postgresStore(…) for all'

/** @throws TypeError naming the option */
export function examineStore(maker: string, store: { get?: unknown } | undefined, remedy = usual): void {
  if (typeof store?.get !== 'function') throw new TypeError(`${maker}: "store" is missing: ${remedy}`)
}

export const storeCheck = having<RecordStore>(usual, 'get', 'write', 'list', 'consume')
export const ledgerCheck = having<Ledger>(
  'memoryLedger() for one process, redisLedger(…) or postgresLedger(…) for all',
  'reserve',
  'spend',
  'start',
  'settle',
  'release',
  'read',
  'holds',
)
