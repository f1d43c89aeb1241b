"""Calls of a thread that outlives its test are blocked, unless a mock would answer them; other people's modules change
when they are imported.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from types import ModuleType

import pytest

from pytest_sessionplugin.aws.hook import OnImport, Outlived
from pytest_sessionplugin.errors import BlockedCall


class Asking:
    """A thread that calls AWS on demand."""

    def __init__(self, outlived: Outlived) -> None:
        self._outlived = outlived
        self._todo: Queue[bool] = Queue()
        self._done: Queue[str] = Queue()
        self.thread = threading.Thread(target=self._work, name="asking", daemon=True)
        self.thread.start()

    def ask(self) -> str:
        self._todo.put(True)
        return self._done.get(timeout=10)

    def end(self) -> None:
        self._todo.put(False)
        self.thread.join(10)

    def _work(self) -> None:
        while self._todo.get():
            try:
                self._outlived.check("dynamodb", "GetItem")
            except BlockedCall as error:
                self._done.put(str(error))
            else:
                self._done.put("let through")


@pytest.fixture
def mocked() -> list[bool]:
    return []


@pytest.fixture
def outlived(mocked: list[bool]) -> Outlived:
    return Outlived(mocked=lambda: bool(mocked))


@pytest.fixture
def asking(outlived: Outlived) -> Iterator[Asking]:
    asking = Asking(outlived)
    yield asking
    asking.end()


BLOCKED = "dynamodb:GetItem was blocked: the thread 'asking' has outlived test_it, in which it was started. "


def test_who_was_there_before_and_who_comes_after_are_let_through(outlived: Outlived, asking: Asking) -> None:
    outlived.note({asking.thread, *threading.enumerate()}, "test_it")
    assert asking.ask() == "let through"
    later = Asking(outlived)
    assert later.ask() == "let through"
    later.end()
    outlived.check("dynamodb", "GetItem")


def test_who_outlives_a_test_is_blocked_by_name_and_counted(outlived: Outlived, asking: Asking) -> None:
    before = set(threading.enumerate()) - {asking.thread}
    outlived.note(before, "test_it")
    outlived.note(before, "another test, which it was not started in")
    assert asking.ask().startswith(BLOCKED)
    assert asking.ask().startswith(BLOCKED)
    assert list(outlived.blocked.values()) == [2]


def test_while_somebody_mocks_nobody_is_blocked(outlived: Outlived, asking: Asking, mocked: list[bool]) -> None:
    outlived.note(set(threading.enumerate()) - {asking.thread}, "test_it")
    mocked.append(True)
    assert asking.ask() == "let through"
    mocked.clear()
    assert asking.ask().startswith(BLOCKED)


# --- modules of other people


def test_a_module_is_changed_when_it_is_imported_and_only_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_module.py").write_text("here = True")
    monkeypatch.syspath_prepend(tmp_path)
    changed: list[tuple[str, bool]] = []

    def change(module: ModuleType) -> None:
        changed.append((module.__name__, hasattr(module, "here")))

    finder = OnImport({"late_module": change, "json": change, "never_imported": change})
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    assert changed == [("json", False)]
    importlib.import_module("late_module")
    assert changed == [("json", False), ("late_module", True)]
    monkeypatch.delitem(sys.modules, "late_module")
    assert importlib.import_module("late_module").here
    assert len(changed) == 2
