-- Members and their tokens, shared out among wrk's threads, and among as many wrks as PARTS says, of which this is number PART.
local threads = 0
local part, parts = tonumber(os.getenv("PART") or "0"), tonumber(os.getenv("PARTS") or "1")

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
  thread:set("refusals", 0)
  thread:set("answers", 0)
end

members, tokens, token_of = {}, {}, {}
function load_members()
  local line_number = 0
  for line in io.lines(os.getenv("TOKENS")) do
    if line_number % (2 * parts) == 2 * part + id % 2 then
      local member, token = line:match("(%S+) (%S+)")
      members[#members + 1] = member
      tokens[#tokens + 1] = token
      token_of[member] = token
    end
    line_number = line_number + 1
  end
end

function headers_of(token, body)
  local headers = { ["Authorization"] = "Bearer " .. token }
  if body then headers["Content-Type"] = "application/json" end
  return headers
end

function percentiles(summary, latency)
  local distribution = {}
  for _, p in ipairs({ 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99 }) do
    distribution[#distribution + 1] = string.format("%g:%.2f", p, latency:percentile(p) / 1e3)
  end
  io.write(string.format("RESULT requests=%d seconds=%.3f rate=%.0f p50=%.1f p99=%.1f p999=%.1f errors=%d latencies=%s\n",
    summary.requests, summary.duration / 1e6, summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout,
    table.concat(distribution, ",")))
end

function done(summary, latency, requests) percentiles(summary, latency) end
