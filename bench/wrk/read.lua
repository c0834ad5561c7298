-- Exact reads: a product, a balance, a coupon, in turn.
dofile(os.getenv("WRK") .. "/common.lua")
local at, kind = 0, 0

function init(args) load_members() end

function request()
  at = at % #members + 1
  kind = (kind + 1) % 3
  local path = kind == 0 and "/products/" .. (at % 10000 + 1)
    or kind == 1 and "/members/" .. members[at] .. "/points"
    or "/coupons/" .. (at % 100 + 1)
  return wrk.format("GET", path, headers_of(tokens[at]))
end
