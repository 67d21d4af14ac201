import type { BudgetWindow } from '../store/ledger.js'

/** What happened to keys, for logs, metrics and alarms. Ids are public; a key is in none of these. */
export type KeyEvent =
  | { type: 'key_created'; id: string; tenant: string; owner: string }
  | { type: 'key_rotated'; id: string; replacedBy: string; tenant: string }
  | { type: 'key_revoked'; id: string; tenant: string; reason: string }
  | { type: 'key_refused'; id?: string; tenant?: string; detail: string }
  | { type: 'key_anomaly'; id: string; tenant: string; kind: 'burst' | 'new_network' }
  | { type: 'key_over_quota'; id: string; tenant: string; window: BudgetWindow }
  | { type: 'key_use_unrecorded'; id: string }
  /** Once per process: the store's server is set up to lose what it has acknowledged, revocations too. */
  | { type: 'store_warning'; detail: string }
