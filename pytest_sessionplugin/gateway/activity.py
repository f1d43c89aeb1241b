"""Everything that runs in the gateways of one account: invocations, turns of threads, and when all of it is quiet."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pytest_sessionplugin.errors import LambdaFault
from pytest_sessionplugin.gateway.values import HANDLER_THREAD, MAX_RESULT, Done, Invoke, RunFunction, never


class NotQuiet(Exception):
    """Handlers were still running when settle() or stop() gave up; `running` names their functions."""

    __module__ = "pytest_sessionplugin"

    def __init__(self, running: tuple[str, ...], seconds: float) -> None:
        names = ", ".join(running) or "nothing, but frames are not written yet"
        super().__init__(f"the gateway is not quiet after {seconds:g} s; still running: {names}")
        self.running, self.seconds = running, seconds


class SocketClients(Protocol):
    """The clients of one gateway on sockets."""

    def asking(self) -> Collection[int]:
        """Threads that wait for an answer."""

    def hear(self) -> None:
        """Returns when the server has read everything that these clients sent."""

    def at_rest(self, asking: int, invocations: Collection[str]) -> bool:
        """Whether that many requests wait for an answer, and only these invocations run."""


@dataclass(eq=False, slots=True)
class PendingInvocation:
    """An invocation from Invoke to Returned."""

    id: str
    function: str
    run: RunFunction  # of the deployment that was current when it began
    done: Done | None = None  # called at its end if it did not come from the core


_Result = TypeVar("_Result")
_Job = Callable[[], None]


class _Thread(threading.local):
    """The work of one thread, outermost first."""

    def __init__(self) -> None:
        self.invocations: list[PendingInvocation] = []
        self.turns: list[deque[_Job]] = []  # jobs that each turn set off and has not run yet

    def stand_in(self, invocations: Sequence[PendingInvocation], turns: Sequence[deque[_Job]]) -> None:
        """Goes on with the work of another thread, which waits meanwhile."""
        self.invocations, self.turns = list(invocations), list(turns)


class Activity:
    """Everything that runs in the gateways of one account. They share its lock and become quiet together.

    A handler of one gateway may post to a connection of another one, so none is quiet alone. Thread-safe.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.Lock())
        """The lock around all cores; notified when a function has returned or a frame was written."""
        self._running: set[PendingInvocation] = set()
        self._here = _Thread()
        self._strays: deque[_Job] = deque()  # set off by threads outside of any turn
        self._active = 0  # outermost turns, in all threads
        self._interrupts: deque[BaseException] = deque()
        self._clients: list[SocketClients] = []
        self._abandoned = False

    # --- invocations

    def begin(self, invocation: PendingInvocation) -> None:
        """Call it under the lock."""
        self._running.add(invocation)

    def end(self, invocation: PendingInvocation) -> None:
        """Call it under the lock."""
        self._running.discard(invocation)
        self.changed.notify_all()

    def run(self, invocation: PendingInvocation, invoke: Invoke) -> Any:
        """Runs the function. Its result goes through JSON, as Lambda's callers get it.

        It runs in this thread; if a loop of asyncio runs here, in another one that this thread waits for. On Lambda no
        loop runs, and a handler may call asyncio.run().
        """
        if _a_loop_runs():
            return self._beside(lambda: self.run(invocation, invoke))
        self._here.invocations.append(invocation)
        try:
            return _result(json.dumps(invocation.run(invoke)))
        finally:
            self._here.invocations.pop()

    def _beside(self, act: Callable[[], _Result]) -> _Result:
        """Acts in another thread, with what this one has: its context, its turns and the invocations it is in.

        A signal, as Ctrl-C or the time-out of a test, ends the waiting, and leaves the other thread to itself.
        """
        invocations, turns = tuple(self._here.invocations), tuple(self._here.turns)
        results: list[_Result] = []
        errors: list[BaseException] = []

        def work() -> None:
            self._here.stand_in(invocations, turns)
            try:
                results.append(act())
            except BaseException as error:  # noqa: BLE001 - raised in the waiting thread
                errors.append(error)

        thread = threading.Thread(target=copy_context().run, args=(work,), name=HANDLER_THREAD, daemon=True)
        thread.start()
        thread.join()
        if errors:
            raise errors.pop()
        return results.pop()

    def under_way(self) -> frozenset[str]:
        """The invocations that have not returned."""
        with self.changed:
            return frozenset(invocation.id for invocation in self._running)

    def runs_only(self, invocations: Collection[str]) -> bool:
        """Whether nothing runs but these. Call it under the lock."""
        return all(invocation.id in invocations for invocation in self._running)

    def quiet(
        self, seconds: float, idle: Callable[[], bool] = lambda: True, enough: Callable[[], bool] = never
    ) -> None:
        """Waits until no function runs and `idle()`, or until `enough()`. Raises NotQuiet after `seconds`.

        Both are called under the lock. A handler that waits does not wait for itself. Does not wait once abandoned.
        """

        def running() -> list[str]:
            own = self._here.invocations
            return [invocation.function for invocation in self._running if invocation not in own]

        with self.changed:
            if not self.changed.wait_for(lambda: self._abandoned or enough() or (not running() and idle()), seconds):
                raise NotQuiet(tuple(running()), seconds)

    def abandon(self) -> None:
        """Nothing waits for running functions from now on: the run was interrupted."""
        with self.changed:
            self._abandoned = True
            self.changed.notify_all()

    @property
    def is_abandoned(self) -> bool:
        return self._abandoned

    # --- clients on sockets

    def join(self, clients: SocketClients) -> None:
        self._clients.append(clients)

    def leave(self, clients: SocketClients) -> None:
        """Does nothing if they have left already."""
        with contextlib.suppress(ValueError):
            self._clients.remove(clients)

    def hear(self) -> None:
        """Returns when all servers have read what their clients sent."""
        for clients in tuple(self._clients):
            clients.hear()

    def at_rest(self, threads: Collection[int], invocations: Collection[str]) -> bool:
        """Whether nothing goes on before these invocations do, though these threads have not ended.

        A function in process runs in the thread that asks for it, so there a thread that has not ended may go on.
        """
        asking = [(clients, clients.asking()) for clients in self._clients]  # first: a later request is not counted
        if not set[int]().union(*(each for _, each in asking)).issuperset(threads):
            return False
        self.hear()
        return all(clients.at_rest(len(each), invocations) for clients, each in asking)

    # --- interrupts

    def interrupt(self, error: BaseException) -> None:
        """Keeps what a handler in another thread raised to end the test."""
        self._interrupts.append(error)

    def raise_interrupt(self) -> None:
        """Raises the first one that was kept, once."""
        try:
            interrupt = self._interrupts.popleft()
        except IndexError:
            return
        self._interrupts.clear()
        raise interrupt

    # --- functions that run in the thread of the caller

    @property
    def is_in_turn(self) -> bool:
        """Whether this thread is inside a turn."""
        return bool(self._here.turns)

    def turn(self, action: Callable[[], _Result]) -> _Result:
        """Does something, then runs in this thread the jobs it set off, and the jobs those set off."""
        todo: deque[_Job] = deque()
        outermost = not self._here.turns
        with self.changed:
            self._active += outermost
        self._here.turns.append(todo)
        try:
            return action()
        finally:
            self._run_all(todo, outermost)

    def defer(self, job: Callable[[], None]) -> None:
        """Runs a job at the end of this thread's turn, or as a stray. Call it under the lock."""
        turns = self._here.turns
        (turns[-1] if turns else self._strays).append(job)

    def run_strays(self) -> None:
        """Runs jobs that were set off outside of any turn, unless the end of another thread's turn will."""
        if self._here.turns:
            return
        with self.changed:
            are_ours = self._strays and not self._active
        if are_ours:
            self.turn(lambda: None)

    def _run_all(self, todo: deque[_Job], outermost: bool) -> None:
        try:
            while job := self._next(todo, outermost):
                job()
        except BaseException:  # a handler ended the test: the next turn runs the rest
            with self.changed:
                self._strays.extend(todo)
                self._active -= outermost
            raise
        finally:
            self._here.turns.pop()

    def _next(self, todo: deque[_Job], outermost: bool) -> _Job | None:
        """None ends the turn. It is decided under the lock, so that no stray is left behind."""
        if todo:
            return todo.popleft()
        with self.changed:
            if outermost and self._strays:
                return self._strays.popleft()
            self._active -= outermost
            return None


def _result(text: str) -> Any:
    """The result in JSON. Raises LambdaFault if it is larger than Lambda takes."""
    result = json.loads(text)
    if len(text) > MAX_RESULT and len(json.dumps(result, ensure_ascii=False).encode()) > MAX_RESULT:
        sentence = f"Response payload size exceeded maximum allowed payload size ({MAX_RESULT} bytes)."
        raise LambdaFault("Function.ResponseSizeTooLarge", sentence)
    return result


def _a_loop_runs() -> bool:
    """Whether this thread is inside a loop of asyncio, without importing it."""
    events: Any = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None
