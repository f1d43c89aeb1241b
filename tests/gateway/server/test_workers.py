"""Threads that run handlers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from pytest_sessionplugin.gateway.server.workers import Workers

Job = Callable[[], object]


def run(job: Job) -> None:
    job()


@pytest.fixture
def workers() -> Iterator[Workers[Job]]:
    workers = Workers[Job](run, limit=4)
    yield workers
    workers.stop(10)
    assert not [thread for thread in threading.enumerate() if thread.name == "gateway-handler"]


def test_as_many_run_at_once_as_are_asked_for(workers: Workers[Job]) -> None:
    barrier = threading.Barrier(5)
    for _ in range(4):
        workers.submit(lambda: barrier.wait(10))
    barrier.wait(10)


def test_a_thread_is_kept_for_the_next_job(workers: Workers[Job]) -> None:
    seen = set()
    done = threading.Semaphore(0)

    def job() -> None:
        seen.add(threading.get_ident())
        done.release()

    for _ in range(20):
        workers.submit(job)
        assert done.acquire(timeout=10)
    assert len(seen) <= 2  # one may still be on its way back when the next job comes


def test_more_than_the_limit_wait_and_none_is_lost(workers: Workers[Job]) -> None:
    gate, done = threading.Event(), threading.Semaphore(0)
    seen = set()

    def job() -> None:
        assert gate.wait(10)
        seen.add(threading.get_ident())
        done.release()

    for _ in range(50):
        workers.submit(job)
    gate.set()
    for _ in range(50):
        assert done.acquire(timeout=10)
    assert len(seen) <= 4


def test_what_is_queued_when_it_stops_is_still_done(workers: Workers[Job]) -> None:
    done = []
    for number in range(20):
        workers.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    workers.stop(10)
    assert sorted(done) == list(range(20))
    workers.submit(lambda: done.append(-1))
    assert -1 not in done
