-- Begin a session, and after a start or failover of Redis take part in the recovery.
--
-- ARGV  store writer session applied able window new restores
--       applied: the newest index that the writer has taken in; able: '0' when it cannot put back what the
--       store lacks of that, '1' else; window: milliseconds that the others get to say hello; new: a store
--       id, in case nobody has anything, '' to make no store then; restores: '1' when the writer has come to
--       replace everything, so that it does not matter what is missing
-- ->    OPEN store index time row epoch skipped      the session stands; row: of the writer's newest batch, or ''
--       WINDOW store index milliseconds              recovery is under way: mend what is missing, say hello again
--       RESTORE index                                nothing is stored and this writer knows most: put its state back
--       NOTHING                                      there is no store, and this writer makes none
--       FENCED session                               a later session of this writer stands already
--       FOREIGN, GONE, LOST                          as the guard says them
-- While a window is open only `hello`, `mend` and `restore` work. It closes when its time is over, or when
-- all members of the last view have said hello and none is ahead. A member that keeps putting back keeps it open.

local store, writer, session, applied = ARGV[1], ARGV[2], ARGV[3], number(ARGV[4])
local window, new, restores = tonumber(ARGV[6]), ARGV[7], ARGV[8] == '1'
local run = running()
local known = redis.call('HMGET', META, 'format', 'store', 'run', 'index', 'time', 'offset', 'view', 'epoch', 's:' .. writer)
if known[1] and known[1] ~= FORMAT then return {'FOREIGN', 'a log of format ' .. known[1]} end
if not known[1] then
  if redis.call('EXISTS', META) == 1 then return {'FOREIGN', 'a hash that is no log'} end
  local log = redis.call('TYPE', LOG).ok
  if log ~= 'none' and log ~= 'stream' then return {'FOREIGN', 'a ' .. log .. ' where the log should be'} end
  if log == 'stream' then return {'FOREIGN', 'a stream without the hash that belongs to it'} end
  if new == '' then return {'NOTHING'} end
end
if known[2] and store ~= '' and known[2] ~= store then return {'GONE', known[2]} end
local lost = known[2] and redis.call('EXISTS', LOG) == 0
if lost and not restores then return {'LOST'} end
if known[9] and tonumber(known[9]) > tonumber(session) then return {'FENCED', known[9]} end

local function open(index, time)
  redis.call('HSET', META, 's:' .. writer, session)
  local rest = redis.call('HMGET', META, 'store', 'p:' .. writer, 'epoch', 'skipped')
  return {'OPEN', rest[1], whole(index), whole(time), rest[2] or '', rest[3], rest[4] or ''}
end

local index, time, now = number(known[4]), number(known[5]), clock(known[6])
if lost then  -- the others go on to hear of it until the log is there again
  redis.call('HDEL', META, 'win_run', 'win_until', 'win_seen', 'win_by', 'win_said', 'win_ahead')
  redis.call('HSET', META, 'run', run, 'armed', '0')
end
if known[2] and (lost or known[3] == run) then return open(index, time) end

-- The window of this run
local win = redis.call('HMGET', META, 'win_run', 'win_until', 'win_seen', 'win_by', 'win_said', 'win_ahead')
if win[1] ~= run then win = {run, whole(now + window), '0', '', ' ', ' '} end
local closes, seen, by, said, behind_us = tonumber(win[2]), number(win[3]), win[4], win[5], win[6]
local ahead = ARGV[5] == '1' and known[2] and applied > index
local name = ' ' .. writer .. ' '
if not string.find(said, name, 1, true) then said = said .. writer .. ' ' end
local listed = string.find(behind_us, name, 1, true)
if ahead and not listed then
  behind_us = behind_us .. writer .. ' '
elseif listed and not ahead then
  behind_us = string.sub(behind_us, 1, listed) .. string.sub(behind_us, listed + #name)
end
if ahead then closes = math.max(closes, now + window) end
if applied > seen then seen, by = applied, writer end

local silent = false
for member in string.gmatch(known[7] or '', '%S+') do
  if not string.find(said, ' ' .. member .. ' ', 1, true) then silent = true end
end
local everybody = (known[7] or '') ~= '' and not silent and behind_us == ' ' and known[2]
if now < closes and not everybody then
  redis.call('HSET', META, 'format', FORMAT, 'win_run', run, 'win_until', whole(closes), 'win_seen', whole(seen),
    'win_by', by, 'win_said', said, 'win_ahead', behind_us)
  return {'WINDOW', known[2] or '', whole(index), whole(closes - now)}
end

local function close(as, offset)
  redis.call('HDEL', META, 'win_run', 'win_until', 'win_seen', 'win_by', 'win_said', 'win_ahead')
  redis.call('HSET', META, 'format', FORMAT, 'store', as, 'run', run, 'epoch', whole(number(known[8]) + 1),
    'index', whole(index), 'time', whole(time), 'offset', whole(offset), 'armed', '0', 'holder', '', 'until', '0',
    'tenure', whole(number(redis.call('HGET', META, 'tenure')) + 1))
end

if not known[2] then
  if seen > 0 then
    -- Whoever knows most puts its state back; if it does not, the next one is found in a new window.
    local until_then = by == writer and now + 3 * window or closes
    if by ~= writer and now > closes + 3 * window then
      redis.call('HSET', META, 'format', FORMAT, 'win_run', '')
    else
      redis.call('HSET', META, 'format', FORMAT, 'win_run', run, 'win_until', whole(until_then), 'win_seen', whole(seen),
        'win_by', by, 'win_said', said, 'win_ahead', behind_us)
    end
    if by == writer then return {'RESTORE', whole(seen)} end
    return {'WINDOW', '', '0', whole(window)}
  end
  if new == '' then return {'NOTHING'} end
  redis.call('XGROUP', 'CREATE', LOG, 'none', '$', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', LOG, 'none')
  close(new, 0)
  return open(0, 0)
end

local offset = number(known[6])
if time > now then offset = offset + time - now end
if seen > index or silent then
  local id = whole(math.max(index, seen) + JUMP)
  time = math.max(time, now)
  redis.call('XADD', LOG, id .. '-0', 'c', whole(index), 'i', '...', 't', whole(time), 'k', 'epoch', 'd', '')
  index = tonumber(id)
  redis.call('HSET', META, 'floor', id)
end
close(known[2], offset)
return open(index, time)
