import { described, func, object, optional, text } from '../../protocol/shape.js'
import { validate } from '../../protocol/validate.js'
import { StoreError } from '../contract.js'
import { faultOfPostgres, toStoreError } from '../faults.js'

/** Runs one statement with `$1` parameters. A `pg` client, pool or transaction fits. */
export type Query = (text: string, parameters: unknown[]) => Promise<{ rows: unknown[] }>

export interface PostgresStoreOptions {
  /** `(text, parameters) => pool.query(text, parameters)` */
  query: Query
  /**
   * Runs `work` between `begin` and `commit` on one connection, rolls back if it rejects, and resolves to its result:
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
   * With `pg`, listen for errors on the pool and on each client: `pool.on('connect', (client) => client.on('error', …))`.
   * Without a listener, a connection error ends the process.
   */
  transaction<Result>(work: (query: Query) => Promise<Result>): Promise<Result>
  /** The prefix of the table names; letters, digits and `_`. Default `sallyport`. */
  prefix?: string
}

export const postgresOptions = object<PostgresStoreOptions>({
  query: described('a function (text, parameters)', func),
  transaction: described('a function (work)', func),
  prefix: optional(text),
})

/** @throws TypeError naming the option */
export function validatePostgresOptions(engine: string, options: PostgresStoreOptions) {
  validate(engine, postgresOptions, options)
  const { query, transaction, prefix = 'sallyport' } = options
  if (!/^[A-Za-z_]\w{0,40}$/.test(prefix)) throw new TypeError(`${engine}: "prefix" must be letters, digits and _`)
  return { query, transaction, prefix }
}

/** Turns what the driver throws into a StoreError. */
export async function withStoreErrors<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof StoreError) throw error
    // undefined_table, undefined_column, undefined_function
    const { code } = (error ?? {}) as { code?: unknown }
    if (code === '42P01' || code === '42703' || code === '42883') throw new StoreError('store_not_migrated', error)
    throw toStoreError(error, faultOfPostgres(error))
  }
}

/** A lock for one transaction at a time, until it ends. */
export const lockOf = (name: string): string => `pg_advisory_xact_lock(hashtextextended(${name}, 20261124))`

const LOCK = `select ${lockOf('$1')}, current_setting('transaction_isolation') as level`
const READ_COMMITTED = 'read committed'
/**
 * serialization_failure: it does not occur at READ COMMITTED. Our functions and locks raise it if the level is another
 * one.
 */
const SERIALIZATION = '40001'

/**
 * Runs statements that must see, after waiting for a lock, what was committed meanwhile: only READ COMMITTED does. If a
 * connection starts with another level, each transaction sets the level from then on.
 */
export function atReadCommitted({ query, transaction }: Pick<PostgresStoreOptions, 'query' | 'transaction'>) {
  let mustSetLevel = false

  const settingLevel = <Result>(work: (run: Query) => Promise<Result>): Promise<Result> =>
    transaction(async (run) => {
      await run(`set transaction isolation level ${READ_COMMITTED}`, [])
      return work(run)
    })

  async function withRightLevel<Result>(plain: () => Promise<Result>, work: (run: Query) => Promise<Result>) {
    if (mustSetLevel) return settingLevel(work)
    try {
      return await plain()
    } catch (error) {
      if ((error as { code?: unknown } | undefined)?.code !== SERIALIZATION) throw error
      const result = await settingLevel(work)
      mustSetLevel = true
      return result
    }
  }

  return {
    one: (text: string, parameters: unknown[]) =>
      withRightLevel(
        () => query(text, parameters),
        (run) => run(text, parameters),
      ),
    /** A transaction that holds the lock of a name. */
    locked<Result>(name: string, work: (run: Query) => Promise<Result>): Promise<Result> {
      const alone = async (run: Query) => {
        const { rows } = await run(LOCK, [name])
        const [{ level } = { level: undefined }] = rows as { level?: unknown }[]
        if (level === READ_COMMITTED) return work(run)
        throw Object.assign(new Error(`the isolation level is ${level}`), { code: SERIALIZATION })
      }
      return withRightLevel(() => transaction(alone), alone)
    },
  }
}
