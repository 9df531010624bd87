-- Write down that the entry at an index is passed over, and tell those who took it in.
--
-- ARGV  store index
-- ->    OK      NONE: there is no such entry      TAKEN: the newest snapshot has taken it in

local refused = guard()
if refused then return refused end
local known = redis.call('HMGET', META, 'index', 'time', 'offset', 'snap', 'skipped')
local wanted = ARGV[2]
if known[4] and number(string.match(known[4], '^%S+ (%d+)')) >= tonumber(wanted) then return {'TAKEN'} end
if #redis.call('XRANGE', LOG, wanted .. '-0', wanted .. '-0') == 0 then return {'NONE'} end
for old in string.gmatch(known[5] or '', '%S+') do
  if old == wanted then return {'OK'} end
end
local id = whole(number(known[1]) + 1)
local time = whole(math.max(number(known[2]), clock(known[3])))
redis.call('XADD', LOG, id .. '-0', 'c', known[1], 'i', '...', 't', time, 'k', 'skip', 'd', wanted)
redis.call('HSET', META, 'index', id, 'time', time, 'skipped', (known[5] or '') .. ' ' .. wanted)
return {'OK'}
