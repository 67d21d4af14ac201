import type { BudgetWindow } from '../store/ledger.js'

/** Events of keys, for logs, metrics and alarms. They contain public ids, never a key. */
export type KeyEvent =
  | { type: 'key_created'; id: string; tenant: string; owner: string }
  | { type: 'key_rotated'; id: string; replacedBy: string; tenant: string }
  | { type: 'key_revoked'; id: string; tenant: string; reason: string }
  | { type: 'key_refused'; id?: string; tenant?: string; detail: string }
  | { type: 'key_anomaly'; id: string; tenant: string; kind: 'burst' | 'new_network' }
  | { type: 'key_over_quota'; id: string; tenant: string; window: BudgetWindow }
  | { type: 'key_use_unrecorded'; id: string }
  /** Once per process: the configuration of the store's server can lose acknowledged writes, revocations included. */
  | { type: 'store_warning'; detail: string }
