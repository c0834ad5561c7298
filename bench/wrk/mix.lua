-- Nine reads in ten (a product, a balance, a coupon, in turn); the tenth is a purchase, a charge or a claim of a coupon.
dofile(os.getenv("WRK") .. "/common.lua")
local at, turn, claimed, coupon, product = 0, 0, 0, 0, 0
local payments, payers, first, last = {}, {}, 1, 0

function init(args)
  load_members()
  coupon = tonumber(os.getenv("FIRST_COUPON") or "1")
end

local function write()
  if first <= last then
    local payment, payer = payments[first], payers[first]
    payments[first], payers[first] = nil, nil
    first = first + 1
    return wrk.format("POST", "/payment/" .. payment, headers_of(token_of[payer] or tokens[1]))
  end
  local kind = turn % 3
  if kind == 0 then
    local body = '{"amount":1}'
    return wrk.format("POST", "/members/" .. members[at] .. "/points/charge", headers_of(tokens[at], body), body)
  elseif kind == 1 and claimed < #members then
    claimed = claimed + 1
    return wrk.format("POST", "/coupons/" .. coupon, headers_of(tokens[claimed]))
  end
  product = (product + 7919) % 10000
  local body = '{"items":[{"productId":' .. (product + 1) .. ',"quantity":1}]}'
  return wrk.format("POST", "/order/" .. members[at], headers_of(tokens[at], body), body)
end

function request()
  at = at % #members + 1
  turn = turn + 1
  if turn % 10 == 0 then return write() end
  local kind = turn % 3
  local path = kind == 0 and "/products/" .. (at % 10000 + 1)
    or kind == 1 and "/members/" .. members[at] .. "/points"
    or "/coupons/" .. (at % 100 + 1)
  return wrk.format("GET", path, headers_of(tokens[at]))
end

function response(status, headers, body)
  local payment = status == 201 and body:match('"paymentId":"([^"]+)"')
  if payment then
    last = last + 1
    payments[last] = payment
    payers[last] = body:match('"memberId":"([^"]+)"')
  end
end
