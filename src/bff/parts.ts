import type { RecordStore } from '../store/contract.js'
import type { Provider } from './provider.js'
import type { Sessions } from './sessions.js'
import type { Settings } from './settings.js'
import type { Streams } from './streams.js'
import type { Transactions } from './transaction.js'

/** What the endpoints work with. */
export interface Parts {
  settings: Settings
  provider: Provider
  transactions: Transactions
  sessions: Sessions
  streams: Streams
  /** What must be known once: spent transactions, logout tokens. The session store, or this process's memory. */
  store: RecordStore
}
