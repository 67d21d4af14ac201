import { withTimeout } from '../../protocol/timeout.js'
import { type RecordStore, StoreError } from '../../store/contract.js'
import { faultCode } from '../../store/faults.js'
import { warningsOf, warnOnce } from '../../store/warnings.js'
import type { Emit } from '../events.js'

/** Seconds to wait for the store: some clients queue commands while they reconnect. */
const STORE_TIMEOUT = 2
/** After this number of consecutive connection failures, calls fail at once for some seconds. */
const MAX_FAILURES = 3
const PAUSE = 1

export interface WatchedStore extends RecordStore {
  /** The connection has failed several times in a row: calls fail at once for a moment. */
  lost(): boolean
}

/**
 * Limits the effect of an outage of the store: calls have a timeout, and after some connection failures they fail at once for a
 * moment. An error that the store answers fails that one call only, with an event. Otherwise anybody who can cause such an error
 * could stop sign-in for everybody.
 */
export function watchStore(store: RecordStore, { emit }: { emit: Emit }): WatchedStore {
  let failures = 0
  let restUntil = 0
  const lost = () => performance.now() < restUntil
  const checkWarnings = warnOnce(store, (detail) => emit({ type: 'store_warning', detail }))

  async function watched<Result>(work: () => Promise<Result>): Promise<Result> {
    if (lost()) throw new StoreError()
    checkWarnings()
    try {
      const result = await withTimeout(work(), STORE_TIMEOUT, timedOut)
      if (result === timedOut) throw new StoreError('store_unavailable', 'it took too long')
      failures = 0
      return result as Result
    } catch (error) {
      // Misuse is not a failure of the store.
      if (error instanceof TypeError) throw error
      const failure = error instanceof StoreError ? error : new StoreError('store_unavailable', error)
      if (failure.code !== 'store_unavailable') {
        failures = 0
        emit({ type: 'operator_error', detail: `${failure.message} (${faultCode(failure.cause)})` })
        throw failure
      }
      if (++failures === MAX_FAILURES) emit({ type: 'store_unavailable', detail: failure.message })
      if (failures >= MAX_FAILURES) restUntil = performance.now() + PAUSE * 1000
      throw failure
    }
  }

  return {
    lost,
    get: (id) => watched(() => store.get(id)),
    write: (changes) => watched(() => store.write(changes)),
    list: (index, value, page) => watched(() => store.list(index, value, page)),
    consume: (id, ttl) => watched(() => store.consume(id, ttl)),
    warnings: () => watched(() => warningsOf(store)),
    sweep: async (limit) => (store.sweep ? watched(async () => (await store.sweep?.(limit)) ?? 0) : 0),
  }
}

const timedOut = Symbol('timed out')
