import { isLaterFormat } from '../../protocol/format.js'
import { StoreError } from '../contract.js'
import type { Query } from './sender.js'

/** The version of tables and functions, see `protocol/format.ts`. 0.1.0 did not store it. */
const FORMAT = 1

/** Milliseconds. Creating an index waits for writers, and all later writers wait for it. */
const LOCK_TIMEOUT = 3000

/** A statement, or an index to create if it does not exist: `if not exists` would wait for writers before it looks. */
export type MigrationStep = string | { readonly index: string; readonly on: string }

/**
 * Runs the statements that create tables and functions, unless a later release has created them. Then they stay: an
 * older function would not match newer tables.
 *
 * @throws StoreError `store_format_unknown`
 */
export async function migrateTo(
  run: Query,
  prefix: string,
  part: 'records' | 'ledger',
  steps: readonly MigrationStep[],
) {
  const formats = `"${prefix}_formats"`
  await run(`create table if not exists ${formats} (part text primary key, format int not null)`, [])
  const { rows } = await run(`select format from ${formats} where part = $1`, [part])
  const [found] = rows as { format: number }[]
  if (found && isLaterFormat(Number(found.format), FORMAT)) throw new StoreError('store_format_unknown')
  await run("select set_config('lock_timeout', $1, true)", [`${LOCK_TIMEOUT}`])
  for (const step of steps)
    if (typeof step === 'string') await run(step, [])
    else if (!(await indexExists(run, step.index))) await run(`create index ${step.index} on ${step.on}`, [])
  await run(
    `insert into ${formats} (part, format) values ($1, $2) on conflict (part) do update set format = excluded.format`,
    [part, FORMAT],
  )
}

async function indexExists(run: Query, index: string): Promise<boolean> {
  const { rows } = await run('select to_regclass($1) is not null as there', [index])
  return (rows as { there: boolean }[])[0]?.there === true
}
