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
export { memoryStore } from './memory.js'
