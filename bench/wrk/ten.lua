-- A coupon, then an order of ten lines with it, then its payment: three requests, all counted.
dofile(os.getenv("WRK") .. "/common.lua")
local at, coupon, product = 0, 1, 0
local waiting, first, last = {}, 1, 0
local index = {}

function init(args)
  load_members()
  coupon = tonumber(os.getenv("FIRST_COUPON") or "1")
  for i, member in ipairs(members) do index[member] = i end
end

function request()
  if first <= last then
    local next = waiting[first]
    waiting[first] = nil
    first = first + 1
    local who = index[next.member] or 1
    if next.payment then return wrk.format("POST", "/payment/" .. next.payment, headers_of(tokens[who])) end
    local lines = {}
    for i = 1, 10 do
      product = (product + 7919) % 10000
      lines[i] = '{"productId":' .. (product + 1) .. ',"quantity":1}'
    end
    local body = '{"items":[' .. table.concat(lines, ",") .. '],"couponId":' .. next.coupon .. "}"
    return wrk.format("POST", "/order/" .. members[who], headers_of(tokens[who], body), body)
  end
  at = at + 1
  if at > #members then at, coupon = 1, coupon + 1 end
  return wrk.format("POST", "/coupons/" .. coupon, headers_of(tokens[at]))
end

function response(status, headers, body)
  if status ~= 201 then return end
  last = last + 1
  waiting[last] = {
    member = body:match('"memberId":"([^"]+)"'),
    payment = body:match('"paymentId":"([^"]+)"'),
    coupon = body:match('"couponId":(%d+)'),
  }
end
