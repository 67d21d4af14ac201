import { validateArguments } from '../../protocol/validate.js'
import { type Change, type Put, type RecordId, type RecordStore, StoreError } from '../contract.js'
import { pageLimit, readCursor, storeCalls, validateChanges, writeCursor } from '../validate.js'
import { createEntries, now, WRITTEN_WITHIN } from './entries.js'
import { createRedisSender, escapeName, type RedisStoreOptions, type Script } from './sender.js'

/**
 * Records in Redis 6.2 or later, Valkey, or a cluster of them, through the caller's own client. A partition is a hash tag,
 * so a write is one script on one node. Times follow the server's clock.
 *
 * Index entries lie elsewhere. One that has outlived a record that never expires is removed when entries are written to the same index
 * value, or listed, an hour later or more, a few at a time; where neither happens any more, it stays.
 *
 * Needed of the server: `maxmemory-policy noeviction`, which `warnings()` looks at, on one node; and `appendonly yes` if sessions are
 * to outlive its restart (`appendfsync always` if not one write may be lost), which nobody looks at.
 */
export function redisStore(options: RedisStoreOptions): RecordStore {
  const { ask, run, tag, indexKey } = createRedisSender('redisStore', options)
  const keyOf = ({ partition, kind, id }: RecordId) => `${tag(partition)}:${escapeName(kind)}:${escapeName(id)}`

  const exists = async (id: RecordId) => Number(await ask(['EXISTS', keyOf(id)], keyOf(id))) > 0
  const entries = createEntries(run, exists)

  /** Resolves to when the oldest of its entries was written that may be taken for a leftover; 0 where there is none. */
  async function putIndexes({ id, ttl, index = [] }: Put): Promise<number> {
    const noted = await Promise.all(
      index.map((entry) => entries.add(indexKey(entry.index, entry.value), id, milliseconds(ttl))),
    )
    return oldest(noted)
  }

  return {
    async get(id) {
      validateArguments('store.get', storeCalls.get, id)
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
      validateChanges(changes)
      const keys = changes.map(({ id }) => keyOf(id))
      for (let turn = 0; turn < MAX_ATTEMPTS; turn++) {
        const noted: number[] = []
        for (const change of changes) if (change.type === 'put') noted.push(await putIndexes(change))
        const reply = await run(writeAll, keys, [oldest(noted), ...changes.flatMap(argumentsOf)])
        if (reply !== LATE) return reply === 1
      }
      throw new StoreError()
    },

    async list(index, value, page) {
      validateArguments('store.list', storeCalls.list, index, value, page)
      const { cursor, limit } = page ?? {}
      const size = pageLimit(limit)
      const from = cursor === undefined ? '-' : `(${writeCursor(readCursor(cursor))}`
      const ids = await entries.list(indexKey(index, value), from, size + 1)
      const last = ids[size - 1]
      return { ids: ids.slice(0, size), ...(ids.length > size && last && { cursor: writeCursor(last) }) }
    },

    async consume(id, ttl) {
      validateArguments('store.consume', storeCalls.consume, id, ttl)
      return (await run(consumeOnce, [keyOf(id)], [freshVersion(), milliseconds(ttl)])) === 1
    },

    async warnings() {
      const policy = await evictionPolicy(ask, tag('server'))
      return policy === undefined || policy === 'noeviction' ? [] : [evicts(policy)]
    },
  }
}

/** Entries that are written anew because the record came too long after them. */
const MAX_ATTEMPTS = 3
const LATE = -1
function oldest(noted: readonly number[]): number {
  const there = noted.filter(Boolean)
  return there.length ? Math.min(...there) : 0
}

/**
 * A record is `<version> <value>`. The version is chosen by the writer, at random: no counter is needed, a deleted
 * record that comes back has another one, and a command that a client sends twice after a lost connection finds its own
 * version there and is not refused.
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
  if now - ARGV[1] > ${WRITTEN_WITHIN} then return ${LATE} end
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
