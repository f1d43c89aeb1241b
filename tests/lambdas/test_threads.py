"""Project code that runs in a thread while no function runs is reported, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.gateway.values import FunctionTimedOut
from pytest_sessionplugin.lambdas.threads import Left, LeftThreads

ROOT = Path("/srv/shop")


class Shop:
    """A project with code in any file, and the reports about its threads."""

    def __init__(self) -> None:
        self.told: list[Left] = []
        self.threads = LeftThreads(self.told.append)
        self.threads.watch(ROOT)
        self.began, self.go_on = threading.Event(), threading.Event()

    def at(self, file: str) -> Callable[..., Any]:
        """A function in this file, which calls its arguments."""
        scope: dict[str, Any] = {}
        exec(compile("def work(first, *rest): return first(*rest)", ROOT / file, "exec"), scope)  # noqa: S102
        work: Callable[..., Any] = scope["work"]
        return work

    def wait(self) -> None:
        self.began.set()
        self.go_on.wait(20)

    def left_by(self, function: str, *call: Any) -> threading.Thread:
        """A thread that a function starts, and that has begun when it returns."""
        with self.threads.while_running(function):
            thread = threading.Thread(target=call[0], args=call[1:], name="audit")
            thread.start()
            assert self.began.wait(20)
        return thread


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.go_on.set()


LIBRARY = "vendor/site-packages/library.py"


@pytest.mark.parametrize("file", ["app.py", "chalicelib/jobs/audit.py"])
def test_code_of_the_app_that_runs_on_is_told_once(shop: Shop, file: str) -> None:
    # The app calls `wait` of this test, as it calls a mock.
    shop.left_by("api_handler", shop.at(file), shop.wait)
    (left,) = shop.told
    assert (left.thread, left.functions) == ("audit", ("api_handler",))
    assert left.does == f"still runs, in work ({Path(file).name}:1),"
    with shop.threads.while_running("sweep"):
        pass
    shop.threads.look()
    assert shop.told == [left]


@pytest.mark.parametrize("file", ["tests/test_app.py", "application.py", LIBRARY])
def test_other_code_is_not(shop: Shop, file: str) -> None:
    shop.left_by("api_handler", shop.at(file), shop.wait)
    assert shop.told == []


def test_the_app_s_code_in_a_thread_of_a_test_is_not(shop: Shop) -> None:
    shop.left_by("api_handler", shop.at("tests/test_app.py"), shop.at("app.py"), shop.wait)
    assert shop.told == []


def test_an_executor_at_rest_is_fine_and_its_work_later_is_not(shop: Shop) -> None:
    app = shop.at("app.py")
    with ThreadPoolExecutor(1, "pool") as pool:
        with shop.threads.while_running("api_handler"):
            pool.submit(app, shop.threads.calls, "dynamodb:GetItem").result()
        assert shop.told == []
        pool.submit(app, shop.threads.calls, "dynamodb:PutItem").result()
        assert [(left.thread, left.does) for left in shop.told] == [("pool_0", "calls dynamodb:PutItem")]


def test_work_that_an_executor_begins_late_is_told_when_somebody_looks(shop: Shop) -> None:
    with ThreadPoolExecutor(1, "pool") as pool:
        with shop.threads.while_running("api_handler"):
            pool.submit(int).result()
        pool.submit(shop.at("app.py"), shop.wait)
        assert shop.began.wait(20)
        shop.threads.look()
        assert [left.does for left in shop.told] == ["still runs, in work (app.py:1),"]
        shop.go_on.set()


def test_the_threads_of_an_environment_end_with_a_function_that_its_timeout_ends(shop: Shop) -> None:
    app = shop.at("app.py")

    def ends() -> None:
        pool.submit(app, shop.wait)
        pool.submit(app, shop.wait)
        raise FunctionTimedOut("it was ended where it stood")

    with ThreadPoolExecutor(2, "pool") as pool:
        with shop.threads.while_running("api_handler"):
            pool.submit(int).result()
        with pytest.raises(FunctionTimedOut), shop.threads.while_running("api_handler"):
            ends()
        assert shop.began.wait(20)
        shop.threads.look()
        pool.submit(app, shop.threads.calls, "dynamodb:PutItem")
        shop.go_on.set()
    assert shop.told == []


def test_a_thread_that_no_function_began_may_call(shop: Shop) -> None:
    thread = threading.Thread(target=shop.at("app.py"), args=(shop.threads.calls, "dynamodb:PutItem"))
    with shop.threads.while_running("api_handler"):
        pass
    thread.start()
    thread.join()
    assert shop.told == []


def test_after_several_functions_all_are_named_when_the_last_one_returns(shop: Shop) -> None:
    with shop.threads.while_running("connect"):
        shop.left_by("api_handler", shop.at("app.py"), shop.wait)
        assert shop.told == []
    (left,) = shop.told
    assert str(left).startswith("the thread 'audit' still runs, in work (app.py:1), after one of connect, api_handler ")


def test_a_timer_that_waits_is_told_by_what_it_will_do(shop: Shop) -> None:
    timer = threading.Timer(20, shop.at("app.py"), [int])
    with shop.threads.while_running("api_handler"):
        timer.start()
    timer.cancel()
    timer.join()
    assert [left.does for left in shop.told] == ["still runs, in work before it begins,"]


def test_a_thread_that_ends_a_moment_later_is_fine(shop: Shop) -> None:
    def end() -> None:
        shop.began.set()

    for _ in range(50):
        shop.left_by("api_handler", shop.at("app.py"), end)
    assert shop.told == []


def test_what_another_test_has_left_is_not_this_one_s(shop: Shop) -> None:
    shop.left_by("api_handler", shop.at("app.py"), shop.wait)
    later = Shop()
    with later.threads.while_running("api_handler"):
        pass
    later.threads.look()
    assert (len(shop.told), later.told) == (1, [])
