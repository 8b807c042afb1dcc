-- Sends the prepared requests in turn. Where a request has a place for a key, each sending gets one of its own.
-- wrk -s load.lua URL -- FILE PREFIX
local requests, prefix, turn = {}, "", 0

function init(args)
  local file = assert(io.open(args[1], "rb"))
  local text = file:read("*a")
  file:close()
  prefix = args[2]
  for request in text:gmatch("(.-)\n%-%-8<%-%-\n") do
    local from, to = request:find("{{key}}", 1, true)
    if from == nil then
      table.insert(requests, { request })
    else
      table.insert(requests, { request:sub(1, from - 1), request:sub(to + 1) })
    end
  end
end

function request()
  local parts = requests[turn % #requests + 1]
  turn = turn + 1
  if parts[2] == nil then return parts[1] end
  return parts[1] .. prefix .. string.format("%012x", turn) .. parts[2]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format('{"requests":%d,"seconds":%.6f,"p50Ms":%.4f,"p99Ms":%.4f,"failures":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
