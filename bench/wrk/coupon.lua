-- One hot coupon at a time: every member takes it, then all move on to the next. No call is a refusal.
dofile(os.getenv("WRK") .. "/common.lua")
local at, coupon = 0, 0

function init(args)
  load_members()
  coupon = tonumber(os.getenv("FIRST_COUPON") or "1")
end

function request()
  at = at + 1
  if at > #members then
    at = 1
    coupon = coupon + 1
  end
  return wrk.format("POST", "/coupons/" .. coupon, headers_of(tokens[at]))
end
