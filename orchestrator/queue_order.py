"""The order of the queue: interactive jobs first, within a class one job of each user in turn.

A job's score is one number: its class, its round, and a counter that keeps arrivals within a round in order. A user's
jobs lie in consecutive rounds, the first of them in the round that is being served, so nobody waits for more than one
job of each other user (start-time fair queueing with equal costs). No clock is read: there is none to lie about.

Where both classes wait, one of BACKGROUND_TURN turns is the background's. A job that is taken out stays in the sorted
set until it ends, as arq needs it, with the time in seconds as its score.

Redis keys, which expire EXPIRES_S after the last job:
`irisvue:line:{class}` has the round of each user's next job, `irisvue:round:{class}` the round that is being served,
`irisvue:arrivals` counts jobs, `irisvue:shared_turns` the turns since the background had one. Redis may lose them all:
the rounds begin anew.
"""

from collections.abc import Iterable, Sequence

from redis.asyncio import Redis

CLASSES = ("interactive", "background")
BACKGROUND_TURN = 10
WAITING = 2**51  # the lowest score of a job that waits; of one that was taken out it is Redis's time, in seconds
EXPIRES_S = 7 * 24 * 3600

_SHARED_KEYS = ("irisvue:arrivals", "irisvue:shared_turns")
_CLASS_KEYS = tuple(f"irisvue:{key}:{name}" for name in CLASSES for key in ("line", "round"))

# A band of scores for each class; below the first, jobs that are taken. All fits into the 53 bits of a double.
_BANDS = f"""
local BAND, ROUND, SHARE, EXPIRES = {WAITING}, 2^22, {BACKGROUND_TURN}, {EXPIRES_S}
local function text(number) return string.format('%.0f', number) end
local function first(class)
  local range = {{text(class * BAND), '(' .. text((class + 1) * BAND)}}
  return redis.call('ZRANGEBYSCORE', KEYS[1], range[1], range[2], 'WITHSCORES', 'LIMIT', 0, 1)
end
local function count(from, to) return redis.call('ZCOUNT', KEYS[1], text(from), to) end
"""

# KEYS: the queue, the shared keys, those of the classes, then of each job its own. ARGV: `1` if they go to the front of
# their class, then name, payload, user and number of the class of each job.
_ENTER = (
    _BANDS
    + """
local entered = 0
for n = 8, #KEYS do
  local at = (n - 8) * 4 + 2
  local name, payload, user, class = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
  local line, served = KEYS[2 + 2 * class], KEYS[3 + 2 * class]
  if redis.call('SET', KEYS[n], payload, 'EX', EXPIRES, 'NX') then
    if not first(class)[1] then redis.call('DEL', line, served) end
    local round = tonumber(redis.call('GET', served) or 0)
    redis.call('ZREMRANGEBYSCORE', line, '-inf', text(round))
    local mine = round
    if ARGV[1] ~= '1' then
      mine = tonumber(redis.call('ZSCORE', line, user) or round)
      redis.call('ZADD', line, text(mine + 1), user)
      redis.call('EXPIRE', line, EXPIRES)
    end
    local arrival = redis.call('INCR', KEYS[2])
    redis.call('EXPIRE', KEYS[2], EXPIRES)
    redis.call('ZADD', KEYS[1], text(class * BAND + mine * ROUND + arrival % ROUND), name)
    entered = entered + 1
  end
end
return entered
"""
)

# KEYS as above, without jobs. ARGV: how many, then the classes that may be taken.
_TAKE = (
    _BANDS
    + """
local names = {}
for n = 1, tonumber(ARGV[1]) do
  local chosen, class
  for k = 2, #ARGV do
    local other = tonumber(ARGV[k])
    local head = first(other)
    if head[1] and not chosen then
      chosen, class = head, other
    elseif head[1] then
      local turn = (tonumber(redis.call('GET', KEYS[3]) or 0) + 1) % SHARE
      redis.call('SET', KEYS[3], turn, 'EX', EXPIRES)
      if turn == 0 then chosen, class = head, other end
    end
  end
  if not chosen then break end
  local served = KEYS[3 + 2 * class]
  local round = math.floor((tonumber(chosen[2]) - class * BAND) / ROUND)
  redis.call('SET', served, text(math.max(round, tonumber(redis.call('GET', served) or 0))), 'EX', EXPIRES)
  redis.call('ZADD', KEYS[1], redis.call('TIME')[1], chosen[1])
  names[n] = chosen[1]
end
return names
"""
)

# KEYS as above, without jobs. ARGV: names. With `shared` turns since the last one of the background, turn number k from
# now on is its own where k + shared is a multiple of SHARE.
_PLACES = (
    _BANDS
    + """
local interactive, background = count(BAND, '(' .. text(2 * BAND)), count(2 * BAND, '(' .. text(3 * BAND))
local shared = tonumber(redis.call('GET', KEYS[3]) or 0)
local places = {}
for n, name in ipairs(ARGV) do
  local score = tonumber(redis.call('ZSCORE', KEYS[1], name) or 0)
  local place = 0
  if score >= 2 * BAND then
    place = count(2 * BAND, text(score))
    place = place + math.min(interactive, place * (SHARE - 1) - shared)
  elseif score >= BAND then
    place = count(BAND, text(score))
    place = place + math.min(background, math.floor((place + shared - 1) / (SHARE - 1)))
  end
  places[n] = place
end
return places
"""
)


async def enter(
    redis: Redis, queue: str, jobs: Sequence[tuple[str, str, bytes, str, str]], *, to_the_front: bool = False
) -> int:
    """Put jobs into the queue, in this order: key, name, payload, user and class of each.

    Those whose key exists stay where they are. Returns how many came in.
    """
    keys = [queue, *_SHARED_KEYS, *_CLASS_KEYS, *(key for key, *_ in jobs)]
    arguments: list[str | bytes | int] = [int(to_the_front)]
    for _, name, payload, user, of_class in jobs:
        arguments += [name, payload, user, CLASSES.index(of_class) + 1]
    return int(await redis.register_script(_ENTER)(keys, arguments))


async def take(redis: Redis, queue: str, at_most: int, classes: Iterable[str] = CLASSES) -> list[bytes]:
    """Take out the names whose turn it is, of these classes; nobody else gets them."""
    numbers = [CLASSES.index(name) + 1 for name in CLASSES if name in set(classes)]
    names: list[bytes] = await redis.register_script(_TAKE)([queue, *_SHARED_KEYS, *_CLASS_KEYS], [at_most, *numbers])
    return names


async def places(redis: Redis, queue: str, names: Sequence[str]) -> list[int]:
    """Each one's place in line, 1 for the next that workers of both classes take; 0 for those that do not wait."""
    in_line: list[int] = await redis.register_script(_PLACES)([queue, *_SHARED_KEYS, *_CLASS_KEYS], list(names))
    return in_line
