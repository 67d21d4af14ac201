import type { RecordId } from '../contract.js'
import { writeCursor } from '../validate.js'
import type { createRedisSender, Script } from './sender.js'

/**
 * Milliseconds. An entry is written before its record, which is on another node. If the entry never expires, its record
 * must follow within the first time, or the entry is written again. An entry without a record that is older than the
 * second time is stale. The gap between both allows for clocks that differ between nodes.
 */
export const RECORD_DEADLINE = 300_000
const STALE_AFTER = 3_600_000
/** Entries that one call checks: more than it adds, so that stale entries become fewer. */
const CHECKED_PER_CALL = 2

/** Entries of indexes. `exists` checks for a record. */
export function createEntries(
  run: ReturnType<typeof createRedisSender>['run'],
  exists: (id: RecordId) => Promise<boolean>,
) {
  const keysOf = (key: string): string[] => [key, `${key}:until`, `${key}:since`]

  /** Runs in the background; what fails is tried again by a later call. */
  function removeStale(key: string, old: readonly string[]): void {
    const look = async (member: string, since: string) =>
      run(settleEntry, keysOf(key), [member, since, (await exists(idOf(member))) ? 1 : 0])
    for (let at = 0; at < old.length; at += 2) look(old[at] ?? '', old[at + 1] ?? '').catch(() => {})
  }

  return {
    /**
     * `ttl` in milliseconds, 0: never expires. Resolves to the time of the write, by the node's clock; 0 if the entry
     * expires.
     */
    async add(key: string, id: RecordId, ttl: number): Promise<number> {
      const [since, ...old] = ((await run(addEntry, keysOf(key), [writeCursor(id), ttl])) as unknown[]).map(String)
      removeStale(key, old)
      return Number(since)
    },

    async list(key: string, from: string, limit: number): Promise<RecordId[]> {
      const [members = [], old = []] = (await run(listEntries, keysOf(key), [from, limit])) as unknown[][]
      removeStale(key, old.map(String))
      return members.map((member) => idOf(`${member}`))
    },
  }
}

function idOf(member: string): RecordId {
  const [partition = '', kind = '', id = ''] = JSON.parse(member) as string[]
  return { partition, kind, id }
}

export const now = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`
const old = `redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now - ${STALE_AFTER}, 'WITHSCORES', 'LIMIT', 0, ${CHECKED_PER_CALL})`
/** The sets expire with their last member, if all members expire. */
const ending = `local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
if last and last ~= 'inf' then
  local at = string.format('%.0f', last)
  redis.call('PEXPIREAT', KEYS[1], at)
  redis.call('PEXPIREAT', KEYS[2], at)
end`

/**
 * Three sorted sets: the members in an order that no write changes, their expiry, and, for those that never expire,
 * when they were last confirmed.
 */
const addEntry: Script = {
  text: `${now}
local forever = ARGV[2] == '0'
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('ZADD', KEYS[2], 'GT', forever and '+inf' or string.format('%.0f', now + ARGV[2]), ARGV[1])
local since = 0
if redis.call('ZSCORE', KEYS[2], ARGV[1]) == 'inf' then
  since = now
  redis.call('ZADD', KEYS[3], since, ARGV[1])
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
end
${ending}
return {since, unpack(${old})}`,
}

/** 0.2.0 wrote no times for entries that never expire: they start now. */
const listEntries: Script = {
  text: `${now}
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)
if #over > 0 then
  redis.call('ZREM', KEYS[1], unpack(over))
  redis.call('ZREM', KEYS[2], unpack(over))
end
local from = ARGV[1]
local found = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, ARGV[2])
if redis.call('ZCOUNT', KEYS[2], '+inf', '+inf') > redis.call('ZCARD', KEYS[3]) then
  for _, member in ipairs(found) do
    if redis.call('ZSCORE', KEYS[2], member) == 'inf' then redis.call('ZADD', KEYS[3], 'NX', now, member) end
  end
end
return {found, ${old}}`,
}

/**
 * Removes an entry without a record, unless it was written again meanwhile. An entry with a record is checked again
 * later.
 */
const settleEntry: Script = {
  text: `${now}
if redis.call('ZSCORE', KEYS[3], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] == '1' then
  redis.call('ZADD', KEYS[3], now, ARGV[1])
  return 0
end
for i = 1, 3 do redis.call('ZREM', KEYS[i], ARGV[1]) end
${ending}
return 1`,
}
