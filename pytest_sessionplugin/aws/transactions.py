"""Transactions of DynamoDB that are done: who asks once more with the same token is answered, and nothing is written.

Source: `ClientRequestToken` of TransactWriteItems and of ExecuteTransaction in the API reference. The SDK gives each
call a token of its own and sends it with every attempt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_sessionplugin.aws import wire

WRITES = ("dynamodb:TransactWriteItems", "dynamodb:ExecuteTransaction")

REMEMBERED = 600.0
"""Seconds for which a token is known."""


@dataclass(frozen=True)
class _Done:
    at: float
    asked: Mapping[str, Any]
    answer: wire.Answer


class Transactions:
    """Those of one test. `clock` gives seconds since the epoch. Safe from any number of threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._done: dict[str, _Done] = {}

    def once(self, asked: Mapping[str, Any], do: Callable[[], wire.Answer]) -> wire.Answer:
        """What `do` answers, or has answered: it is run unless it has succeeded within ten minutes."""
        token = asked.get("ClientRequestToken")
        if token is None:
            return do()
        with self._lock:
            self._forget()
            if (done := self._done.get(token)) is not None:
                return done.answer if done.asked == asked else _mismatch()
            answer = do()
            if answer.status == 200:
                self._done[token] = _Done(self._clock(), asked, answer)
            return answer

    def _forget(self) -> None:
        """Those of ten minutes ago; they are in the order in which they were done."""
        until = self._clock() - REMEMBERED
        while (oldest := next(iter(self._done), None)) is not None and self._done[oldest].at <= until:
            del self._done[oldest]


def _mismatch() -> wire.Answer:
    return wire.refusal(
        "json",
        "IdempotentParameterMismatchException",
        400,
        "The token has been used within ten minutes, with other parameters.",
    )
