"""Races: calls of one kind are held until all of them have come, then go on at once."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pytest_sessionplugin.aws import caller, calls
from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.endpoints import MANAGEMENT
from pytest_sessionplugin.errors import RaceNotRun

PATIENCE = 5.0
"""Seconds for which a call is held when it cannot be told whether another one may still come."""

LOOK = 0.005  # seconds between two looks at whether anything still moves

AtRest = Callable[[Collection[int], Collection[str]], bool]
"""Whether everything waits for these held invocations, although these threads still run; both are given by id."""


def _no_gateway(threads: Collection[int], invocations: Collection[str]) -> bool:
    return not threads


@dataclass(frozen=True)
class HeldCall:
    """A call that waits for the others."""

    thread: int
    invocation: caller.Invocation | None  # None: not in a handler's own thread


class Races:
    """`aws_race("dynamodb:UpdateItem", parties=2)`: the races of one test."""

    def __init__(self, at_rest: AtRest = _no_gateway) -> None:
        self._at_rest = at_rest
        self._races: list[Race] = []

    def __call__(self, call: str, *connections: str, parties: int = 2) -> Race:
        """A race of calls, `dynamodb:UpdateItem`, or of posts to these connections: open it with `with`."""
        calls.check(call)
        if connections and call.partition(":")[0] != MANAGEMENT:
            raise ValueError(f"only calls of {MANAGEMENT} are about connections, not {call}")
        if parties < 2:
            raise ValueError(f"a race needs two parties at least, not {parties}")
        race = Race(call, frozenset(connections), parties, self._at_rest)
        self._races.append(race)
        return race

    def hold(self, call: Call, connection: str | None) -> None:
        """Returns when the call may go on. The caller holds no lock."""
        for race in self._races:
            race.hold(call, connection)

    @property
    def never_run(self) -> tuple[Race, ...]:
        """Races to which no call came, unless an error has said so."""
        return tuple(race for race in self._races if not race.came and not race.told)


class Race:
    """A race is run once. Further calls, and calls after its end, are not held."""

    def __init__(self, call: str, connections: frozenset[str], parties: int, at_rest: AtRest) -> None:
        self.call, self.parties = call, parties
        self.came = 0
        self.told = False  # an error has said that it was not run
        self._connections = connections
        self._at_rest = at_rest
        self._changed = threading.Condition()
        self._held: list[HeldCall] = []
        self._open = False
        self._why_not = ""

    def __str__(self) -> str:
        whom = f" for {', '.join(sorted(self._connections))}" if self._connections else ""
        return f"{self.call}{whom}"

    @property
    def met(self) -> bool:
        """Whether all parties have come."""
        return self.came >= self.parties

    # --- for a test

    def run(self, *actions: Callable[[], Any], return_exceptions: bool = False) -> list[Any]:
        """Calls each action in a thread of its own and returns their results in order.

        Raises the first exception of an action when all have ended; with `return_exceptions` exceptions are among the
        results. Raises RaceNotRun as soon as nothing moves any more and not all parties have come.
        """
        if not self._open:
            raise RaceNotRun(
                f"the race at {self} is over, or not begun: write `with aws_race(…) as race:` for each run."
            )
        runners = [_Runner(action) for action in actions]
        for runner in runners:
            runner.start()
        self._watch(runners)
        for runner in runners:
            runner.join()
        raised = [runner.error for runner in runners if runner.error is not None]
        if not self.met:
            raise self._not_run() from (raised[0] if raised else None)
        if raised and not return_exceptions:
            raise raised[0]
        return [runner.result if runner.error is None else runner.error for runner in runners]

    def __enter__(self) -> Race:
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._watch(())
        finally:
            self._end("its block ended")
        if error is None and self.came and not self.met and not self.told:
            raise self._not_run()

    # --- for the interceptor

    def hold(self, call: Call, connection: str | None) -> None:
        if not call.is_of(self.call) or (self._connections and connection not in self._connections):
            return
        with self._changed:
            if not self._open:
                return
            self.came += 1
            self._held.append(HeldCall(threading.get_ident(), caller.here()))
            if self.met:
                self._open = False
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: not self._open, PATIENCE):
                self._end(f"no other came within {PATIENCE:g} s: give each a thread of its own with race.run()")

    # --- helpers

    def _watch(self, threads: Collection[threading.Thread]) -> None:
        """Returns when the race is over, at the latest when nothing moves any more.

        Once the threads have ended, invocations that they started have a bounded time to come to rest.
        """
        deadline = time.monotonic() + PATIENCE
        while self._open:
            with self._changed:
                self._changed.wait_for(lambda: not self._open, LOOK)
                held = tuple(self._held)
            alive = {thread.ident for thread in threads if thread.is_alive()}
            if alive:
                deadline = time.monotonic() + PATIENCE
            if self._is_at_rest(alive, held):
                self._end("nothing else was running that could make another")
            elif time.monotonic() > deadline:
                self._end(f"what else was running made no other within {PATIENCE:g} s")

    def _is_at_rest(self, alive: set[int | None], held: Collection[HeldCall]) -> bool:
        moving = {thread for thread in alive if thread is not None} - {each.thread for each in held}
        return self._at_rest(moving, {each.invocation.id for each in held if each.invocation is not None})

    def _end(self, why_not: str) -> None:
        with self._changed:
            if self._open:
                self._open, self._why_not = False, why_not
                self._changed.notify_all()

    def _not_run(self) -> RaceNotRun:
        self.told = True
        names = sorted({each.invocation.function for each in self._held if each.invocation is not None})
        where = f" (in {', '.join(names)})" if names else ""
        return RaceNotRun(f"{self.came} of {self.parties} calls came to {self}{where}, and {self._why_not}.")


class _Runner(threading.Thread):
    """One action, and its result. A daemon thread: an action that never ends does not keep the process alive."""

    def __init__(self, action: Callable[[], Any]) -> None:
        super().__init__(name="race", daemon=True)
        self._action, self._within = action, contextvars.copy_context()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._within.run(self._action)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            self.error = error
