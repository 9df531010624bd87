-- Put entries back that Redis has lost, under the indexes they had. Only while a window is open.
--
-- ARGV  store writer expected window count, then for each entry: index c i t k d
--       expected: the newest index that the writer saw in the store; the first entry follows it
-- ->    OK index      the newest index now; the window stays open for a while
--       NO index      somebody else was faster, or the window is closed: say hello again

local known = redis.call('HMGET', META, 'store', 'run', 'win_run', 'index', 'time', 'offset', 'win_until')
local run = running()
local index = number(known[4])
if known[1] ~= ARGV[1] or known[2] == run or known[3] ~= run or whole(index) ~= ARGV[3] then
  return {'NO', whole(index)}
end
if redis.call('EXISTS', LOG) == 0 then return {'LOST'} end
local newest, time, skipped = ARGV[3], number(known[5]), ''
local rows = {}
local at = 6
for _ = 1, tonumber(ARGV[5]) do
  local id, before, own, stamp, kind, payload = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  at = at + 6
  redis.call('XADD', LOG, id .. '-0', 'c', before, 'i', own, 't', stamp, 'k', kind, 'd', payload)
  newest, time = id, math.max(time, number(stamp))
  if kind == 'skip' then skipped = skipped .. ' ' .. payload end
  local owner, session, batch = string.match(own, '^([^.]+)%.([^.]+)%.([^.]+)%.')
  if owner then
    local row = rows[owner]
    if not row or row[1] ~= session or row[2] ~= batch then
      row = {session, batch, id, 0}
      rows[owner] = row
    end
    row[4] = row[4] + 1
  end
end
redis.call('HSET', META, 'index', newest, 'time', whole(time))
if skipped ~= '' then  -- else who joins later would meet the entry before it hears of the repair
  redis.call('HSET', META, 'skipped', (redis.call('HGET', META, 'skipped') or '') .. skipped)
end
for owner, row in pairs(rows) do
  -- which records of the batch were void is not known any more: '?'
  redis.call('HSET', META, 'p:' .. owner, row[1] .. ' ' .. row[2] .. ' ' .. row[3] .. ' ' .. row[4] .. ' ' .. whole(time) .. ' ?')
end
redis.call('HSET', META, 'win_until', whole(math.max(number(known[7]), clock(known[6]) + tonumber(ARGV[4]))))
return {'OK', newest}
