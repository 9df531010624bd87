-- Newer texts of checks: for all followers now, and for those that start later.
--
-- ARGV  store limit, then for each: key after text
-- ->    OK
-- Texts of checks that are gone are not looked for: past the limit all are dropped, which loses texts only.

local refused = guard()
if refused then return refused end
if redis.call('HLEN', OUT) > tonumber(ARGV[2]) then redis.call('UNLINK', OUT) end
for at = 3, #ARGV, 3 do
  redis.call('HSET', OUT, ARGV[at], ARGV[at + 1] .. ' ' .. ARGV[at + 2])
  redis.call('XADD', SOFT, 'MAXLEN', '~', 10000, '*', 'k', ARGV[at], 'a', ARGV[at + 1], 'd', ARGV[at + 2])
end
return {'OK'}
