"""Who turns the loop, while short and long jobs are run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from pytest_sessionplugin.gateway.helm import Helm

Job = Callable[[], object]


def _run(job: Job) -> None:
    job()


class Ship:
    """A loop at a helm, whose jobs are functions."""

    def __init__(self) -> None:
        self.loop = asyncio.SelectorEventLoop()
        self.helm = Helm[Job](self.loop, _run, self._returned, self._overdue)
        self.returned = threading.Semaphore(0)
        self.overdue: Future[list[Job]] = Future()
        self.helm.start()

    def _returned(self) -> None:
        self.returned.release()

    def _overdue(self, jobs: list[Job]) -> None:
        self.overdue.set_result(jobs)

    def on_loop(self, act: Callable[[], object]) -> object:
        async def acted() -> object:
            return act()

        return asyncio.run_coroutine_threadsafe(acted(), self.loop).result(10)

    def take(self, *jobs: Job) -> None:
        """Has them run, as soon as both threads are there."""
        while not self.on_loop(lambda: self.helm.take("a kind", jobs[0]) and self._all(jobs[1:])):
            pass

    def _all(self, jobs: tuple[Job, ...]) -> bool:
        taken = [self.helm.take("a kind", job) for job in jobs]
        return all(taken)


@pytest.fixture
def ship() -> Iterator[Ship]:
    ship = Ship()
    yield ship
    if not ship.loop.is_closed():
        ship.helm.stop(10)
    assert not [thread for thread in threading.enumerate() if thread.name == "gateway-handler"]


@pytest.fixture
def held(ship: Ship) -> Iterator[threading.Event]:
    """What a job waits for."""
    event = threading.Event()
    yield event
    event.set()


def test_a_short_job_runs_in_the_thread_of_the_loop(ship: Ship) -> None:
    ran: Future[int] = Future()
    turning: list[int] = []

    def job() -> None:
        ran.set_result(threading.get_ident())

    def take() -> bool:
        turning[:] = [threading.get_ident()]
        return ship.helm.take("a kind", job)

    while not ship.on_loop(take):
        pass
    assert [ran.result(10)] == turning


def test_a_job_may_run_a_loop_of_its_own(ship: Ship) -> None:
    async def number() -> int:
        return 5

    ran: Future[int] = Future()
    ship.take(lambda: ran.set_result(asyncio.run(number())))
    assert ran.result(10) == 5


def test_while_a_long_job_runs_the_loop_turns_in_the_other_thread(ship: Ship, held: threading.Event) -> None:
    begun: Future[int] = Future()

    def job() -> None:
        begun.set_result(threading.get_ident())
        held.wait(10)

    ship.take(job)
    assert begun.result(10) != ship.on_loop(threading.get_ident)
    assert not held.is_set()


def test_jobs_behind_a_long_one_are_given_back(ship: Ship, held: threading.Event) -> None:
    def second() -> None:
        raise AssertionError("it was given back")

    ship.take(lambda: held.wait(10), second)
    assert ship.overdue.result(10) == [second]


def test_after_a_long_job_those_of_its_kind_are_refused(ship: Ship, held: threading.Event) -> None:
    ship.take(lambda: held.wait(10))
    ship.overdue.result(10)
    held.set()
    ran: Future[None] = Future()
    while not ship.on_loop(lambda: ship.helm.take("another kind", lambda: ran.set_result(None))):
        assert not ship.on_loop(lambda: ship.helm.take("a kind", ship.loop.close))
    ran.result(10)


def test_nobody_else_may_give_it_a_job(ship: Ship) -> None:
    ran: Future[None] = Future()
    ship.take(lambda: ran.set_result(None))
    ran.result(10)
    assert not ship.helm.take("a kind", ship.loop.close)


def test_no_job_is_taken_while_nobody_watches(ship: Ship, held: threading.Event) -> None:
    """Else a second long one would stop the loop."""
    ship.take(lambda: held.wait(10))
    ship.overdue.result(10)
    assert not ship.on_loop(lambda: ship.helm.take("another kind", ship.loop.close))


def test_who_wakes_it_is_heard_in_any_thread(ship: Ship) -> None:
    ship.helm.wake()
    assert ship.returned.acquire(timeout=10)


def test_it_ends_though_a_job_does_not(ship: Ship, held: threading.Event) -> None:
    ship.take(lambda: held.wait(10))
    ship.overdue.result(10)
    ship.helm.stop(0)
    assert ship.loop.is_closed()
    assert not held.is_set()
    held.set()
    for thread in threading.enumerate():
        if thread.name == "gateway-handler":
            thread.join(10)
