// Many records in Redis at once, in the form in which the engines keep them: as calls they would take minutes.

const BATCH = 1000

async function inBatches(send, count, text, argsOf) {
  for (let from = 0; from < count; from += BATCH)
    await send(['EVAL', text, '0', ...argsOf(from, Math.min(count, from + BATCH)).map(String)])
}

/** Records of one value, under one index, without an end. */
export const fillStore = ({ send, prefix }, records, recordOf, value) =>
  inBatches(
    send,
    records,
    `local time = redis.call('TIME')
     local now = time[1] * 1000 + math.floor(time[2] / 1000)
     local index = ARGV[1] .. '{owner:everybody}:index'
     for at = 3, #ARGV do
       local id = ARGV[at]
       local member = '["' .. id .. '","bench","' .. id .. '"]'
       redis.call('SET', ARGV[1] .. '{' .. id .. '}:bench:' .. id, at .. ' ' .. ARGV[2])
       redis.call('ZADD', index, 0, member)
       redis.call('ZADD', index .. ':until', '+inf', member)
       redis.call('ZADD', index .. ':since', now, member)
     end`,
    (from, to) => [prefix, value, ...Array.from({ length: to - from }, (_, at) => recordOf(from + at).id)],
  )

/** As many windows of keys, settled holds and open ones, each for a user and the tenant. */
export async function fillLedger({ send, prefix }, third, { tenant, users, ttl, lines }) {
  const now = new Date()
  const month = `o${now.getUTCFullYear() * 12 + now.getUTCMonth()}`
  const day = `d${Math.floor(now / 86_400_000)}`
  const minute = `m${Math.floor(now / 60_000)}`
  const until = Number(now) + ttl * 1000
  const first = [`${prefix}{${tenant}}::`, month, day, minute, until, users, lines]
  await inBatches(
    send,
    third,
    `local base, month, day, minute, ends, users, lines = unpack(ARGV)
     for at = ARGV[8], ARGV[9] - 1 do
       local n = string.format('%.0f', at)
       redis.call('HSET', base .. 'budget:key%3A' .. n, minute .. 'c', 1, 'v', 1)
       local user = string.format('%.0f', at * 7919 % users)
       local keys = { [base .. 'budget:tenant%3A${tenant}'] = month, [base .. 'budget:user%3A' .. user] = day }
       local said = string.gsub(lines, 'user:0', 'user:' .. user)
       for _, state in ipairs({ 'settled', 'open' }) do
         local id = state .. '-' .. n
         local hold = base .. 'hold:' .. id
         redis.call('HSET', hold, 'state', state, 'amount', 3, 'until', ends, 'lines', said, 'overrun', 0, 'v', 1)
         for key, name in pairs(keys) do
           redis.call('HSET', hold, key, name)
           redis.call('HINCRBY', key, name .. 'c', 1)
           redis.call('HSET', key, 'v', 1)
           if state == 'open' then
             redis.call('HINCRBY', key, name .. 'h', 3)
             redis.call('ZADD', key .. ':ends', ends, id)
             redis.call('HSET', key .. ':holds', id, '3 0 ' .. name)
           end
         end
         redis.call('PEXPIREAT', hold, ends)
       end
     end`,
    (from, to) => [...first, from, to],
  )
}
