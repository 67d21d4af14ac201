import { validated } from '../../protocol/validate.js'
import type { Change, Put, RecordId, RecordStore } from '../contract.js'
import { pageLimit, readCursor, storeCalls, writeCursor } from '../validate.js'
import { migrateTo } from './format.js'
import {
  atReadCommitted,
  lockOf,
  type PostgresStoreOptions,
  validatePostgresOptions,
  withStoreErrors,
} from './sender.js'

export interface PostgresStore extends RecordStore {
  /** Creates the tables, or upgrades them to this release. Safe to call at every start, by many processes at once. */
  migrate(): Promise<void>
  sweep(limit: number): Promise<number>
}

/**
 * Records in PostgreSQL 13 or later, through the caller's own client. Call `migrate()` once. Uses the server's clock.
 * Expired records are never read. They are removed a few at a time, in the background, after every hundred writes of
 * this process. `sweep(limit)` removes more at once.
 *
 * Writes need the isolation level READ COMMITTED, PostgreSQL's default. If connections start with another level, the
 * transactions set it.
 */
export function postgresStore(options: PostgresStoreOptions): PostgresStore {
  const { query, transaction, prefix } = validatePostgresOptions('postgresStore', options)
  const { one: ensured, locked } = atReadCommitted({ query, transaction })
  const records = `"${prefix}_records"`
  const entries = `"${prefix}_index"`
  const sql = statements(records, entries)

  const ask = (text: string, parameters: unknown[]) => withStoreErrors(async () => (await query(text, parameters)).rows)

  async function sweep(limit: number): Promise<number> {
    const removed = await ask(sql.sweep, [limit])
    await ask(sql.sweepEntries, [limit])
    return removed.length
  }
  const swept = sweepSometimes(sweep)

  const store: PostgresStore = {
    async get(id) {
      const [row] = (await ask(sql.get, keyOf(id))) as { value: string; version: string | number }[]
      return row && { value: row.value, version: Number(row.version) }
    },

    async write(changes) {
      // One writer at a time in a partition: an absent record cannot appear while the others are checked.
      const written = await withStoreErrors(() =>
        locked(changes[0]?.id.partition ?? '', async (run) => {
          const one = async (text: string, parameters: unknown[]) => (await run(text, parameters)).rows.length === 1
          for (const change of changes)
            if (change.ifVersion !== 'any' && !(await one(sql.isAt(change.ifVersion), holdsParameters(change))))
              return false
          for (const change of changes) {
            if (change.type === 'delete') await run(sql.remove, keyOf(change.id))
            if (change.type !== 'put') continue
            await run(sql.put, [...keyOf(change.id), change.value, change.ttl ?? null])
            for (const { index, value } of change.index ?? [])
              await run(sql.addEntry, [...(await entryOf(index, value)), ...keyOf(change.id), change.ttl ?? null])
          }
          return true
        }),
      )
      if (written) swept(changes.length)
      return written
    },

    async list(index, value, { cursor, limit } = {}) {
      const size = pageLimit(limit)
      const from = cursor === undefined ? ['', '', ''] : keyOf(readCursor(cursor))
      const rows = (await ask(sql.list, [...(await entryOf(index, value)), ...from, size + 1])) as RecordId[]
      const ids = rows.slice(0, size).map(({ partition, kind, id }) => ({ partition, kind, id }))
      const last = ids.at(-1)
      return { ids, ...(last && rows.length > size && { cursor: writeCursor(last) }) }
    },

    async consume(id, ttl) {
      const { rows } = await withStoreErrors(() => ensured(sql.consume, [...keyOf(id), ttl]))
      swept(1)
      return rows.length === 1
    },

    sweep,

    migrate: () =>
      withStoreErrors(() => locked(`${prefix} migrate`, (run) => migrateTo(run, prefix, 'records', sql.schema))),
  }
  return validated('store', store, storeCalls)
}

/** Records that are written between two sweeps. */
const WRITES_PER_SWEEP = 100

/**
 * Removes twice as many records as were written, in the background, one sweep at a time. A sweep that fails is tried
 * again with the next write.
 */
function sweepSometimes(sweep: (limit: number) => Promise<unknown>): (written: number) => void {
  let due = 0
  let sweeping = false
  return (written) => {
    due += written
    if (sweeping || due < WRITES_PER_SWEEP) return
    sweeping = true
    const limit = 2 * due
    due = 0
    sweep(limit)
      .catch(() => {})
      .finally(() => {
        sweeping = false
      })
  }
}

