"""The time by which PyJWT keeps a key set, and waits before it looks for an unknown key again: monotonic, unless moved.

It goes on by what a test moves the time of day, and never back: a client that an app keeps outlives the test.
"""

from __future__ import annotations

import sys
import time
from types import ModuleType
from typing import Any

ENOUGH = 3600.0  # seconds, longer than a cooldown and the life of a key set usually are

_READERS = ("jwt.jwks_client", "jwt.jwk_set_cache", "jwt.api_jwk")


class _MovedTime:
    """The module `time`, as PyJWT sees it once its time was moved."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def move(self, seconds: float) -> None:
        self._ahead += seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


_TIME = _MovedTime()
"""Moved only once PyJWT reads it: a client never sees more time pass than a test lets pass."""


def pass_by(seconds: float) -> None:
    """Lets so much time pass for all clients of PyJWT."""
    readers = [sys.modules[name] for name in _READERS if name in sys.modules]
    for module in readers:
        if vars(module).get("time") is time:
            _give(module)
    if readers:
        _TIME.move(seconds)


def _give(module: ModuleType) -> None:
    reader: Any = module
    reader.time = _TIME
