-- One hot coupon at a time: every member takes it, then all move on to the next. No call is a refusal. KEYED=1 gives each call an
-- idempotency key of its own.
dofile(os.getenv("WRK") .. "/common.lua")
local at, coupon = 0, 0
local keyed = os.getenv("KEYED") == "1"

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
  local headers = headers_of(tokens[at])
  if keyed then headers["Idempotency-Key"] = "claim-" .. coupon .. "-" .. at end
  return wrk.format("POST", "/coupons/" .. coupon, headers)
end
