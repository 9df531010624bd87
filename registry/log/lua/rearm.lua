-- Arm deadlines, each a full period from now, unless a record has armed it since `disarm`.
--
-- ARGV  store writer tenure generation last, then for each: member milliseconds
--       last: '1' with the last part, from which on deadlines pass again
-- ->    OK time     FENCED: somebody else is the housekeeper, or has disarmed meanwhile

local refused = guard()
if refused then return refused end
local known = redis.call('HMGET', META, 'generation', 'offset')
if not holds_lease(ARGV[2], ARGV[3]) or known[1] ~= ARGV[4] then return {'FENCED'} end
local now = clock(known[2])
for at = 6, #ARGV, 2 do
  redis.call('ZADD', DUE, 'NX', whole(now + tonumber(ARGV[at + 1])), ARGV[at])
end
if ARGV[5] == '1' then redis.call('HSET', META, 'armed', whole(now), 'tick', whole(now)) end
return {'OK', whole(now)}
