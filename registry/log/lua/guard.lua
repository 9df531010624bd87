-- What stands before every script: the names of the keys, small functions, and the guard.
--
-- KEYS    meta log due members out soft, then the script's own
-- ARGV[1] the store id that the caller knows ('' for none)
--
-- A script answers with an array whose first element is a word. The guard's words, which change nothing:
--   EMPTY            nothing is stored under these keys
--   FOREIGN what     something that is not a log of this format
--   GONE store       a log, but another one than the caller's
--   LOST             the log's stream is missing while the rest is there
--   RECOVER          Redis was started or failed over: `hello` first
-- Scripts do not roll back: each checks everything before its first write.

local META, LOG, DUE, MEMBERS, OUT, SOFT = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local FORMAT = '1'
local LEASE_MS = 3000   -- how long the housekeeper stays it without a tick
local GONE_MS = 3500    -- a member silent for longer is gone; it stops running checks after 3000
local LATE_MS = 1500    -- one silent for longer may have taken beats that are not here: nothing expires
local GAP_MS = 1000     -- a longer time without a tick, and the deadlines are not to be trusted
local JUMP = 1000000    -- indexes left out where some that were given out may be lost

local function whole(number)  -- Lua prints large numbers as floats
  return string.format('%.0f', number)
end

local function number(text)
  return tonumber(text) or 0
end

-- The log's time in milliseconds. `offset` keeps it from going back where the clock of a new master is behind.
local function clock(offset)
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000) + number(offset)
end

local function running()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

local function guard()
  local known = redis.call('HMGET', META, 'format', 'store', 'run')
  if not known[1] then
    return redis.call('EXISTS', META) == 1 and {'FOREIGN', 'a hash that is no log'} or {'EMPTY'}
  end
  if known[1] ~= FORMAT then return {'FOREIGN', 'a log of format ' .. known[1]} end
  if not known[2] then return {'EMPTY'} end
  if known[2] ~= ARGV[1] then return {'GONE', known[2]} end
  if known[3] ~= running() then return {'RECOVER'} end
end

-- Whether the caller is the housekeeper, in this tenure.
local function holds_lease(writer, tenure)
  local lease = redis.call('HMGET', META, 'holder', 'tenure')
  return lease[1] == writer and lease[2] == tenure
end
