-- One row for wrk: `wrk … -s wrk.lua URL -- METHOD PATH BODY FIRST POOL THREADS`.
-- In PATH and BODY <n> becomes a number, FIRST or more, that is used once; <k> is n modulo POOL.
-- The last line printed is JSON: requests, microseconds, p99 (microseconds), errors.

local threads = 0

function setup(thread)
   thread:set("lane", threads)
   threads = threads + 1
end

function init(args)
   local path, body = args[2], args[3]
   local first, pool, lanes = tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
   wrk.method, wrk.path, wrk.body = args[1], path, body
   if not (path .. body):find("<[nk]>") then
      return -- wrk then builds the request once
   end
   local n = first + lane
   function request()
      local marks = { n = string.format("%d", n), k = string.format("%d", n % pool) }
      n = n + lanes
      return wrk.format(nil, (path:gsub("<([nk])>", marks)), nil, (body:gsub("<([nk])>", marks)))
   end
end

function done(summary, latency, _)
   local e = summary.errors
   local errors = e.connect + e.read + e.write + e.status + e.timeout
   local line = '{"requests":%d,"microseconds":%d,"p99":%d,"errors":%d}\n'
   io.write(line:format(summary.requests, summary.duration, latency:percentile(99), errors))
end
