-- The writer goes away in order: nothing has to be armed anew because of it, and nobody waits for it.
--
-- ARGV  store writer
-- ->    OK

local refused = guard()
if refused then return refused end
local writer = ARGV[2]
local known = redis.call('HMGET', META, 'holder', 'view')
local view = {}
for member in string.gmatch(known[2] or '', '%S+') do
  if member ~= writer then view[#view + 1] = member end
end
redis.call('HDEL', MEMBERS, writer)
redis.call('HDEL', META, 's:' .. writer, 'p:' .. writer)
redis.call('HSET', META, 'view', table.concat(view, ' '))
if known[1] == writer then redis.call('HSET', META, 'holder', '', 'until', '0') end
return {'OK'}
