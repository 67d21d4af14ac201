import { validated } from '../../protocol/validate.js'
import { type Change, type Put, type RecordId, type RecordStore, StoreError } from '../contract.js'
import { pageLimit, readCursor, storeCalls, writeCursor } from '../validate.js'
import { createEntries, now, RECORD_DEADLINE } from './entries.js'
import { createRedisSender, escapeName, type RedisStoreOptions, type Script } from './sender.js'

/**
 * Records in Redis 6.2 or later, Valkey, or a cluster of them, through the caller's own client. A partition is a hash
 * tag, so a write is one script on one node. Uses the server's clock.
 *
 * Index entries are stored separately. A stale entry of a record that never expires is removed when entries of the same
 * index value are written or listed, an hour later or more, a few at a time. Without such calls it stays.
 *
 * The server needs `maxmemory-policy noeviction`, which `warnings()` checks on one node, and `appendonly yes` if
 * sessions must survive its restart (`appendfsync always` if no write may be lost), which is not checked.
 */
export function redisStore(options: RedisStoreOptions): RecordStore {
  const { ask, run, tag, indexKey } = createRedisSender('redisStore', options)
  const keyOf = ({ partition, kind, id }: RecordId) => `${tag(partition)}:${escapeName(kind)}:${escapeName(id)}`

  const exists = async (id: RecordId) => Number(await ask(['EXISTS', keyOf(id)], keyOf(id))) > 0
  const entries = createEntries(run, exists)

  /** Resolves to the time of the oldest entry that never expires; 0 if there is none. */
  async function putIndexes({ id, ttl, index = [] }: Put): Promise<number> {
    const noted = await Promise.all(
      index.map((entry) => entries.add(indexKey(entry.index, entry.value), id, milliseconds(ttl))),
    )
    return oldest(noted)
  }

  const store: RecordStore = {
    async get(id) {
      const key = keyOf(id)
      const reply = await ask(['GET', key], key)
      if (reply === null || reply === undefined) return undefined
      const text = `${reply}`
      const end = text.indexOf(' ')
      const version = Number(text.slice(0, end))
      // Not written by a store: returned unchanged, with a version that no write can match.
      if (end < 1 || !Number.isSafeInteger(version)) return { version: -1, value: text }
      return { version, value: text.slice(end + 1) }
    },

    async write(changes) {
      const keys = changes.map(({ id }) => keyOf(id))
      for (let turn = 0; turn < MAX_ATTEMPTS; turn++) {
        const noted: number[] = []
        for (const change of changes) if (change.type === 'put') noted.push(await putIndexes(change))
        const reply = await run(writeAll, keys, [oldest(noted), ...changes.flatMap(argumentsOf)])
        if (reply !== TOO_LATE) return reply === 1
      }
      throw new StoreError()
    },

    async list(index, value, { cursor, limit } = {}) {
      const size = pageLimit(limit)
      const from = cursor === undefined ? '-' : `(${writeCursor(readCursor(cursor))}`
      const ids = await entries.list(indexKey(index, value), from, size + 1)
      const last = ids[size - 1]
      return { ids: ids.slice(0, size), ...(ids.length > size && last && { cursor: writeCursor(last) }) }
    },

    async consume(id, ttl) {
      return (await run(consumeOnce, [keyOf(id)], [freshVersion(), milliseconds(ttl)])) === 1
    },

    async warnings() {
      const policy = await evictionPolicy(ask, tag('server'))
      return policy === undefined || policy === 'noeviction' ? [] : [evicts(policy)]
    },
  }
  return validated('store', store, storeCalls)
}

/** Attempts to write entries and record, if the record came too long after the entries. */
const MAX_ATTEMPTS = 3
const TOO_LATE = -1
function oldest(noted: readonly number[]): number {
  const there = noted.filter(Boolean)
  return there.length ? Math.min(...there) : 0
}

/**
 * A record is `<version> <value>`. The writer chooses the version at random. No counter is needed, and a record that
 * was deleted and put again has another version. If a client sends a command twice after a lost connection, the second
 * one finds its own version and is not refused.
 */
const writeAll: Script = {
  text: `local at = 2
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
if ARGV[1] ~= '0' then
  ${now}
  if now - ARGV[1] > ${RECORD_DEADLINE} then return ${TOO_LATE} end
end
at = 2
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
  `Redis has maxmemory-policy ${policy}: when memory is full, it removes sessions, which signs users out, and revocations, which makes revoked tokens valid again. Set noeviction.`

/** `undefined` if the server does not allow the question: many hosted servers refuse CONFIG. @throws StoreError */
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

/** 0: never expires. */
const milliseconds = (seconds: number | undefined): number =>
  seconds === undefined ? 0 : Math.max(1, Math.round(seconds * 1000))
