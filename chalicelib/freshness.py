"""How long what was fetched stays good, and when its source may be asked again. Fetches nothing and reads no clock."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

REFRESH: Final = timedelta(
    minutes=1
)  # how often what is not known, as the key of some token, may have the source asked
RECOVERY: Final = timedelta(seconds=15)
"""How long a source that did not answer is left alone. It counts from the request on that asked, which may have waited
for half of that: by less than it waits, each request of a function would wait in its turn."""
DISORDER: Final = timedelta(minutes=1)  # requests that are handled at once are never further apart

_NEVER: Final = datetime.min.replace(tzinfo=timezone.utc)


class Freshness:
    """Of what is used for `lifespan` without asking again. For one thread at a time."""

    def __init__(self, lifespan: timedelta) -> None:
        self._lifespan = lifespan
        self._asked_at = _NEVER
        self._stale_at = _NEVER
        self._ask_at = _NEVER  # not before, whatever happens

    def is_stale(self, now: datetime) -> bool:
        return now >= self._stale_at

    def may_ask(self, now: datetime) -> bool:
        """Whether the source may be asked. Where the clock was put back, what is known is of any age, and stale."""
        if now + DISORDER < self._asked_at:
            self._asked_at = self._stale_at = self._ask_at = now
        return now >= self._ask_at

    def answered(self, now: datetime) -> None:
        self._asked_at, self._ask_at, self._stale_at = now, now + REFRESH, now + self._lifespan

    def unanswered(self, now: datetime) -> None:
        self._asked_at, self._ask_at = now, now + RECOVERY
