-- Store a batch of records, all that hold, under consecutive indexes.
--
-- ARGV  store writer session batch count, then for each record:
--       payload, number of arms, condition ('' | 'd' member score | 't' tenure -, always three values),
--       then for each arm: member, milliseconds ('-' removes it)
-- ->    OK row         row: session batch first count time void,void   (first is 0 when all are void)
--       FENCED         the writer's session is another one: nothing is or will be stored of this batch
-- A batch that was stored before answers with its row again.

local refused = guard()
if refused then return refused end
local writer, session, batch, count = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local known = redis.call('HMGET', META, 's:' .. writer, 'p:' .. writer, 'index', 'time', 'offset', 'holder', 'tenure')
if known[1] ~= session then return {'FENCED'} end
if known[2] then
  local its_session, its_batch = string.match(known[2], '^(%S+) (%S+)')
  if its_session == session and its_batch == batch then return {'OK', known[2]} end
end

local index, now = number(known[3]), clock(known[5])
local stamp = whole(math.max(number(known[4]), now))
local before = whole(index)
local first, stored, void = 0, 0, {}
local at = 6
for position = 0, count - 1 do
  local payload, arms, condition, what, value = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  at = at + 5
  local holds = condition == ''
  if condition == 'd' then
    holds = redis.call('ZSCORE', DUE, what) == value
  elseif condition == 't' then
    holds = known[6] == writer and known[7] == what
  end
  if holds then
    index = index + 1
    local id = whole(index)
    local own = writer .. '.' .. session .. '.' .. batch .. '.' .. position
    if not redis.call('XADD', LOG, 'NOMKSTREAM', id .. '-0', 'c', before, 'i', own, 't', stamp, 'k', 'cmd', 'd', payload) then
      return {'LOST'}
    end
    if stored == 0 then first = index end
    before, stored = id, stored + 1
    for arm = 0, arms - 1 do
      local member, period = ARGV[at + 2 * arm], ARGV[at + 2 * arm + 1]
      if period == '-' then
        redis.call('ZREM', DUE, member)
      else
        redis.call('ZADD', DUE, whole(now + tonumber(period)), member)
      end
    end
  else
    void[#void + 1] = position
  end
  at = at + 2 * arms
end
local row = session .. ' ' .. batch .. ' ' .. whole(first) .. ' ' .. stored .. ' ' .. stamp .. ' ' .. table.concat(void, ',')
if stored > 0 then
  redis.call('HSET', META, 'index', whole(index), 'time', stamp, 'p:' .. writer, row)
else
  redis.call('HSET', META, 'p:' .. writer, row)
end
return {'OK', row}
