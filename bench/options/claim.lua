if redis.call("SISMEMBER", KEYS[2], ARGV[1]) == 1 then return -1 end
local number = redis.call("INCR", KEYS[1])
if number > 1000000000 then redis.call("DECR", KEYS[1]) return 0 end
redis.call("SADD", KEYS[2], ARGV[1])
return number
