-- Prolongs leases: ARGV 5 the lease, ms, then pairs of key and fencing number. Answers which were lost.
local lost = {}
for at = 6, #ARGV, 2 do
  local key = ARGV[at]
  local job = redis.call('HMGET', JOB .. key, 'state', 'owner', 'fence')
  if job[1] == 'leased' and job[2] == OWNER and job[3] == ARGV[at + 1] then
    wake_at(key, now + tonumber(ARGV[5]))
    redis.call('PEXPIRE', JOB .. key, STAY)
  else
    lost[#lost + 1] = key
  end
end
return lost
