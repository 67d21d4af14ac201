import { examine } from '../protocol/examine.js'
import { called, func, object, optional, text } from '../protocol/shape.js'
import { StoreError } from './contract.js'
import { faultOfPostgres, storeFault } from './faults.js'

/** Runs one statement with `$1` parameters. A `pg` client, pool or transaction fits as it is. */
export type Query = (text: string, parameters: unknown[]) => Promise<{ rows: unknown[] }>

export interface PostgresStoreOptions {
  /** `(text, parameters) => pool.query(text, parameters)` */
  query: Query
  /**
   * Runs `work` between `begin` and `commit` on one connection, rolls back if it rejects, and resolves to what it
   * resolved to:
   *
   * ```
   * async (work) => {
   *   const client = await pool.connect()
   *   try {
   *     await client.query('begin')
   *     const result = await work((text, parameters) => client.query(text, parameters))
   *     await client.query('commit')
   *     client.release()
   *     return result
   *   } catch (error) {
   *     client.release(true) // closes the connection, which rolls back
   *     throw error
   *   }
   * }
   * ```
   *
   * With `pg`, listen for errors on the pool and on each client (`pool.on('connect', (client) => client.on('error', …))`):
   * a connection that breaks without a listener ends the process.
   */
  transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>
  /** What the tables' names begin with; letters, digits and `_`. Default `sallyport`. */
  prefix?: string
}

export const postgresOptions = object<PostgresStoreOptions>({
  query: called('a function (text, parameters)', func),
  transaction: called('a function (work)', func),
  prefix: optional(text),
})

/** @throws TypeError naming the option */
export function examinePostgres(engine: string, options: PostgresStoreOptions) {
  examine(engine, postgresOptions, options)
  const { query, transaction, prefix = 'sallyport' } = options
  if (!/^[A-Za-z_]\w{0,40}$/.test(prefix)) throw new TypeError(`${engine}: "prefix" must be letters, digits and _`)
  return { query, transaction, prefix }
}

/** Whatever the driver throws, as what it means to a caller. */
export async function outage<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StoreError) throw error
    // undefined_table, undefined_column, undefined_function
    const { code } = (error ?? {}) as { code?: unknown }
    if (code === '42P01' || code === '42703' || code === '42883') throw new StoreError('store_not_migrated', error)
    throw storeFault(error, faultOfPostgres(error))
  }
}

/** One at a time, until the transaction ends. */
export const LOCK = 'select pg_advisory_xact_lock(hashtextextended($1, 20261124))'
