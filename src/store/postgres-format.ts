import { isLaterFormat } from '../protocol/format.js'
import { StoreError } from './contract.js'
import type { Query } from './postgres-sender.js'

/** The form of tables and functions, see `protocol/format.ts`. 0.1.0 wrote it nowhere. */
const FORMAT = 1

/**
 * Runs the statements that make tables and functions, unless a later release has made them: then they stay, since an older
 * function in the place of a newer one would not fit its tables.
 *
 * @throws StoreError `store_format_unknown`
 */
export async function migrateTo(run: Query, prefix: string, part: 'records' | 'ledger', statements: readonly string[]) {
  const formats = `"${prefix}_formats"`
  await run(`create table if not exists ${formats} (part text primary key, format int not null)`, [])
  const { rows } = await run(`select format from ${formats} where part = $1`, [part])
  const [found] = rows as { format: number }[]
  if (found && isLaterFormat(Number(found.format), FORMAT)) throw new StoreError('store_format_unknown')
  for (const statement of statements) await run(statement, [])
  await run(
    `insert into ${formats} (part, format) values ($1, $2) on conflict (part) do update set format = excluded.format`,
    [part, FORMAT],
  )
}
