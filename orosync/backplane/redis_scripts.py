"""What nodes keep in Redis, key by key, and the scripts that change it in one step.

    PREFIX:nodes         hash: node -> boot and end of the lease, in milliseconds of Redis' clock
    PREFIX:in:NODE:BOOT  stream: the inbox of one life of a node
    PREFIX:claims        hash: claimed key, node and boot, separated by NUL -> microseconds since when, and policy
    PREFIX:once:KEY      string that expires: by whom the key was asked about first
    PREFIX:kept:AREA     hash: kept values
    PREFIX:log:LOG       list of values, with PREFIX:size:LOG: the bytes in it, and how many values it has no more

Leases are in one hash and no keys of their own, so that each script names every key that it uses (Redis ACL, Dragonfly)
and all nodes see which has gone. The first three vanish when no node has renewed its lease for a while.
"""

from __future__ import annotations

import attrs

SEPARATOR = "\0"


@attrs.frozen
class Keys:
    """The names of keys below ``prefix``."""

    prefix: str

    @property
    def nodes(self) -> str:
        """Who is there."""
        return f"{self.prefix}:nodes"

    @property
    def claims(self) -> str:
        """What they have claimed."""
        return f"{self.prefix}:claims"

    def inbox(self, node: str, boot: str) -> str:
        """Where batches wait."""
        return f"{self.prefix}:in:{node}:{boot}"

    def once(self, key: str) -> str:
        """What was asked about."""
        return f"{self.prefix}:once:{key}"

    def kept(self, area: str) -> str:
        """Values."""
        return f"{self.prefix}:kept:{area}"

    def log(self, log: str) -> tuple[str, str]:
        """A list and its size."""
        return f"{self.prefix}:log:{log}", f"{self.prefix}:size:{log}"


_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function lease_of(text)
  local boot, ends = string.match(text or '', '^(%S+) (%d+)$')
  return boot, tonumber(ends or '0')
end
"""

LEASE = (
    _NOW
    + """
