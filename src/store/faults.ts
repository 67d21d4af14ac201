import { StoreError } from './contract.js'

/**
 * What a driver's error means to a caller. Two questions decide: does the server answer at all, and can the same call
 * succeed later? An error that is not known to be an answer counts as none.
 */
export interface Fault {
  readonly answered: boolean
  readonly retryable: boolean
}

export const toStoreError = (cause: unknown, { answered, retryable: later }: Fault): StoreError =>
  new StoreError(answered ? 'store_refused' : 'store_unavailable', cause, later)

const down: Fault = { answered: false, retryable: true }
const busy: Fault = { answered: true, retryable: true }
const permanent: Fault = { answered: true, retryable: false }

/**
 * By SQLSTATE. The server is down: class 08 except 08P01 (a wrong message), 28 and 3D (no access), 53300 (no connection
 * left), 57P (shutting down, starting), 58 (system error). The server refuses this call for now: 25006 (a standby), 40
 * (serialization, deadlock), 53, 55 (locked), 57014 (cancelled). Everything else is a fault of the call.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function faultOfPostgres(error: unknown): Fault {
  const { code } = (error ?? {}) as { code?: unknown }
  // Drivers and Node have other codes for a lost connection, in other forms.
  if (typeof code !== 'string' || !/^[\dA-Z]{5}$/.test(code) || /^E[A-Z]{4}$/.test(code)) return down
  if (/^(08(?!P01)|28|3D|53300|57P|58)/.test(code)) return down
  return /^(25006|40|53|55|57014)/.test(code) ? busy : permanent
}

/**
 * By the first word of an error reply. The server is down: LOADING, MASTERDOWN, CLUSTERDOWN, BUSY (a script that does
 * not end), NOAUTH, WRONGPASS, and no connection left. It reads but does not write: READONLY, OOM, MISCONF, NOREPLICAS;
 * TRYAGAIN: a slot is being moved. Other words are about the command. A text that starts with no such word did not come
 * from Redis.
 *
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
 */
export function faultOfRedis(error: unknown): Fault {
  const message = `${(error as Error | undefined)?.message}`
  const [word = ''] = /^[A-Z]+/.exec(message) ?? []
  if (/^(LOADING|MASTERDOWN|CLUSTERDOWN|BUSY|NOAUTH|WRONGPASS)$/.test(word)) return down
  if (/^(READONLY|OOM|MISCONF|NOREPLICAS|TRYAGAIN)$/.test(word)) return busy
  if (/^(ERR|WRONGTYPE|NOPERM|NOSCRIPT|CROSSSLOT|EXECABORT|MOVED|ASK)$/.test(word))
    return message.includes('max number of clients') ? down : permanent
  return down
}

/** The error code that an operator looks up; never the text, which may contain values. */
export function faultCode(cause: unknown): string {
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown }
  if (typeof code === 'string' && /^\w{2,20}$/.test(code)) return code
  return /^[A-Z]{3,20}\b/.exec(`${message}`)?.[0] ?? 'unknown'
}
