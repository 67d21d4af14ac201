import { examineArguments } from '../../protocol/examine.js'
import { type Change, type Put, type RecordId, type RecordStore, StoreError } from '../contract.js'
import { examineChanges, pageLimit, readCursor, storeCalls, writeCursor } from '../validate.js'
import { createRedisSender, escapeName, type RedisStoreOptions, type Script } from './sender.js'

/**
 * Records in Redis 6.2 or later, Valkey, or a cluster of them, through the caller's own client. A partition is a hash tag,
 * so a write is one script on one node. Times follow the server's clock.
 *
 * Needed of the server: `maxmemory-policy noeviction`, which `warnings()` looks at, on one node; and `appendonly yes` if sessions are
 * to outlive its restart (`appendfsync always` if not one write may be lost), which nobody looks at.
 */
export function redisStore(options: RedisStoreOptions): RecordStore {
  const { ask, run, tag, indexKey } = createRedisSender('redisStore', options)
  const keyOf = ({ partition, kind, id }: RecordId) => `${tag(partition)}:${escapeName(kind)}:${escapeName(id)}`

  async function putIndexes({ id, ttl, index = [] }: Put): Promise<void> {
    const member = writeCursor(id)
    await Promise.all(
      index.map(({ index: name, value }) => {
        const key = indexKey(name, value)
        return run(addEntry, [key, `${key}:until`], [member, milliseconds(ttl)])
      }),
    )
  }

  return {
    async get(id) {
      examineArguments('store.get', storeCalls.get, id)
      const key = keyOf(id)
      const reply = await ask(['GET', key], key)
      if (reply === null || reply === undefined) return undefined
      const text = `${reply}`
      const end = text.indexOf(' ')
      const version = Number(text.slice(0, end))
      // Not written by a store: handed on as it is, at a version that no write can match.
      if (end < 1 || !Number.isSafeInteger(version)) return { version: -1, value: text }
      return { version, value: text.slice(end + 1) }
    },

    async write(changes) {
      examineChanges(changes)
      for (const change of changes) if (change.type === 'put') await putIndexes(change)
      const keys = changes.map(({ id }) => keyOf(id))
      return (await run(writeAll, keys, changes.flatMap(argumentsOf))) === 1
    },

    async list(index, value, page) {
      examineArguments('store.list', storeCalls.list, index, value, page)
      const { cursor, limit } = page ?? {}
      const size = pageLimit(limit)
      const key = indexKey(index, value)
      const from = cursor === undefined ? '-' : `(${writeCursor(readCursor(cursor))}`
      const found = (await run(listEntries, [key, `${key}:until`], [from, size + 1])) as unknown[]
      const members = found.map(String)
      const last = members[size - 1]
      return {
        ids: members.slice(0, size).map((member) => {
          const [partition = '', kind = '', id = ''] = JSON.parse(member) as string[]
          return { partition, kind, id }
        }),
        ...(members.length > size && last !== undefined && { cursor: last }),
      }
    },

    async consume(id, ttl) {
      examineArguments('store.consume', storeCalls.consume, id, ttl)
      return (await run(consumeOnce, [keyOf(id)], [freshVersion(), milliseconds(ttl)])) === 1
    },

    async warnings() {
      const policy = await evictionPolicy(ask, tag('server'))
      return policy === undefined || policy === 'noeviction' ? [] : [evicts(policy)]
    },
  }
}

/**
 * A record is `<version> <value>`. The version is chosen by the writer, at random: no counter is needed, a deleted
 * record that comes back has another one, and a command that a client sends twice after a lost connection finds its own
 * version there and is not refused.
 */
const writeAll: Script = {
  text: `local at = 1
for i = 1, #KEYS do
  local op, wanted, new = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local held = redis.call('GET', KEYS[i])
  local version = held and string.match(held, '^(%d+) ')
  if op == 'put' and version == new then return 1 end
  if wanted == 'absent' then
    if held then return 0 end
  elseif wanted ~= 'any' and version ~= wanted then
    return 0
  end
  at = at + 5
end
at = 1
for i = 1, #KEYS do
  local op, new, value, ttl = ARGV[at], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  if op == 'put' then
    if ttl == '0' then redis.call('SET', KEYS[i], new .. ' ' .. value)
    else redis.call('SET', KEYS[i], new .. ' ' .. value, 'PX', ttl) end
  elseif op == 'delete' then
    redis.call('DEL', KEYS[i])
  end
  at = at + 5
end
return 1`,
}

/** Two sorted sets: the members in an order that no write changes, and when each is over. */
const addEntry: Script = {
  text: `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local forever = ARGV[2] == '0'
redis.call('ZADD', KEYS[1], 0, ARGV[1])
redis.call('ZADD', KEYS[2], 'GT', forever and '+inf' or string.format('%.0f', now + ARGV[2]), ARGV[1])
if forever then
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
else
  local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')[2]
  if last ~= 'inf' then
    local at = string.format('%.0f', last)
    redis.call('PEXPIREAT', KEYS[1], at)
    redis.call('PEXPIREAT', KEYS[2], at)
  end
end
return 1`,
}

const listEntries: Script = {
  text: `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)
if #over > 0 then
  redis.call('ZREM', KEYS[1], unpack(over))
  redis.call('ZREM', KEYS[2], unpack(over))
end
local from = ARGV[1]
if from == '-' then
  return redis.call('ZRANGEBYLEX', KEYS[1], '-', '+', 'LIMIT', 0, ARGV[2])
end
return redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, ARGV[2])`,
}

const consumeOnce: Script = {
  text: `if redis.call('SET', KEYS[1], ARGV[1] .. ' ', 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] .. ' ' then return 1 end
return 0`,
}

function argumentsOf(change: Change): (string | number)[] {
  const { type, ifVersion } = change
  return type === 'put'
    ? [type, ifVersion, freshVersion(), change.value, milliseconds(change.ttl)]
    : [type, ifVersion, 0, '', 0]
}

const evicts = (policy: string): string =>
  `Redis has maxmemory-policy ${policy}: short of memory it removes sessions, which signs people out, and revocations, which undoes them. Set noeviction.`

/** `undefined` where the server lets nobody ask: many that are rented refuse CONFIG. @throws StoreError */
async function evictionPolicy(ask: (args: string[], key: string) => Promise<unknown>, key: string) {
  for (const question of [
    ['INFO', 'memory'],
    ['CONFIG', 'GET', 'maxmemory-policy'],
  ])
    try {
      const reply = await ask(question, key)
      const text = typeof reply === 'string' || reply instanceof Uint8Array ? `${reply}` : JSON.stringify(reply)
      const [policy] = /\b(noeviction|(allkeys|volatile)-[a-z]+)\b/.exec(text) ?? []
      if (policy !== undefined) return policy
    } catch (error) {
      if (!(error instanceof StoreError) || error.code === 'store_unavailable') throw error
    }
  return undefined
}

/** 48 random bits. */
function freshVersion(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  return (high & 0xffff) * 2 ** 32 + low
}

/** 0 for ever. */
const milliseconds = (seconds: number | undefined): number =>
  seconds === undefined ? 0 : Math.max(1, Math.round(seconds * 1000))
