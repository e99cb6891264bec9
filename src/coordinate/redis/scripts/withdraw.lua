-- Waits for a job no longer: ARGV 5 its key. The last one takes it out of the queue, unless it is in work.
local key = ARGV[5]
local hash = JOB .. key
if redis.call('HDEL', hash, 'w:' .. OWNER) == 0 then
  return 0
end
local waiters = redis.call('HINCRBY', hash, 'waiters', -1)
local state = redis.call('HGET', hash, 'state')
if waiters <= 0 and (state == 'queued' or state == 'delayed') then
  redis.call('DEL', hash)
  redis.call('ZREM', QUEUE, key)
  redis.call('ZREM', DUE, key)
end
return 1
