"""Invocations that were asked for and have not returned. It runs none, and knows what none is about."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from .oldest import oldest
from .results import Answer, read_answer
from .shapes import Event
from .values import Effect, Invoke, Returned

INTEGRATION_TIMEOUT = 29.0  # seconds

Settle = Callable[[Returned | None, float], None]
"""Tells the caller of an invocation what became of it, and when; None: the integration time-out struck first."""

Answered = Callable[[Answer, float], None]
"""The same, for a function that returns a proxy result."""

Emit = Callable[[Effect], None]
"""Takes what is to be done, in order."""


@dataclass(slots=True)
class Running:
    """An invocation that has not returned. `settle` is None once its caller has been told, or if nobody asks."""

    started_at: float
    settle: Settle | None


class Invocations:
    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._running: dict[str, Running] = {}
        # All have the same time-out, so the order in which they began is the order in which they fall due.
        self._awaited: OrderedDict[str, Running] = OrderedDict()  # those with a caller who waits

    def ask(self, function: str, invocation_id: str, event: Event, now: float, answered: Answered) -> None:
        """Starts a function that returns a proxy result."""

        def settle(returned: Returned | None, now: float) -> None:
            answered(read_answer(returned), now)

        self.start(function, invocation_id, event, now, settle)

    def start(self, function: str, invocation_id: str, event: Event, now: float, settle: Settle | None) -> None:
        running = Running(now, settle)
        self._running[invocation_id] = running
        if settle is not None:
            self._awaited[invocation_id] = running
        self._emit(Invoke(invocation_id, function, event))

    def returned(self, returned: Returned, now: float) -> None:
        """Raises LookupError for what does not run."""
        running = self._running.pop(returned.invocation_id, None)
        if running is None:
            raise LookupError(f"invocation {returned.invocation_id} is not running")
        self._awaited.pop(returned.invocation_id, None)
        _settle(running, returned, now)

    def tick(self, now: float) -> None:
        while (late := oldest(self._awaited)) and late.started_at + INTEGRATION_TIMEOUT <= now:
            self._awaited.popitem(last=False)
            _settle(late, None, now)

    def due(self) -> float | None:
        late = oldest(self._awaited)
        return late.started_at + INTEGRATION_TIMEOUT if late else None


def _settle(running: Running, returned: Returned | None, now: float) -> None:
    settle, running.settle = running.settle, None
    if settle is not None:
        settle(returned, now)
