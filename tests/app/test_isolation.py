"""Several apps in one process: each sees its own environment, however it looks."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_sessionplugin.app.isolation import View, become, views_in_use


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> Iterator[View]:
    """A view with SHARED and OWN of its own, from which ANOTHERS is hidden."""
    for name in ("SHARED", "ANOTHERS", "EVERYBODYS"):
        monkeypatch.setenv(name, "process")
    with views_in_use():
        yield View({"SHARED": "orders", "OWN": "orders"}, hidden=["ANOTHERS"])


def test_each_sees_its_own_variables_in_every_way_to_look(orders: View) -> None:
    with orders.within():
        assert (os.environ["SHARED"], os.getenv("OWN"), os.environ["EVERYBODYS"]) == ("orders", "orders", "process")
        assert "ANOTHERS" not in os.environ
        with pytest.raises(KeyError, match=r"^'ANOTHERS'$"):
            os.environ["ANOTHERS"]
        copy = os.environ.copy()
        assert copy == dict(os.environ) == dict(os.environ.items())
        assert copy["SHARED"] == copy["OWN"] == "orders"
        assert len(os.environ) == len(copy) == len(list(os.environ))
        assert "ANOTHERS" not in copy
        assert "'SHARED': 'orders'" in repr(os.environ)
        if os.supports_bytes_environ:
            assert os.environb[b"SHARED"] == b"orders"
    assert (os.environ["SHARED"], os.environ["ANOTHERS"]) == ("process", "process")
    assert "OWN" not in os.environ


def test_what_an_app_changes_only_it_sees(orders: View) -> None:
    before = dict(os.environ)
    with orders.within():
        os.environ["SHARED"] = "changed"
        os.environ["ANOTHERS"] = "its own now"
        os.environ.setdefault("NEW", "new")
        del os.environ["EVERYBODYS"]
        assert os.environ.pop("OWN") == "orders"
        for name in ("EVERYBODYS", "OWN", "NEVER_WAS"):
            with pytest.raises(KeyError, match=f"^'{name}'$"):
                del os.environ[name]
    assert dict(os.environ) == before
    with orders.within():
        assert {name: os.environ.get(name) for name in ("SHARED", "ANOTHERS", "NEW", "EVERYBODYS", "OWN")} == {
            "SHARED": "changed",
            "ANOTHERS": "its own now",
            "NEW": "new",
            "EVERYBODYS": None,
            "OWN": None,
        }
        os.environ.clear()
        assert not os.environ
    assert dict(os.environ) == before


def test_what_a_test_sets_reaches_the_views_without_a_value_of_their_own(
    orders: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHARED", "ANOTHERS", "NEW"):
        monkeypatch.setenv(name, "test")
    with orders.within():
        assert [os.environ.get(name) for name in ("SHARED", "ANOTHERS", "NEW")] == ["orders", None, "test"]


def test_a_thread_belongs_to_the_app_that_started_it(orders: View) -> None:
    class Subclass(threading.Thread):
        def run(self) -> None:
            seen.append(os.environ["SHARED"])

    seen: list[str] = []
    for begun in (Subclass(), threading.Thread(target=Subclass().run), threading.Timer(0, Subclass().run)):
        with orders.within():
            begun.start()
        begun.join(10)
    with orders.within(), ThreadPoolExecutor(1) as pool:
        seen.append(pool.submit(os.environ.get, "SHARED").result(10) or "")
    assert seen == ["orders"] * 4
    outside = Subclass()
    outside.start()
    outside.join(10)
    assert seen[4:] == ["process"]


def test_threads_at_once_each_see_their_own(orders: View) -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        become(orders if number % 2 else None)
        for _ in range(200):
            if os.environ["SHARED"] != ("orders" if number % 2 else "process"):
                wrong.append(os.environ["SHARED"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert wrong == []


def test_afterwards_everything_is_the_same_object_as_before() -> None:
    def state() -> list[object]:
        environ: object = os.environ
        return [environ, vars(os.environ)["_data"], threading.Thread.start]

    before = state()
    with views_in_use():
        assert state()[0] is before[0]
        assert not any(one is other for one, other in zip(state()[1:], before[1:], strict=True))
    assert all(one is other for one, other in zip(state(), before, strict=True))
