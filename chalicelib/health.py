"""Whether the service can do its work: a probe, asked at most every five seconds. Knows no table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from chalicelib.errors import Unavailable

FRESH: Final = 5.0  # seconds for which an answer is kept


class Readiness:
    """`probe` raises Unavailable when it fails; `monotonic` gives seconds that never jump."""

    def __init__(self, probe: Callable[[], None], monotonic: Callable[[], float]) -> None:
        self._probe = probe
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._failure: Unavailable | None = None

    def check(self) -> None:
        """Raises Unavailable if the probe does, or did within the last five seconds."""
        with self._lock:
            now = self._monotonic()
            if self._asked_at is None or now - self._asked_at >= FRESH:
                self._failure = None
                try:
                    self._probe()
                except Unavailable as exc:
                    self._failure = exc
                self._asked_at = now
            if self._failure is not None:
                raise Unavailable(self._failure.what)