const keyOf = ({ partition, kind, id }: RecordId): string[] => [partition, kind, id]

/** The most bytes of an index and its value that fit into one row of a B-tree (2,704) next to the name of a record. */
const MAX_INDEXED_BYTES = 850

/** Index and value as they are stored; if they are too long, their digest under the empty name, which no index has. */
async function entryOf(index: string, value: string): Promise<[name: string, value: string]> {
  const encoder = new TextEncoder()
  if (encoder.encode(index + value).length <= MAX_INDEXED_BYTES) return [index, value]
  const digest = await crypto.subtle.digest('SHA-256', encoder.encode(JSON.stringify([index, value])))
  return ['', Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')]
}

const holdsParameters = ({ id, ifVersion }: Change): unknown[] =>
  ifVersion === 'absent' ? keyOf(id) : [...keyOf(id), ifVersion]

type Conditional = Exclude<Put['ifVersion'], 'any'>

/** Versions come from a sequence, so that a record that was deleted and put again has another version. */
function statements(records: string, entries: string) {
  const versions = records.replace(/_records"$/, '_versions"')
  const named = 'partition = $1 and kind = $2 and id = $3'
  const alive = '(expires is null or expires > clock_timestamp())'
  const expiry = (at: number) => `clock_timestamp() + $${at}::float8 * interval '1 second'`
  // A volatile function cannot use an index. An earlier time only removes fewer rows.
  const over = 'expires <= statement_timestamp()'
  const upsert = (values: string, from = '') =>
    `insert into ${records} as held (partition, kind, id, value, version, expires) select $1, $2, $3, ${values} ${from}
     on conflict (partition, kind, id) do update
     set value = excluded.value, version = excluded.version, expires = excluded.expires`
  return {
    get: `select value, version from ${records} where ${named} and ${alive}`,
    isAt: (version: Conditional) =>
      version === 'absent'
        ? `select 1 where not exists (select 1 from ${records} where ${named} and ${alive})`
        : `select 1 from ${records} where ${named} and version = $4 and ${alive}`,
    put: upsert(`$4, nextval('${versions}'), ${expiry(5)}`),
    remove: `with gone as (delete from ${records} where ${named}) delete from ${entries} where ${named}`,
    // Takes the lock of writers in the same statement: what they have written meanwhile is a conflict, visible or not.
    consume: `${upsert(`'', nextval('${versions}'), ${expiry(4)}`, `from (select ${lockOf('$1')}) as alone`)}
     where held.expires <= clock_timestamp() returning 1`,
    addEntry: `insert into ${entries} as held (name, value, partition, kind, id, expires)
     values ($1, $2, $3, $4, $5, ${expiry(6)})
     on conflict (name, value, partition, kind, id) do update
     set expires = case when held.expires is null or excluded.expires is null then null
     else greatest(held.expires, excluded.expires) end`,
    list: `select partition, kind, id from ${entries}
     where name = $1 and value = $2 and (partition, kind, id) > ($3, $4, $5) and ${alive}
     order by partition, kind, id limit $6`,
    sweep: `with gone as (
       delete from ${records} where ctid = any (array(
         select ctid from ${records} where ${over} order by expires limit $1 for update skip locked))
       returning partition, kind, id
     ), unlisted as (
       delete from ${entries} as entry using gone
       where entry.partition = gone.partition and entry.kind = gone.kind and entry.id = gone.id
     ) select 1 from gone`,
    sweepEntries: `delete from ${entries} where ctid = any (array(
       select ctid from ${entries} where ${over} order by expires limit $1 for update skip locked))`,
    schema: [
      `create sequence if not exists ${versions}`,
      `create table if not exists ${records} (partition text collate "C", kind text collate "C", id text collate "C",
       value text not null, version bigint not null, expires timestamptz, primary key (partition, kind, id))`,
      { index: records.replace(/"$/, '_expires"'), on: `${records} (expires)` },
      `create table if not exists ${entries} (name text collate "C", value text collate "C", partition text collate "C",
       kind text collate "C", id text collate "C", expires timestamptz, primary key (name, value, partition, kind, id))`,
      { index: entries.replace(/"$/, '_expires"'), on: `${entries} (expires)` },
      { index: entries.replace(/"$/, '_record"'), on: `${entries} (partition, kind, id)` },
    ],
  }
}
