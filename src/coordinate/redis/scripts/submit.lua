-- Wants a variant: ARGV 5 its key, 6 the job, 7 its source, 8 urgency (0 client, 1 background), 9 whether this
-- replica could begin at once, 10 the lease, ms.
local key, wanted, lease_ms = ARGV[5], tonumber(ARGV[8]), ARGV[10]
local hash = JOB .. key
local state = redis.call('HGET', hash, 'state')
if state == 'done' then
  local result = redis.call('HMGET', hash, 'how', 'fresh_until')
  if result[1] ~= 'none' and tonumber(result[2]) > now then
    return { 'done', result[1] }
  end
end
local is_new = not state or state == 'done' or state == 'failed'
local score = text(now_us + wanted * BACKGROUND)
if is_new then
  redis.call('DEL', hash)
  redis.call('ZREM', RESULTS, key)
  redis.call('HSET', hash, 'state', 'queued', 'job', ARGV[6], 'source', ARGV[7], 'urgency', wanted, 'score', score)
end
if redis.call('HSETNX', hash, 'w:' .. OWNER, 1) == 1 then
  redis.call('HINCRBY', hash, 'waiters', 1)
end
redis.call('PEXPIRE', hash, STAY)
if is_new then
  -- Nobody overtakes a client that waits.
  if ARGV[9] == '1' and redis.call('ZCOUNT', QUEUE, '-inf', text(BACKGROUND)) == 0 then
    return { 'leased', lease(key, lease_ms) }
  end
  enqueue(key, score)
  redis.call('PUBLISH', CHANNEL, 'q')
  return { 'waiting' }
end
if wanted < tonumber(redis.call('HGET', hash, 'urgency')) then
  redis.call('HSET', hash, 'urgency', wanted, 'score', score)
  if state == 'queued' then
    enqueue(key, score)
  end
end
mend(key, state)
return { 'waiting' }
