-- How long deadlines have still to go.
--
-- ARGV  store, then members
-- ->    OK time {milliseconds, ...}      '' for one that is not armed

local refused = guard()
if refused then return refused end
local now = clock(redis.call('HGET', META, 'offset'))
local left = {}
for at = 2, #ARGV do
  local score = redis.call('ZSCORE', DUE, ARGV[at])
  left[at - 1] = score and whole(tonumber(score) - now) or ''
end
return {'OK', whole(now), left}
