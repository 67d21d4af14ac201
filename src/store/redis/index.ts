export { isSallyportError } from '../errors.js'
export { redisLedger } from './ledger.js'
export type { RedisStoreOptions } from './sender.js'
export { redisStore } from './store.js'
