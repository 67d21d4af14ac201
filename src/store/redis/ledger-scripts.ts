import { windowsKept } from '../budget-windows.js'
import { SETTLED_KEPT } from '../ledger.js'
import type { Script } from './sender.js'

/** See `protocol/format.ts`. */
const FORMAT = 1

/**
 * Three keys of each subject. `counts` has, for each window, the committed amount (`d20420c`) and the held amount
 * (`d20420h`). `ends` has the ids of its holds by expiry. `holds` has for each of them the amount, whether it has
 * started, and the windows.
 *
 * `counts` and holds have their format version as `v`; 0.1.0 wrote none. The `v` of `counts` applies to all three keys
 * of a subject. Data of a later release is neither read nor changed: the answer is nil.
 *
 * @param subjects the index of the first subject's keys; the keys before are holds
 */
const common = (subjects: number | '#KEYS + 1') => `
for i = 1, #KEYS do
  if i < ${subjects} or (i - (${subjects})) % 3 == 0 then
    local format = redis.call('HGET', KEYS[i], 'v')
    if format and format ~= '${FORMAT}' then return false end
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function whole(number) return string.format('%.0f', number) end

local function number(key, field) return tonumber(redis.call('HGET', key, field) or '0') end

-- Months since year 0, from days since 1970: the civil calendar, counted from March.
local function month(days)
  local z = days + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  return (yoe + era * 400) * 12 + math.floor((5 * doy + 2) / 153) + 2
end

local days = math.floor(now / 86400000)
local present = { m = math.floor(now / 60000), d = days, o = month(days) }
local letters = { minute = 'm', day = 'd', month = 'o' }

local function window(kind)
  local letter = letters[kind]
  return letter and letter .. whole(present[letter]) or 't'
end

-- Gives back what a subject holds for an id; a started hold counts in full.
local function finish(counts, ends, holds, id)
  local amount, started, windows = string.match(redis.call('HGET', holds, id), '^(%d+) (%d) (.*)$')
  for name in string.gmatch(windows, '%S+') do
    redis.call('HINCRBY', counts, name .. 'h', whole(0 - amount))
    if started == '1' then redis.call('HINCRBY', counts, name .. 'c', amount) end
  end
  redis.call('HDEL', holds, id)
  redis.call('ZREM', ends, id)
end

-- The same for all holds that have expired.
local function prune(counts, ends, holds)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now)) do finish(counts, ends, holds, id) end
end

-- Whether the hold of the first key is open: if all of its subjects have it. The time alone does not decide, because a
-- clock may go back. If one subject has given it back, the others give it back, too.
local function isOpen(id, state)
  if state ~= 'open' then return false end
  local open = true
  for i = 2, #KEYS, 3 do
    prune(KEYS[i], KEYS[i + 1], KEYS[i + 2])
    open = open and redis.call('HEXISTS', KEYS[i + 2], id) == 1
  end
  if open then return true end
  for i = 2, #KEYS, 3 do
    if redis.call('HEXISTS', KEYS[i + 2], id) == 1 then finish(KEYS[i], KEYS[i + 1], KEYS[i + 2], id) end
  end
  return false
end

local kept = { m = ${windowsKept.m}, d = ${windowsKept.d}, o = ${windowsKept.o} }

-- A new window: removes old windows that are no longer read.
local function begin(counts, name)
  if redis.call('HSETNX', counts, name .. 'c', 0) == 0 then return end
  redis.call('HSET', counts, 'v', ${FORMAT})
  for _, field in ipairs(redis.call('HKEYS', counts)) do
    local letter, at = string.match(field, '^([mdo])(%d+)c$')
    if letter and present[letter] - at >= kept[letter] and number(counts, letter .. at .. 'h') == 0 then
      redis.call('HDEL', counts, field, letter .. at .. 'h')
    end
  end
  if redis.call('HEXISTS', counts, 'tc') == 1 then redis.call('PERSIST', counts)
  else redis.call('PEXPIRE', counts, 800 * 86400000) end
end

local rank = { minute = 1, day = 2, month = 3, total = 4 }

-- Whether all lines have room for an amount; returns the names of their windows by subject. Only closes expired holds.
-- If several lines have no room: the one that lasts longest.
local function admit(amount, first, at)
  local names = {}
  local line = 0
  local short
  local worst, least = 0, 0
  for i = first, #KEYS, 3 do
    prune(KEYS[i], KEYS[i + 1], KEYS[i + 2])
    local own = {}
    for j = 1, tonumber(ARGV[at]) do
      line = line + 1
      own[j] = window(ARGV[at + 2 * j - 1])
      local limit = tonumber(ARGV[at + 2 * j])
      if limit then
        local left = limit - number(KEYS[i], own[j] .. 'c') - number(KEYS[i], own[j] .. 'h')
        local lasts = rank[ARGV[at + 2 * j - 1]]
        if amount > left and (lasts > worst or (lasts == worst and left < least)) then
          short = { 0, line, whole(left), whole(now) }
          worst, least = lasts, left
        end
      end
    end
    at = at + 1 + 2 * #own
    names[i] = own
  end
  if short then return nil, short end
  return names
end
`

