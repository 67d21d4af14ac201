import { windowsKept } from '../budget-windows.js'
import { HOLD_KEPT, SETTLED_KEPT } from '../ledger.js'
import type { MigrationStep } from './format.js'
import { lockOf } from './sender.js'

/** Rows that are removed for each one that is added. */
const REMOVED_PER_ADDED = 2

/**
 * Tables and functions of the ledger. Each call is one function, so one round trip: a tenant is locked only while the
 * server works, never while a message travels. Each statement of a volatile function sees what was committed before it:
 * after the lock, that is everything.
 */
export function ledgerSchema(prefix: string): {
  name(operation: string): string
  statements: readonly MigrationStep[]
} {
  const budgets = `"${prefix}_budgets"`
  const holds = `"${prefix}_holds"`
  const name = (operation: string) => `"${prefix}_budget_${operation}"`
  const epoch = 'extract(epoch from clock_timestamp())'
  const utc = "clock_timestamp() at time zone 'UTC'"
  const month = `(extract(year from ${utc}) * 12 + extract(month from ${utc}) - 1)::bigint`
  const at = (letter: string) =>
    ({ m: `floor(${epoch} / 60)::bigint`, d: `floor(${epoch} / 86400)::bigint` })[letter] ?? month
  // The kind and number of a window, in the form of the index.
  const numbered = ['left(name, 1)', 'substr(name, 2)::bigint'] as const
  /** Removes a few rows of any tenant, without waiting for locks. */
  const removeSome = (table: string, which: string, order: string) =>
    `delete from ${table} where ctid = any (array(
       select ctid from ${table} where ${which} order by ${order} limit ${REMOVED_PER_ADDED} for update skip locked));`
  const forgotten = (kept: number) => `until <= moment - ${kept} * interval '1 second'`
  const isKept = `(state = 'open' or clock_timestamp() <
    until + case state when 'settled' then ${SETTLED_KEPT} else ${HOLD_KEPT} end * interval '1 second')`

  const fn = (operation: string, parameters: string, returns: string, variables: string, body: string) =>
    `create or replace function ${name(operation)}(${parameters}) returns ${returns} language plpgsql volatile as $$
     #variable_conflict use_column
     declare ${variables}
     begin ${body} end $$`
  const lines = 'p_subjects text[], p_kinds text[], p_limits bigint[]'
  const outcome = 'table(code int, line int, remaining bigint, instant float8)'
  const answer = (code: string, rest = '0, 0::bigint') =>
    `return query select ${code}, ${rest}, ${epoch}::float8; return;`
  const thisHold = 'tenant = p_tenant and id = p_id'
  const accounts = `tenant = p_tenant and budget.subject = given.subject and budget.name = given.name`
  const found = `select * into hold from ${holds} where ${thisHold} and ${isKept}; if not found then ${answer('-1')} end if;`

  return {
    name,
    statements: [
      `create table if not exists ${budgets} (tenant text collate "C", subject text collate "C", name text collate "C",
       committed bigint not null check (committed >= 0), held bigint not null check (held >= 0),
       primary key (tenant, subject, name))`,
      `create table if not exists ${holds} (tenant text collate "C", id text collate "C", amount bigint not null,
       until timestamptz not null, state text not null default 'open', started boolean not null default false,
       overrun bigint not null default 0, subjects text[] not null, windows text[] not null, lines text not null,
       primary key (tenant, id))`,
      { index: holds.replace(/"$/, '_until"'), on: `${holds} (tenant, state, until)` },
      { index: holds.replace(/"$/, '_over"'), on: `${holds} (state, until) where state <> 'open'` },
      {
        // `fastupdate = off`: otherwise every call would read the list of pending index entries.
        index: holds.replace(/"$/, '_subjects"'),
        on: `${holds} using gin (subjects) with (fastupdate = off) where state = 'open'`,
      },
      {
        index: budgets.replace(/"$/, '_windows"'),
        on: `${budgets} (${numbered[0]}, (${numbered[1]})) where name <> 't'`,
      },

      `create or replace function ${name('window')}(kind text) returns text language sql volatile as $$
       select case kind when 'minute' then 'm' || ${at('m')} when 'day' then 'd' || ${at('d')}
       when 'month' then 'o' || ${month} else 't' end $$`,

      // Locks the budgets of a tenant. Gives back holds that have expired; those that were started count in full.
      fn(
        'enter',
        'p_tenant text',
        'void',
        'moment timestamptz;',
        `if current_setting('transaction_isolation') <> 'read committed' then raise serialization_failure; end if;
         perform ${lockOf(`'${prefix} budgets ' || p_tenant`)};
         moment := clock_timestamp();
         with ended as (
           update ${holds} set state = 'ended' where tenant = p_tenant and state = 'open' and until <= moment
           returning amount, started, subjects, windows
         ), given as (
           select line.subject, line.name, sum(amount) as held, sum(case when started then amount else 0 end) as spent
           from ended, unnest(subjects, windows) as line(subject, name) group by line.subject, line.name
         )
         update ${budgets} as budget set held = budget.held - given.held, committed = budget.committed + given.spent
         from given where ${accounts};`,
      ),

      // Adds to windows. If any is new, removes some old windows that are no longer read.
      fn(
        'add',
        'p_tenant text, p_subjects text[], p_names text[], p_committed bigint, p_held bigint',
        'void',
        'fresh boolean; this_m bigint; this_d bigint; this_o bigint;',
        `with added as (
           insert into ${budgets} as budget (tenant, subject, name, committed, held)
           select p_tenant, given.subject, given.name, p_committed, p_held
           from unnest(p_subjects, p_names) as given(subject, name)
           on conflict (tenant, subject, name) do update
           set committed = budget.committed + excluded.committed, held = budget.held + excluded.held
           returning xmax = 0 as new
         ) select bool_or(new) into fresh from added;
         if fresh then
           ${Object.entries(windowsKept)
             .map(([letter, kept]) => {
               const [kind, number] = numbered
               const which = `name <> 't' and ${kind} = '${letter}' and ${number} <= this_${letter} - ${kept} and held = 0`
               return `this_${letter} := ${at(letter)}; ${removeSome(budgets, which, number)}`
             })
             .join('\n')}
         end if;`,
      ),

      // Returns the names of the windows, or, of the lines without room for the amount, the one that lasts longest.
      fn(
        'admit',
        `p_tenant text, p_amount bigint, ${lines}`,
        'table(names text[], line int, remaining bigint)',
        'own text[] := array[]::text[]; room bigint; rank int; short int := 0; worst int := 0; least bigint;',
        `for i in 1 .. cardinality(p_subjects) loop
           own := own || ${name('window')}(p_kinds[i]);
           room := p_limits[i] - coalesce((select committed + held from ${budgets}
             where tenant = p_tenant and subject = p_subjects[i] and name = own[i]), 0);
           rank := array_position(array['minute', 'day', 'month', 'total'], p_kinds[i]);
           if p_amount > room and (rank > worst or (rank = worst and room < least)) then
             short := i; worst := rank; least := room;
           end if;
         end loop;
         if short > 0 then return query select null::text[], short, least; return; end if;
         return query select own, 0, 0::bigint;`,
      ),

      fn(
        'reserve',
        `p_tenant text, p_id text, p_amount bigint, p_ttl float8, p_lines text, ${lines}`,
        outcome,
        'known record; room record; moment timestamptz := clock_timestamp();',
        `perform ${name('enter')}(p_tenant);
         delete from ${holds} where ${thisHold} and not ${isKept};
         select * into known from ${holds} where ${thisHold};
         if found then
           if known.state <> 'open' then ${answer('-1')} end if;
           if known.amount <> p_amount or known.lines <> p_lines then ${answer('-2')} end if;
           ${answer('1')}
         end if;
         select * into room from ${name('admit')}(p_tenant, p_amount, p_subjects, p_kinds, p_limits);
         if room.names is null then ${answer('0', 'room.line, room.remaining')} end if;
         perform ${name('add')}(p_tenant, p_subjects, room.names, 0, p_amount);
         insert into ${holds} (tenant, id, amount, until, subjects, windows, lines) values (p_tenant, p_id, p_amount,
           clock_timestamp() + p_ttl * interval '1 second', p_subjects, room.names, p_lines);
         ${['settled', 'released', 'ended']
           .map((state) => {
             const kept = state === 'settled' ? SETTLED_KEPT : HOLD_KEPT
             return removeSome(holds, `state = '${state}' and ${forgotten(kept)}`, 'until')
           })
           .join('\n')}
         ${answer('1')}`,
      ),

      fn(
        'spend',
        `p_tenant text, p_amount bigint, ${lines}`,
        outcome,
        'room record;',
        `perform ${name('enter')}(p_tenant);
         select * into room from ${name('admit')}(p_tenant, p_amount, p_subjects, p_kinds, p_limits);
         if room.names is null then ${answer('0', 'room.line, room.remaining')} end if;
         perform ${name('add')}(p_tenant, p_subjects, room.names, p_amount, 0);
         ${answer('1')}`,
      ),

      fn(
        'start',
        'p_tenant text, p_id text',
        outcome,
        'hold record;',
        `perform ${name('enter')}(p_tenant);
         ${found}
         if hold.state <> 'open' then ${answer('0')} end if;
         update ${holds} set started = true where ${thisHold};
         ${answer('1')}`,
      ),

      fn(
        'settle',
        'p_tenant text, p_id text, p_actual bigint, p_limits bigint[]',
        outcome,
        'hold record; given_back bigint := 0; charged bigint := 0; above bigint;',
        `perform ${name('enter')}(p_tenant);
         ${found}
         if hold.state = 'settled' then ${answer('1', '0, hold.overrun')} end if;
         if hold.state = 'open' then given_back := hold.amount; end if;
         if hold.state = 'ended' and hold.started then charged := hold.amount; end if;
         update ${budgets} as budget set committed = committed + p_actual - charged, held = held - given_back
         from unnest(hold.subjects, hold.windows) as given(subject, name) where ${accounts};
         select greatest(0, max(least(p_actual - given_back - charged, budget.committed + budget.held - given.most)))
         into above from unnest(hold.subjects, hold.windows, p_limits) as given(subject, name, most)
         join ${budgets} as budget on ${accounts} where given.most is not null;
         above := coalesce(above, 0);
         update ${holds} set state = 'settled', overrun = above, until = greatest(until, clock_timestamp()) where ${thisHold};
         ${answer('1', '0, above')}`,
      ),

      fn(
        'release',
        'p_tenant text, p_id text',
        outcome,
        'hold record;',
        `perform ${name('enter')}(p_tenant);
         ${found}
         if hold.state = 'open' then
           update ${budgets} as budget set held = held - hold.amount
           from unnest(hold.subjects, hold.windows) as given(subject, name) where ${accounts};
           update ${holds} set state = 'released' where ${thisHold};
         end if;
         ${answer('1')}`,
      ),

      fn(
        'read',
        'p_tenant text, p_subject text, p_kind text, p_name text',
        'table(committed bigint, held bigint, instant float8)',
        'wanted text;',
        `perform ${name('enter')}(p_tenant);
         wanted := coalesce(p_name, ${name('window')}(p_kind));
         return query select coalesce(sum(budget.committed), 0)::bigint, coalesce(sum(budget.held), 0)::bigint,
           ${epoch}::float8 from ${budgets} as budget
         where budget.tenant = p_tenant and budget.subject = p_subject and budget.name = wanted;`,
      ),

      fn(
        'open',
        'p_tenant text, p_subject text',
        'table(id text, amount bigint, lines text)',
        '',
        // By subject, even if the planner prefers the tenant before it has statistics.
        `perform ${name('enter')}(p_tenant);
         return query select held.id, held.amount, held.lines from ${holds} as held
         where held.subjects @> array[p_subject] and held.state = 'open' and not held.started
         and held.tenant || '' = p_tenant order by held.id;`,
      ),
    ],
  }
}
