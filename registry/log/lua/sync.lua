-- The newest index and the log's time. With `mark` it is a write, which WAIT can be asked about.
--
-- ARGV  store mark
-- ->    OK index time

local refused = guard()
if refused then return refused end
if ARGV[2] ~= '' then redis.call('HSET', META, 'mark', ARGV[2]) end
local known = redis.call('HMGET', META, 'index', 'time')
return {'OK', known[1], whole(number(known[2]))}
