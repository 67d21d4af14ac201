export type {
  Change,
  IfVersion,
  IndexEntry,
  Page,
  Put,
  RecordId,
  RecordStore,
  Stored,
  StoreErrorCode,
} from './contract.js'
export { StoreError } from './contract.js'
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
