-- Charges of random members.
dofile(os.getenv("WRK") .. "/common.lua")
local at = 0

function init(args) load_members() end

function request()
  at = at % #members + 1
  local body = '{"amount":1}'
  return wrk.format("POST", "/members/" .. members[at] .. "/points/charge", headers_of(tokens[at], body), body)
end
