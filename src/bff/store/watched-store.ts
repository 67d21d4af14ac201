import { withTimeout } from '../../protocol/timeout.js'
import { type RecordStore, StoreError } from '../../store/contract.js'
import { faultCode } from '../../store/faults.js'
import { warningsOf, warnOnce } from '../../store/warnings.js'
import type { Emit } from '../events.js'

/** Seconds that a store has to answer: a client that queues commands while it reconnects would keep people waiting. */
const STORE_TIMEOUT = 2
/** Consecutive faults of the connection after which it is left alone, and for how many seconds. */
const MAX_FAILURES = 3
const PAUSE = 1

export interface WatchedStore extends RecordStore {
  /** It has failed several times in a row and is not asked for a moment: nothing here can be answered now. */
  lost(): boolean
}

/**
 * Bounds what an outage of the store costs: every call ends in time, and after some failures at once, for a moment. What a
 * store answers with an error is that call's alone, and something for the operator to look at: whoever could provoke it would
 * otherwise shut out everybody.
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
      // Misuse says nothing about the store.
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

const timedOut = Symbol('late')
