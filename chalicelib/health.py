"""Whether the service can do its work: a probe, asked at most every five seconds. Knows no table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from chalicelib.errors import Unavailable
from chalicelib.logs import log

FRESH: Final = 5.0  # seconds for which an answer is kept


class Readiness:
    """`probe` raises when the service cannot do its work; `monotonic` gives seconds that never jump."""

    def __init__(self, probe: Callable[[], None], monotonic: Callable[[], float]) -> None:
        self._probe = probe
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._ready = False

    def check(self) -> None:
        """Raises Unavailable if the probe failed now, or within the last five seconds."""
        with self._lock:
            now = self._monotonic()
            if self._asked_at is None or now - self._asked_at >= FRESH:
                self._ready = self._probes()
                self._asked_at = now
            if not self._ready:
                raise Unavailable("A table")

    def _probes(self) -> bool:
        try:
            self._probe()
        except Exception:  # noqa: BLE001  whatever it is, the service cannot do its work
            log.exception("the service is not ready")
            return False
        return True
