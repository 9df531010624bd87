-- Forget all deadlines; nothing passes until `rearm` is complete.
--
-- ARGV  store writer tenure
-- ->    OK index generation       FENCED

local refused = guard()
if refused then return refused end
if not holds_lease(ARGV[2], ARGV[3]) then return {'FENCED'} end
local generation = redis.call('HINCRBY', META, 'generation', 1)
redis.call('UNLINK', DUE)
redis.call('HSET', META, 'armed', '0')
return {'OK', redis.call('HGET', META, 'index'), whole(generation)}
