-- Say that the writer is alive; take the lease when nobody has it, keep it when it is ours.
--
-- ARGV  store writer about
-- ->    OK index time holder tenure epoch

local refused = guard()
if refused then return refused end
local known = redis.call('HMGET', META, 'index', 'time', 'offset', 'holder', 'tenure', 'until', 'epoch')
local now = clock(known[3])
local holder, tenure = known[4] or '', known[5] or '0'
redis.call('HSET', MEMBERS, ARGV[2], whole(now) .. ' ' .. ARGV[3])
if holder == '' or now > number(known[6]) then
  holder, tenure = ARGV[2], whole(number(tenure) + 1)
  redis.call('HSET', META, 'holder', holder, 'tenure', tenure)
end
if holder == ARGV[2] then redis.call('HSET', META, 'until', whole(now + LEASE_MS)) end
return {'OK', known[1], whole(number(known[2])), holder, tenure, known[7]}
