export { isSallyportError } from '../errors.js'
export { type PostgresLedger, postgresLedger } from './ledger.js'
export type { PostgresStoreOptions, Query } from './sender.js'
export { type PostgresStore, postgresStore } from './store.js'
