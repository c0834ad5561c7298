-- Purchases: an order, then its payment; two requests, both counted. PRODUCTS=1 is a hot product, more is a spread.
dofile(os.getenv("WRK") .. "/common.lua")
local at, product, products = 0, 0, 1
local payments, payers, first, last = {}, {}, 1, 0

function init(args)
  load_members()
  products = tonumber(os.getenv("PRODUCTS") or "1")
  at = id * 17
end

function request()
  if first <= last then
    local payment, payer = payments[first], payers[first]
    payments[first], payers[first] = nil, nil
    first = first + 1
    return wrk.format("POST", "/payment/" .. payment, headers_of(token_of[payer] or tokens[1]))
  end
  at = at % #members + 1
  product = (product + 7919) % products
  local body = '{"items":[{"productId":' .. (product + 1) .. ',"quantity":1}]}'
  return wrk.format("POST", "/order/" .. members[at], headers_of(tokens[at], body), body)
end

function response(status, headers, body)
  if status == 201 then
    last = last + 1
    payments[last] = body:match('"paymentId":"([^"]+)"')
    payers[last] = body:match('"memberId":"([^"]+)"')
  end
end
