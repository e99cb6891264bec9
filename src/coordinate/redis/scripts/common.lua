-- What every script begins with.
--
-- KEYS  1 queue: cache keys by urgency and arrival   2 due: cache keys by when their lease or pause ends, ms
--       3 the last fencing number                    4 results: cache keys by when they were finished, ms
-- ARGV  1 what the key of a job's hash begins with   2 the channel   3 this replica
--       4 how long an untouched job stays, ms
--
-- A job's hash: state (queued, leased, delayed, done, failed), job, source, urgency, score, waiters, attempts (leases
-- that were given), failed (those that ended in an error; the others' replicas died);
-- leased: owner, fence; done: how, fresh_until, body; delayed and failed: error.

local QUEUE, DUE, FENCE, RESULTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local JOB, CHANNEL, OWNER, STAY = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- Behind all clients: later than any of them by more than a century of microseconds.
local BACKGROUND = 4000000000000000
-- How long an outcome stays for those who missed its announcement, ms.
local GRACE = 30000
-- More finished jobs than this are never kept, however long their time to live is.
local MOST_RESULTS = 1000

-- Numbers above 2^31 would be written with an exponent.
local function text(number)
  return string.format('%.0f', number)
end

local clock = redis.call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now = math.floor(now_us / 1000)

local function enqueue(key, score)
  redis.call('ZADD', QUEUE, score, key)
  redis.call('PEXPIRE', QUEUE, STAY)
end

local function wake_at(key, at)
  redis.call('ZADD', DUE, text(at), key)
  redis.call('PEXPIRE', DUE, STAY)
end

-- Fencing numbers only grow, also when the server has forgotten the last one: they are no less than its clock. Gives
-- back the number, how many attempts have failed before and over how many replicas died.
local function lease(key, lease_ms)
  local last = tonumber(redis.call('GET', FENCE) or '0')
  local fence = text(math.max(last + 1, now_us))
  redis.call('SET', FENCE, fence, 'PX', 86400000)
  redis.call('HSET', JOB .. key, 'state', 'leased', 'owner', OWNER, 'fence', fence)
  local attempts = redis.call('HINCRBY', JOB .. key, 'attempts', 1)
  local failed = tonumber(redis.call('HGET', JOB .. key, 'failed') or '0')
  redis.call('PEXPIRE', JOB .. key, STAY)
  redis.call('ZREM', QUEUE, key)
  wake_at(key, now + tonumber(lease_ms))
  return fence, failed, attempts - 1 - failed
end

-- Puts an outcome in the place of the job, bounds how many there are, and tells everybody.
local function conclude(key, stay_ms, announcement, ...)
  redis.call('DEL', JOB .. key)
  redis.call('HSET', JOB .. key, ...)
  redis.call('PEXPIRE', JOB .. key, stay_ms)
  redis.call('ZREM', QUEUE, key)
  redis.call('ZREM', DUE, key)
  redis.call('ZADD', RESULTS, text(now), key)
  redis.call('PEXPIRE', RESULTS, math.max(tonumber(stay_ms), redis.call('PTTL', RESULTS)))
  local surplus = redis.call('ZCARD', RESULTS) - MOST_RESULTS
  if surplus > 0 then
    local oldest = redis.call('ZPOPMIN', RESULTS, surplus)
    for at = 1, #oldest, 2 do
      local state = redis.call('HGET', JOB .. oldest[at], 'state')
      if state == 'done' or state == 'failed' then
        redis.call('DEL', JOB .. oldest[at])
      end
    end
  end
  redis.call('PUBLISH', CHANNEL, announcement)
end

local function fail(key, error)
  conclude(key, GRACE, '-' .. key .. ' ' .. error, 'state', 'failed', 'error', error)
end

-- A job whose place in a list was lost (a list that ran out, or was evicted) would wait for nothing.
local function mend(key, state)
  if state == 'queued' and not redis.call('ZSCORE', QUEUE, key) then
    enqueue(key, redis.call('HGET', JOB .. key, 'score'))
    redis.call('PUBLISH', CHANNEL, 'q')
  elseif (state == 'leased' or state == 'delayed') and not redis.call('ZSCORE', DUE, key) then
    wake_at(key, now)
    redis.call('PUBLISH', CHANNEL, 'q')
  end
end
