-- Takes a job: ARGV 5 the lease, ms, 6… sources that have their share of this replica.
local lease_ms = ARGV[5]

-- Whose lease or pause has ended returns to its old place.
local returned = 0
for _, key in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', text(now), 'LIMIT', 0, 100)) do
  redis.call('ZREM', DUE, key)
  local job = redis.call('HMGET', JOB .. key, 'state', 'score')
  if job[1] == 'leased' or job[1] == 'delayed' then
    redis.call('HSET', JOB .. key, 'state', 'queued')
    redis.call('HDEL', JOB .. key, 'owner', 'fence')
    enqueue(key, job[2])
    returned = returned + 1
  end
end
if returned > 1 then
  redis.call('PUBLISH', CHANNEL, 'q')
end

local exhausted = {}
for at = 6, #ARGV do
  exhausted[ARGV[at]] = true
end
-- The bound keeps the server from being busy with one script when thousands of one source's jobs wait.
local from = 0
while from < 1024 do
  local keys = redis.call('ZRANGE', QUEUE, from, from + 63)
  if #keys == 0 then
    break
  end
  for _, key in ipairs(keys) do
    local job = redis.call('HMGET', JOB .. key, 'state', 'source', 'job')
    if job[1] ~= 'queued' then
      redis.call('ZREM', QUEUE, key)
    elseif exhausted[job[2]] then
      from = from + 1
    else
      local fence, failed, died = lease(key, lease_ms)
      return { 'job', key, job[3], fence, failed, died }
    end
  end
end
local next_due = redis.call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
local pause = next_due[2] and math.max(tonumber(next_due[2]) - now, 0) or -1
return { 'none', pause, redis.call('ZCARD', QUEUE) }
