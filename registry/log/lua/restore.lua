-- Replace what is stored by a snapshot whose chunks were written: a state from a replica's memory, or from a file.
--
-- KEYS[7..]  the chunks, in order, then the chunks of the snapshots there were
-- ARGV       store writer mode name index time chunks bytes
--            mode: 'heal' while a window is open: the state of this log as of `index`, which the store has lost
--                  'replace' else: any state; it comes to stand beyond its `index`
-- ->         OK index      the index at which the snapshot stands
--            NO            healing is not wanted any more        MISSING: a chunk is not there
-- The log begins anew behind it with an entry of its own, far beyond every index that was given out.

local known = redis.call('HMGET', META, 'store', 'run', 'win_run', 'index', 'time', 'offset', 'win_seen', 'epoch', 'format')
local run, heal = running(), ARGV[3] == 'heal'
if heal then
  if (known[1] and known[1] ~= ARGV[1]) or known[3] ~= run or known[2] == run then return {'NO'} end
  if tonumber(ARGV[5]) < number(known[7]) or tonumber(ARGV[5]) < number(known[4]) then return {'NO'} end
else
  local refused = guard()
  if refused then return refused end
end
local chunks = tonumber(ARGV[7])
for at = 7, 6 + chunks do
  if redis.call('EXISTS', KEYS[at]) == 0 then return {'MISSING'} end
end
local highest = math.max(number(known[4]), number(known[7]), tonumber(ARGV[5]))
local index = heal and tonumber(ARGV[5]) or highest + JUMP
local now = clock(known[6])
local time = math.max(number(known[5]), number(ARGV[6]), now)
local epoch = whole(heal and highest + JUMP or index + 1)
redis.call('UNLINK', LOG, DUE, OUT)
redis.call('XADD', LOG, epoch .. '-0', 'c', whole(index), 'i', '...', 't', whole(time), 'k', 'epoch', 'd', '')
redis.call('HDEL', META, 'win_run', 'win_until', 'win_seen', 'win_by', 'win_said', 'win_ahead', 'snap_old', 'skipped')
redis.call('HSET', META, 'format', FORMAT, 'store', ARGV[1], 'run', run, 'epoch', whole(number(known[8]) + 1),
  'index', epoch, 'time', whole(time), 'offset', whole(number(known[6]) + math.max(0, time - now)), 'armed', '0',
  'floor', epoch, 'snap', table.concat({ARGV[4], whole(index), ARGV[7], ARGV[8], ARGV[6]}, ' '))
for at = 7 + chunks, #KEYS do redis.call('UNLINK', KEYS[at]) end
return {'OK', whole(index)}
