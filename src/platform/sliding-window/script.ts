import { createHash } from 'node:crypto';

/**
 * Asks several buckets in turn, each check and add being one with it. Time is that of Redis.
 * KEYS: the buckets. ARGV: window in milliseconds, then for each bucket its limit and the member to add, empty to
 * count nothing. A key that holds anything but a sorted set is no bucket of ours, and makes room: it must not keep all
 * the others from being counted. Answers for each bucket three numbers: allowed (1 or 0), requests in the window, milliseconds until
 * the oldest leaves it.
 */
export const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window = tonumber(ARGV[1])
local answers = {}
for i, key in ipairs(KEYS) do
  local limit, member = tonumber(ARGV[2 * i]), ARGV[2 * i + 1]
  local first = redis.pcall('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first.err then
    redis.call('DEL', key)
    first = {}
  end
  local oldest = first[2]
  if oldest and now - oldest >= window then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now - window)
    oldest = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  end
  local count = oldest and redis.call('ZCARD', key) or 0
  local allowed = count < limit
  if allowed and member ~= '' then
    redis.call('ZADD', key, now, member)
    redis.call('PEXPIRE', key, window + 1000)
    count = count + 1
  end
  answers[3 * i - 2] = allowed and 1 or 0
  answers[3 * i - 1] = count
  answers[3 * i] = (oldest or now) + window - now
end
return answers`;

export const SCRIPT_SHA = createHash('sha1').update(SCRIPT).digest('hex');
