-- Make the chunks that were written the newest snapshot, and trim the log to the one before it.
--
-- KEYS[7..]  the chunks, in order, then the chunks of the snapshot before the one before
-- ARGV       store writer tenure name index time chunks bytes
-- ->         OK        FENCED     MISSING: a chunk is not there
--            OLDER     the store has a snapshot of a higher index     BEYOND index: the log ends before `index`
-- A snapshot is written down as: name index chunks bytes time

local refused = guard()
if refused then return refused end
if not holds_lease(ARGV[2], ARGV[3]) then return {'FENCED'} end
local index, chunks = tonumber(ARGV[5]), tonumber(ARGV[7])
local known = redis.call('HMGET', META, 'index', 'snap')
if index > number(known[1]) then return {'BEYOND', known[1]} end
local before = known[2] and tonumber(string.match(known[2], '^%S+ (%d+)')) or 0
if index < before then return {'OLDER'} end
for at = 7, 6 + chunks do
  if redis.call('EXISTS', KEYS[at]) == 0 then return {'MISSING'} end
end
redis.call('HSET', META, 'snap', table.concat({ARGV[4], ARGV[5], ARGV[7], ARGV[8], ARGV[6]}, ' '), 'snap_old', known[2] or '')
if before > 0 then redis.call('XTRIM', LOG, 'MINID', '~', whole(before + 1)) end
for at = 7 + chunks, #KEYS do redis.call('UNLINK', KEYS[at]) end
return {'OK'}