local node, boot, lease, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local found = redis.call('HGETALL', KEYS[1])
local before, ended, live = 0, 0, {}
for at = 1, #found, 2 do
  local other, ends = lease_of(found[at + 1])
  if ends <= now then
    redis.call('HDEL', KEYS[1], found[at])
    ended = ended + 1
  elseif found[at] ~= node then
    live[#live + 1] = {found[at], other, ends - now, string.format('%.0f', ends)}
  elseif other == boot then
    before = 1
  else
    return {'taken', other, string.format('%.0f', ends), ends - now}
  end
end
redis.call('HSET', KEYS[1], node, boot .. ' ' .. string.format('%.0f', now + lease))
local made = 0
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('XADD', KEYS[2], '*', 'n', '')
  made = 1
end
for at = 1, 3 do redis.call('PEXPIRE', KEYS[at], keep) end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
return {'has', before, made, last and last[1] or '0-0', ended, live, string.format('%.0f', now)}
"""
)
"""KEYS: nodes, own inbox, claims. ARGV: node, boot, milliseconds of a lease, of what is kept without one.

Takes or renews the lease. Answers taken, by which boot, until when, for how many milliseconds; or has, whether it had
the lease before, whether the inbox was made, its last id, how many leases have ended, the others (node, boot,
milliseconds left, until when), and what time it is."""

LEAVE = """
if string.sub(redis.call('HGET', KEYS[1], ARGV[1]) or '', 1, #ARGV[2]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return redis.call('DEL', KEYS[2])
"""
"""KEYS: nodes, own inbox. ARGV: node, boot."""

CLAIM = (
    _NOW
    + r"""
local node, boot, key, policy, given, force, keep = unpack(ARGV)
local own, ends = lease_of(redis.call('HGET', KEYS[1], node))
if own ~= boot or ends <= now then return {'lapsed'} end
local function claim_of(name, life)
  local field = key .. '\0' .. name .. '\0' .. life
  local since, shared = string.match(redis.call('HGET', KEYS[2], field) or '', '^(%d+) (.*)$')
  return field, tonumber(since), shared
end
local mine, since = claim_of(node, boot)
given = tonumber(given)
if given > 0 and given < (since or given + 1) then since = given end
local against, oldest, holder = {}, nil, nil
local found = redis.call('HGETALL', KEYS[1])
for at = 1, #found, 2 do
  local other, until_when = lease_of(found[at + 1])
  if found[at] ~= node and until_when > now then
    local field, other_since, shared = claim_of(found[at], other)
    if other_since and (force == '1' or policy == '' or shared ~= policy) then
      against[#against + 1] = field
      if not oldest or other_since < oldest or (other_since == oldest and found[at] < holder) then
        oldest, holder = other_since, found[at]
      end
    end
  end
end
local older = given > 0 and oldest and (since < oldest or (since == oldest and node < holder))
if #against > 0 and force ~= '1' and not older then
  return {'held', holder, string.format('%.0f', oldest)}
end
for _, field in ipairs(against) do redis.call('HDEL', KEYS[2], field) end
since = string.format('%.0f', since or (time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[2], mine, since .. ' ' .. policy)
redis.call('PEXPIRE', KEYS[2], keep)
return {'claimed', '', since}
"""
)
"""KEYS: nodes, claims. ARGV: node, boot, key, policy, microseconds since when or 0, 1 to take it from all others,
milliseconds to keep. Answers lapsed, or held or claimed, the holder, and since when."""

SWEEP = (
    _NOW
    + """
for at = 1, #ARGV, 3 do
  local boot, ends = lease_of(redis.call('HGET', KEYS[1], ARGV[at + 1]))
  if boot ~= ARGV[at + 2] or ends <= now then redis.call('HDEL', KEYS[2], ARGV[at]) end
end
return 0
"""
)
"""KEYS: nodes, claims. ARGV: field of a claim, its node, its boot, and so on. Removes those without a lease."""

_LIST = """
local size, first = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+) (%d+)$')
size, first = tonumber(size), tonumber(first or '0')
"""

APPEND = (
    _LIST
    + """
local most, most_bytes = tonumber(ARGV[2]), tonumber(ARGV[3])
local count = redis.call('RPUSH', KEYS[1], ARGV[1])
if size and count > 1 then
  size = size + #ARGV[1]
else
  size = 0
  for _, value in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do size = size + #value end
end
while count > most or (size > most_bytes and count > 1) do
  size = size - #redis.call('LPOP', KEYS[1])
  count = count - 1
  first = first + 1
end
return redis.call('SET', KEYS[2], string.format('%.0f %.0f', size, first))
"""
)
"""KEYS: a list and its size. ARGV: value, most values, most bytes."""

READ = (
    _LIST
    + """
local from, most_bytes = math.max(tonumber(ARGV[1]), first), tonumber(ARGV[2])
local count, found = redis.call('LLEN', KEYS[1]), {}
local values = redis.call('LRANGE', KEYS[1], from - first, from - first + ARGV[3] - 1)
for at, value in ipairs(values) do
  most_bytes = most_bytes - #value
  if at > 1 and most_bytes < 0 then break end
  found[at] = value
end
return {from + #found, first + count, found}
"""
)
"""KEYS: a list and its size. ARGV: the number of the first value that is wanted, most bytes, most values. Answers the
number behind the last one in the answer, the one behind the last of all, and the values. The first value that a list
ever had has the number 0."""

ONCE = """
local first = redis.call('GET', KEYS[1])
if first then return ARGV[1] ~= '' and first == ARGV[1] and 1 or 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
"""KEYS: what is asked about. ARGV: by whom or "", milliseconds to keep. Answers 1 for the first and for the same."""

SCRIPTS = (LEASE, LEAVE, CLAIM, SWEEP, APPEND, READ, ONCE)

ACL = (
    "resetchannels -@all +select +script|load +evalsha +time +exists +del +pexpire +hget +hset +hdel +hgetall +hscan "
    "+xadd +xread +xtrim +xrevrange +set +get +rpush +lpop +llen +lrange"
)
"""What a user of Redis' ACL must be allowed, besides the keys below the prefix; docs/scaling.md has it too."""
