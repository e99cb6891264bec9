-- Ends a lease: ARGV 5 the key, 6 the fencing number, 7 how it ended, and
--   done:   8 how the result is had (stored, carried, none), 9 how long it is fresh, ms, 10 the body
--   failed: 8 the error
--   retry:  8 the pause, ms, 9 the error
-- Answers 0, and does nothing, when another replica has the job by now.
local key, ending = ARGV[5], ARGV[7]
local hash = JOB .. key
local job = redis.call('HMGET', hash, 'state', 'owner', 'fence', 'waiters')
if job[1] ~= 'leased' or job[2] ~= OWNER or job[3] ~= ARGV[6] then
  return 0
end
if ending == 'done' then
  local fresh_ms = tonumber(ARGV[9])
  conclude(key, math.max(fresh_ms, GRACE), '+' .. key .. ' ' .. ARGV[8],
    'state', 'done', 'how', ARGV[8], 'fresh_until', text(now + fresh_ms), 'body', ARGV[10])
elseif ending == 'failed' then
  fail(key, ARGV[8])
elseif tonumber(job[4] or '0') <= 0 then
  redis.call('DEL', hash)
  redis.call('ZREM', DUE, key)
else
  redis.call('HSET', hash, 'state', 'delayed', 'error', ARGV[9])
  redis.call('HDEL', hash, 'owner', 'fence')
  redis.call('HINCRBY', hash, 'failed', 1)
  wake_at(key, now + tonumber(ARGV[8]))
end
return 1
