import { HOLD_KEPT } from './ledger.js'
import { windowsKept } from './windows.js'

/** `$1` is the tenant everywhere. Two arrays of one length, subjects and windows, name lines. */
export function ledgerStatements(prefix: string) {
  const budgets = `"${prefix}_budgets"`
  const holds = `"${prefix}_holds"`
  const seconds = (at: string) => `${at}::float8 * interval '1 second'`
  const epoch = 'extract(epoch from clock_timestamp())'
  const utc = "clock_timestamp() at time zone 'UTC'"
  const oldest = [
    `(name like 'm%' and substr(name, 2)::bigint <= floor(${epoch} / 60) - ${windowsKept.m})`,
    `(name like 'd%' and substr(name, 2)::bigint <= floor(${epoch} / 86400) - ${windowsKept.d})`,
    `(name like 'o%' and substr(name, 2)::bigint <=
      extract(year from ${utc}) * 12 + extract(month from ${utc}) - 1 - ${windowsKept.o})`,
  ].join(' or ')
  return {
    prune: `with ended as (
       update ${holds} set state = 'ended' where tenant = $1 and state = 'open' and until <= clock_timestamp()
       returning amount, started, subjects, windows
     ), given as (
       select line.subject, line.name, sum(amount) as held, sum(case when started then amount else 0 end) as committed
       from ended, unnest(subjects, windows) as line(subject, name) group by line.subject, line.name
     ), back as (
       update ${budgets} as budget set held = budget.held - given.held, committed = budget.committed + given.committed
       from given where tenant = $1 and budget.subject = given.subject and budget.name = given.name
     ), forgotten as (
       delete from ${holds} where tenant = $1 and state <> 'open'
       and until <= clock_timestamp() - ${seconds(`${HOLD_KEPT}`)}
     )
     select ${epoch} as now`,
    forget: `delete from ${budgets} where tenant = $1 and held = 0 and (${oldest})`,
    find: `select amount, started, state, overrun, subjects, windows from ${holds} where tenant = $1 and id = $2`,
    read: `select coalesce(committed, 0) as committed, coalesce(held, 0) as held
     from unnest($2::text[], $3::text[]) with ordinality as line(subject, name, at)
     left join ${budgets} as budget on tenant = $1 and budget.subject = line.subject and budget.name = line.name
     order by at`,
    add: `insert into ${budgets} as budget (tenant, subject, name, committed, held)
     select $1, subject, name, $4::bigint, $5::bigint from unnest($2::text[], $3::text[]) as line(subject, name)
     on conflict (tenant, subject, name) do update
     set committed = budget.committed + excluded.committed, held = budget.held + excluded.held
     returning xmax = 0 as fresh`,
    change: `update ${budgets} as budget set committed = committed + $4::bigint, held = held + $5::bigint
     from unnest($2::text[], $3::text[]) as line(subject, name)
     where tenant = $1 and budget.subject = line.subject and budget.name = line.name`,
    hold: `insert into ${holds} (tenant, id, amount, until, subjects, windows, lines)
     values ($1, $2, $3, clock_timestamp() + ${seconds('$4')}, $5, $6, $7)`,
    start: `update ${holds} set started = true where tenant = $1 and id = $2`,
    end: `update ${holds} set state = $3, overrun = $4 where tenant = $1 and id = $2`,
    open: `select id, amount, lines from ${holds}
     where tenant = $1 and state = 'open' and not started and $2 = any(subjects) order by id`,
    schema: [
      `create table if not exists ${budgets} (tenant text collate "C", subject text collate "C", name text collate "C",
       committed bigint not null check (committed >= 0), held bigint not null check (held >= 0), primary key (tenant, subject, name))`,
      `create table if not exists ${holds} (tenant text collate "C", id text collate "C", amount bigint not null,
       until timestamptz not null, state text not null default 'open', started boolean not null default false,
       overrun bigint not null default 0, subjects text[] not null, windows text[] not null, lines text not null,
       primary key (tenant, id))`,
      `create index if not exists ${holds.replace(/"$/, '_until"')} on ${holds} (tenant, state, until)`,
    ],
  }
}
