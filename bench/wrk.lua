-- One row for wrk: `wrk … -s wrk.lua URL -- METHOD PATH BODY TRACE FIRST POOL THREADS`.
-- TRACE is the value of a traceparent header, or empty. In PATH, BODY and TRACE <n> becomes a number, FIRST or more, that is used once; <k> is n modulo POOL.
-- The last line printed is JSON: requests, microseconds, p99 (microseconds), errors.

local threads = 0

function setup(thread)
   thread:set("lane", threads)
   threads = threads + 1
end

function init(args)
   local path, body, trace = args[2], args[3], args[4]
   local first, pool, lanes = tonumber(args[5]), tonumber(args[6]), tonumber(args[7])
   wrk.method, wrk.path, wrk.body = args[1], path, body
   if not (path .. body .. trace):find("<[nk]>") then
      return -- wrk then builds the request once
   end
   local n = first + lane
   function request()
      local marks = { n = string.format("%d", n), k = string.format("%d", n % pool) }
      local function filled(text)
         return (text:gsub("<([nk])>", marks))
      end
      n = n + lanes
      if trace ~= "" then
         wrk.headers["traceparent"] = filled(trace)
      end
      return wrk.format(nil, filled(path), nil, filled(body))
   end
end

function done(summary, latency, _)
   local e = summary.errors
   local errors = e.connect + e.read + e.write + e.status + e.timeout
   local line = '{"requests":%d,"microseconds":%d,"p99":%d,"errors":%d}\n'
   io.write(line:format(summary.requests, summary.duration, latency:percentile(99), errors))
end