const reserve = `${common(2)}
local id, amount, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])
local hold = redis.call('HMGET', KEYS[1], 'state', 'until', 'amount', 'lines')
if hold[1] then
  if hold[1] ~= 'open' or tonumber(hold[2]) <= now then return { -1 } end
  if hold[3] ~= amount or hold[4] ~= ARGV[5] then return { -2 } end
  return { isOpen(id, hold[1]) and 1 or -1 }
end
local names, short = admit(tonumber(amount), 2, 6)
if not names then return short end
for i = 2, #KEYS, 3 do
  for _, name in ipairs(names[i]) do
    begin(KEYS[i], name)
    redis.call('HINCRBY', KEYS[i], name .. 'h', amount)
  end
  local own = table.concat(names[i], ' ')
  redis.call('ZADD', KEYS[i + 1], whole(now + ttl), id)
  redis.call('HSET', KEYS[i + 2], id, amount .. ' 0 ' .. own)
  redis.call('HSET', KEYS[1], KEYS[i], own)
end
redis.call('HSET', KEYS[1], 'state', 'open', 'amount', amount, 'until', whole(now + ttl), 'lines', ARGV[5], 'v', ${FORMAT})
redis.call('PEXPIRE', KEYS[1], whole(ttl + ARGV[4]))
return { 1 }`

const spend = `${common(1)}
local names, short = admit(tonumber(ARGV[1]), 1, 2)
if not names then return short end
for i = 1, #KEYS, 3 do
  for _, name in ipairs(names[i]) do
    begin(KEYS[i], name)
    redis.call('HINCRBY', KEYS[i], name .. 'c', ARGV[1])
  end
end
return { 1 }`

const start = `${common(2)}
local hold = redis.call('HMGET', KEYS[1], 'state', 'amount')
if not hold[1] then return { -1 } end
if not isOpen(ARGV[1], hold[1]) then return { 0 } end
for i = 2, #KEYS, 3 do
  redis.call('HSET', KEYS[i + 2], ARGV[1], hold[2] .. ' 1 ' .. redis.call('HGET', KEYS[1], KEYS[i]))
end
redis.call('HSET', KEYS[1], 'started', 1)
return { 1 }`

const settle = `${common(2)}
local id, actual = ARGV[1], tonumber(ARGV[2])
local hold = redis.call('HMGET', KEYS[1], 'state', 'until', 'amount', 'started', 'overrun')
if not hold[1] then return { -1 } end
if hold[1] == 'settled' then return { 1, hold[5] } end
local amount = tonumber(hold[3])
local held = isOpen(id, hold[1])
local charged = hold[1] == 'open' and not held and hold[4] and amount or 0
local taken = held and amount or charged
local overrun = 0
local at = 3
for i = 2, #KEYS, 3 do
  prune(KEYS[i], KEYS[i + 1], KEYS[i + 2])
  local j = 0
  for name in string.gmatch(redis.call('HGET', KEYS[1], KEYS[i]), '%S+') do
    j = j + 1
    if held then redis.call('HINCRBY', KEYS[i], name .. 'h', whole(0 - amount)) end
    redis.call('HINCRBY', KEYS[i], name .. 'c', whole(actual - charged))
    local limit = tonumber(ARGV[at + 2 * j])
    if limit then
      local above = number(KEYS[i], name .. 'c') + number(KEYS[i], name .. 'h') - limit
      overrun = math.max(overrun, math.min(actual - taken, above))
    end
  end
  at = at + 1 + 2 * j
  redis.call('HDEL', KEYS[i + 2], id)
  redis.call('ZREM', KEYS[i + 1], id)
end
redis.call('HSET', KEYS[1], 'state', 'settled', 'overrun', whole(overrun))
redis.call('PEXPIREAT', KEYS[1], whole(math.max(tonumber(hold[2]), now) + ${SETTLED_KEPT * 1000}))
return { 1, whole(overrun) }`

const release = `${common(2)}
local hold = redis.call('HMGET', KEYS[1], 'state', 'amount')
if not hold[1] then return { -1 } end
if not isOpen(ARGV[1], hold[1]) then return { 1 } end
for i = 2, #KEYS, 3 do
  for name in string.gmatch(redis.call('HGET', KEYS[1], KEYS[i]), '%S+') do
    redis.call('HINCRBY', KEYS[i], name .. 'h', whole(0 - hold[2]))
  end
  redis.call('HDEL', KEYS[i + 2], ARGV[1])
  redis.call('ZREM', KEYS[i + 1], ARGV[1])
end
redis.call('HSET', KEYS[1], 'state', 'released')
return { 1 }`

const read = `${common(1)}
prune(KEYS[1], KEYS[2], KEYS[3])
local name = ARGV[2] ~= '' and ARGV[2] or window(ARGV[1])
return { whole(number(KEYS[1], name .. 'c')), whole(number(KEYS[1], name .. 'h')), whole(now) }`

const open = `${common(1)}
prune(KEYS[1], KEYS[2], KEYS[3])
local ids = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if string.match(redis.call('HGET', KEYS[3], id), '^%d+ 0 ') then ids[#ids + 1] = id end
end
return ids`

const describe = `${common('#KEYS + 1')}
local found = {}
for i = 1, #KEYS do found[i] = redis.call('HMGET', KEYS[i], 'amount', 'lines') end
return found`

/** One set for each ledger: a script caches its digest. */
export const ledgerScripts = () => {
  const script = (text: string): Script => ({ text })
  return {
    reserve: script(reserve),
    spend: script(spend),
    start: script(start),
    settle: script(settle),
    release: script(release),
    read: script(read),
    open: script(open),
    describe: script(describe),
  }
}
