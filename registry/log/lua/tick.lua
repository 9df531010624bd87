-- The housekeeper looks at the time: keeps its lease, counts the members, finds deadlines that have passed.
--
-- ARGV  store writer tenure limit
-- ->    OK time armed snapshot {member, score, ...} {writer, about, ...}
--       armed: the moment of the last re-arm, 0 when the deadlines are not to be trusted
--       FENCED   somebody else is the housekeeper
-- Deadlines are not trusted after a gap between ticks, after a member was lost, and after a recovery. While a
-- member is late none has passed: it may have taken beats that have not come here.

local refused = guard()
if refused then return refused end
local writer = ARGV[2]
if not holds_lease(writer, ARGV[3]) then return {'FENCED'} end
local known = redis.call('HMGET', META, 'offset', 'armed', 'tick', 'view', 'snap')
local now, armed = clock(known[1]), number(known[2])
if now - number(known[3]) > GAP_MS then armed = 0 end

local late, alive, names = false, {}, {}
local members = redis.call('HGETALL', MEMBERS)
for at = 1, #members, 2 do
  local name, said = members[at], members[at + 1]
  local when, about = string.match(said, '^(%d+) (.*)$')
  if name == writer then when = now end
  local silence = now - number(when)
  if silence > GONE_MS then
    redis.call('HDEL', MEMBERS, name)
    redis.call('HDEL', META, 's:' .. name, 'p:' .. name)
    armed = 0
  else
    if silence > LATE_MS then late = true end
    alive[#alive + 1] = name
    alive[#alive + 1] = about
    names[#names + 1] = name
  end
end
table.sort(names)
local view = table.concat(names, ' ')
redis.call('HSET', META, 'tick', whole(now), 'until', whole(now + LEASE_MS), 'armed', whole(armed))
if view ~= known[4] then redis.call('HSET', META, 'view', view) end
local due = {}
if armed > 0 and not late then
  due = redis.call('ZRANGE', DUE, '-inf', whole(now), 'BYSCORE', 'LIMIT', 0, ARGV[4], 'WITHSCORES')
end
return {'OK', whole(now), whole(armed), known[5] or '', due, alive}
