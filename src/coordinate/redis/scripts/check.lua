-- Asks what has become of a job that this replica waits for: ARGV 5 its key.
local hash = JOB .. ARGV[5]
local job = redis.call('HMGET', hash, 'state', 'how', 'error')
if not job[1] then
  return { 'gone' }
elseif job[1] == 'done' then
  return { 'done', job[2] }
elseif job[1] == 'failed' then
  return { 'failed', job[3] }
end
mend(ARGV[5], job[1])
redis.call('PEXPIRE', hash, STAY)
return { 'waiting' }
