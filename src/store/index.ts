export {
  type Change,
  type IfVersion,
  type IndexEntry,
  type Page,
  type Put,
  type RecordId,
  type RecordStore,
  type Stored,
  StoreError,
  type StoreErrorCode,
} from './contract.js'
export { isSallyportError } from './errors.js'
export type {
  Balance,
  BudgetLine,
  BudgetWindow,
  Hold,
  Ledger,
  LedgerErrorCode,
  Reservation,
  Shortage,
  Spending,
} from './ledger.js'
export { memoryLedger } from './memory/ledger.js'
export { memoryStore } from './memory/store.js'
