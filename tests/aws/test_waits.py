"""Waits of an account: their time passes by a clock that is moved, or for real, and what is sent ends a poll."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pytest_sessionplugin.account.clock import walk
from pytest_sessionplugin.aws import caller
from pytest_sessionplugin.aws.caller import Invocation
from pytest_sessionplugin.aws.waits import Waits
from pytest_sessionplugin.aws.wire import Answer, LongPoll

PATIENCE = 10.0  # seconds for another thread
LONG = 3600.0  # seconds that no test waits for


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def move(self, to: float) -> None:
        self.now = to


class Queue:
    """Answers polls: a message that is there at `due`, or an empty answer that waits."""

    def __init__(self, clock: Callable[[], float], due: float | None = None) -> None:
        self._clock, self.due = clock, due
        self.asked: list[float] = []
        self.looked = threading.Semaphore(0)

    def __call__(self) -> Answer:
        now = self._clock()
        self.asked.append(now)
        self.looked.release()
        if self.due is not None and self.due <= now:
            return Answer(200, {}, b"message")
        return self.empty(LONG)

    def empty(self, seconds: float) -> Answer:
        return Answer(200, {}, b"empty", wait=LongPoll(seconds, self.due))


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def waits(clock: Time) -> Waits:
    return Waits(clock, stands=lambda: True)


def in_thread(work: Callable[[], Answer | None]) -> Future[Answer | None]:
    executor = ThreadPoolExecutor(1)
    future = executor.submit(work)
    executor.shutdown(wait=False)
    return future


def asleep(waits: Waits) -> None:
    """Returns when a wait has looked and sleeps."""
    give_up = time.monotonic() + PATIENCE
    while waits.agenda().due() is None:
        assert time.monotonic() < give_up


def advance(waits: Waits, clock: Time, to: float) -> None:
    walk([waits.agenda()], until=to, now=clock, go_to=clock.move, settle=lambda: None)
    clock.move(to)


def test_while_time_stands_the_own_thread_waits_no_time(waits: Waits, clock: Time) -> None:
    queue = Queue(clock)
    assert waits.poll(queue.empty(LONG), queue).body == b"empty"
    waits.sleep(LONG)
    assert queue.asked == []


def test_a_handler_waits_no_time_since_time_is_not_moved_before_it_returns(waits: Waits, clock: Time) -> None:
    queue = Queue(clock)

    def handler() -> Answer:
        with caller.entered(Invocation("1", "api", "api")):
            return waits.poll(queue.empty(LONG), queue)

    answer = in_thread(handler).result(PATIENCE)
    assert answer is not None
    assert answer.body == b"empty"


def test_another_thread_waits_until_time_is_moved_past_its_end(waits: Waits, clock: Time) -> None:
    queue = Queue(clock)
    answer = in_thread(lambda: waits.poll(queue.empty(60), queue))
    asleep(waits)
    advance(waits, clock, 1059)
    assert not answer.done()
    advance(waits, clock, 1060)
    ended = answer.result(PATIENCE)
    assert ended is not None
    assert ended.body == b"empty"
    assert queue.asked[-1] == 1060


def test_what_is_there_by_itself_is_found_at_its_own_time(waits: Waits, clock: Time) -> None:
    queue = Queue(clock, due=1030.5)
    answer = in_thread(lambda: waits.poll(queue.empty(60), queue))
    asleep(waits)
    advance(waits, clock, 2000)
    assert queue.asked[-1] == 1030.5
    found = answer.result(PATIENCE)
    assert found is not None
    assert found.body == b"message"


def test_what_comes_after_the_end_of_a_wait_is_not_its(waits: Waits, clock: Time) -> None:
    queue = Queue(clock, due=1090)
    answer = in_thread(lambda: waits.poll(queue.empty(60), queue))
    asleep(waits)
    advance(waits, clock, 1100)
    ended = answer.result(PATIENCE)
    assert ended is not None
    assert (ended.body, queue.asked[-1]) == (b"empty", 1060)


def test_a_change_wakes_polls_and_no_sleep(waits: Waits, clock: Time) -> None:
    queue = Queue(clock)
    answer, slept = in_thread(lambda: waits.poll(queue.empty(LONG), queue)), in_thread(lambda: waits.sleep(LONG))
    assert queue.looked.acquire(timeout=PATIENCE)
    waits.wake()
    assert queue.looked.acquire(timeout=PATIENCE)
    assert not answer.done()
    queue.due = 1000.0
    waits.wake()
    found = answer.result(PATIENCE)
    assert found is not None
    assert found.body == b"message"
    assert not slept.done()
    waits.close()
    assert slept.result(PATIENCE) is None


def test_time_that_something_else_moved_is_seen(waits: Waits, clock: Time) -> None:
    slept = in_thread(lambda: waits.sleep(60))
    asleep(waits)
    clock.move(1060)
    assert slept.result(PATIENCE) is None


def test_a_wait_ends_after_its_real_time_at_the_latest(waits: Waits, clock: Time) -> None:
    queue = Queue(clock)
    answer = in_thread(lambda: waits.poll(queue.empty(0.02), queue))
    ended = answer.result(PATIENCE)
    assert ended is not None
    assert ended.body == b"empty"


def test_while_time_goes_on_each_thread_waits_its_time() -> None:
    waits = Waits()
    began = time.monotonic()
    waits.sleep(0.02)
    queue = Queue(time.time)
    assert waits.poll(queue.empty(0.02), queue).body == b"empty"
    assert 0.04 <= time.monotonic() - began < PATIENCE


def test_a_closed_account_lets_all_go(clock: Time) -> None:
    waits, queue = Waits(clock), Queue(clock)
    answer = in_thread(lambda: waits.poll(queue.empty(LONG), queue))
    asleep(waits)
    waits.close()
    assert answer.result(PATIENCE) is not None
    waits.sleep(LONG)
    assert waits.poll(queue.empty(LONG), queue).body == b"empty"


def test_a_wait_that_does_not_look_holds_time_up_only_for_a_moment(
    waits: Waits, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sessionplugin.aws.waits.PATIENCE", 0.01)
    stuck, looking = threading.Event(), threading.Event()

    def ask() -> Answer:
        if clock() >= 1060:
            looking.set()
            stuck.wait(PATIENCE)
        return Queue(clock).empty(LONG)

    answer = in_thread(lambda: waits.poll(Queue(clock).empty(60), ask))
    asleep(waits)
    advance(waits, clock, 2000)
    assert looking.wait(PATIENCE)
    assert clock() == 2000
    stuck.set()
    assert answer.result(PATIENCE) is not None
