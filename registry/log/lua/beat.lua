-- Move deadlines: signs of life that change nothing else.
--
-- ARGV  store, then for each: member milliseconds
-- ->    OK index {position, ...}      positions of those that are not armed, counted from 0
-- Until a re-arm is complete every member is taken as armed: it gets a full period anyhow.

local refused = guard()
if refused then return refused end
local known = redis.call('HMGET', META, 'index', 'offset', 'armed')
local unknown = {}
if number(known[3]) > 0 then
  local now = clock(known[2])
  for at = 2, #ARGV, 2 do
    if redis.call('ZSCORE', DUE, ARGV[at]) then
      redis.call('ZADD', DUE, whole(now + tonumber(ARGV[at + 1])), ARGV[at])
    else
      unknown[#unknown + 1] = (at - 2) / 2
    end
  end
end
return {'OK', known[1], unknown}
