"""Code of an app runs in its project's folder, and nobody else is moved for longer than that takes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from pytest_sessionplugin.app import working_directory
from pytest_sessionplugin.app.working_directory import working_in
from pytest_sessionplugin.gateway.server.workers import Workers

PATIENCE = 10


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the test, beside the folders `a` and `b`."""
    for name in ("a", "b", "start"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "start")
    return Path.cwd()


@pytest.fixture(params=["apart", "refused"])
def apart(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a worker may have a working directory to itself: many containers refuse it."""
    if request.param == "apart" and sys.platform != "linux":
        pytest.skip("only Linux has it")
    allowed: bool = request.param == "apart"
    if not allowed:
        monkeypatch.setattr(working_directory, "_unshare", lambda: False)
    return allowed


@contextmanager
def workers() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Runs functions in threads of a gateway; raises what they raise at the end."""
    raised: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - raised below
            raised.append(error)

    pool = Workers(run)
    yield pool.submit
    pool.stop(PATIENCE)
    for error in raised:
        raise error


def name_of_here() -> str:
    return Path.cwd().name


def test_a_block_runs_in_its_folder_and_then_all_is_as_before(start: Path) -> None:
    folder = start.parent
    with working_in(f"{folder / 'a'}"):
        assert name_of_here() == "a"
        with working_in(f"{folder / 'b'}"), working_in(f"{folder / 'b'}"):
            assert name_of_here() == "b"
        assert name_of_here() == "a"
        os.chdir("..")  # which ends with the block
    assert Path.cwd() == start
    with pytest.raises(FileNotFoundError), working_in(f"{folder / 'a'}"):
        Path("nothing").read_text()
    assert Path.cwd() == start


def test_nothing_is_done_where_the_folder_is_the_working_directory_already(
    start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "chdir", None)
        with working_in(f"{start}"), working_in(f"{start}"):
            assert Path.cwd() == start


def test_a_test_that_moves_between_two_functions_stays_where_it_went(start: Path) -> None:
    with working_in(f"{start.parent / 'a'}"):
        pass
    os.chdir("../b")
    with working_in(f"{start.parent / 'a'}"):
        assert name_of_here() == "a"
    assert name_of_here() == "b"


def test_a_working_directory_that_is_gone_does_not_stop_a_function(start: Path) -> None:
    start.rmdir()
    with working_in(f"{start.parent / 'a'}"):
        assert name_of_here() == "a"
    os.chdir(start.parent / "b")
    with working_in(f"{start.parent / 'a'}"):
        (start.parent / "b").rmdir()


def test_the_process_moves_until_the_last_function_has_returned(start: Path) -> None:
    root, inside = f"{start.parent / 'a'}", threading.Barrier(2)
    first, second = threading.Event(), threading.Event()

    def work(until: threading.Event) -> str:
        with working_in(root):
            inside.wait(PATIENCE)
            until.wait(PATIENCE)
            return name_of_here()

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(work, first), pool.submit(work, second)
        first.set()
        assert one.result(PATIENCE) == name_of_here() == "a"
        second.set()
        assert two.result(PATIENCE) == "a"
    assert Path.cwd() == start


def test_a_function_that_begins_while_another_moves_the_process_keeps_it_there(
    start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, chdir = f"{start.parent / 'a'}", os.chdir

    def give_way(folder: str) -> None:
        chdir(folder)
        for _ in range(1000):
            os.sched_yield()  # to the thread that is about to look where it is

    def work(inside: threading.Barrier, before: threading.Event, after: threading.Event) -> str:
        with working_in(root):
            inside.wait(PATIENCE)
            before.wait(PATIENCE)
            found = name_of_here()
        after.set()
        return found

    monkeypatch.setattr(os, "chdir", give_way)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            now, left, end, inside = threading.Event(), threading.Event(), threading.Event(), threading.Barrier(2)
            now.set()
            ends = pool.submit(work, inside, now, left), pool.submit(work, inside, left, end)
            assert [each.result(PATIENCE) for each in ends] == ["a", "a"]
            assert Path.cwd() == start


def test_one_that_was_there_already_is_not_moved_by_another_that_ends(start: Path) -> None:
    root, inside, until = f"{start.parent / 'a'}", threading.Event(), threading.Event()

    def work() -> str:
        with working_in(root):
            inside.set()
            until.wait(PATIENCE)
            return name_of_here()

    with ThreadPoolExecutor(1) as pool:
        with working_in(root):
            running = pool.submit(work)
            inside.wait(PATIENCE)
        until.set()
        assert running.result(PATIENCE) == "a"
    assert Path.cwd() == start


@pytest.mark.usefixtures("apart")
def test_what_a_worker_starts_begins_in_the_folder(start: Path) -> None:
    seen = []

    def work() -> None:
        with working_in(f"{start.parent / 'a'}"):
            thread = threading.Thread(target=lambda: seen.append(name_of_here()))
            thread.start()
            thread.join()
            ask = [sys.executable, "-c", "import os; print(os.path.basename(os.getcwd()))"]
            seen.append(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())

    with workers() as submit:
        submit(work)
    assert seen == ["a", "a"]
    assert Path.cwd() == start


def test_workers_of_two_projects_are_each_in_their_own_and_the_test_in_neither(start: Path, apart: bool) -> None:
    inside, seen = threading.Barrier(3), []

    def work(name: str) -> None:
        with working_in(f"{start.parent / name}"):
            inside.wait(PATIENCE)
            seen.append((name, name_of_here()))
            inside.wait(PATIENCE)

    with workers() as submit:
        for name in ("a", "b"):
            submit(partial(work, name))
        inside.wait(PATIENCE)
        moved = Path.cwd() != start
        inside.wait(PATIENCE)
    assert moved is not apart
    assert Path.cwd() == start
    if apart:
        assert sorted(seen) == [("a", "a"), ("b", "b")]


@pytest.mark.usefixtures("apart")
def test_a_worker_is_in_the_folder_for_each_of_its_functions(start: Path) -> None:
    seen = []

    def work() -> None:
        for _ in range(2):
            with working_in(f"{start.parent / 'a'}"):
                with working_in(f"{start.parent / 'b'}"):  # of another app, which this one invokes
                    seen.append(name_of_here())
                seen.append(name_of_here())
                os.chdir("..")

    with workers() as submit:
        submit(work)
    assert seen == ["b", "a", "b", "a"]
    assert Path.cwd() == start
