"""Named copies live side by side, and plain names do not find them."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import sys
import threading
import typing
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pytest_sessionplugin.app.modules import NamedCopy

APP = """
import chalicelib.deep.rules
import chalicelib.deep.rules as rules
from chalicelib import *
from chalicelib.deep import rules as again

def late():
    from chalicelib.deep import lazy
    import chalicelib.deep.lazy
    assert chalicelib.deep.lazy is lazy
    return lazy
"""

LAZY = """
from __future__ import annotations
from . import rules
from .. import deep
import app

class Thing:
    itself: Thing
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    deep = tmp_path / "chalicelib" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "chalicelib" / "__init__.py").write_text("__all__ = ['deep']")
    (deep / "__init__.py").touch()
    (deep / "rules.py").write_text("seen = []")
    (deep / "lazy.py").write_text(LAZY)
    return tmp_path


@pytest.fixture
def two(root: Path) -> Iterator[tuple[NamedCopy, NamedCopy]]:
    copies = NamedCopy(root, "one"), NamedCopy(root, "t.w@o")
    with ExitStack() as stack:
        for copy in copies:
            copy.open()
            stack.callback(copy.close)
        yield copies


def test_every_way_to_import_finds_the_copy_s_own(two: tuple[NamedCopy, NamedCopy]) -> None:
    one, other = (copy.load("app") for copy in two)
    assert (one.__name__, other.__name__) == ("app@one", "app@t-w-o")
    for app in (one, other):
        assert app.rules is app.again is app.chalicelib.deep.rules is app.deep.rules
        lazy = app.late()
        assert lazy.rules is app.rules
        assert lazy.deep is app.deep
        assert lazy.app is app
        assert typing.get_type_hints(lazy.Thing) == {"itself": lazy.Thing}
    assert one.rules is not other.rules


def test_plain_names_are_not_touched(two: tuple[NamedCopy, NamedCopy]) -> None:
    before = {name: module for name, module in sys.modules.items() if "@" not in name}
    two[0].load("app").late()
    assert {name: module for name, module in sys.modules.items() if "@" not in name} == before


def test_late_imports_in_parallel_find_their_own(root: Path) -> None:
    wrong: list[str] = []
    start = threading.Barrier(8)

    def work(copy: NamedCopy) -> None:
        app = copy.load("app")
        start.wait(10)
        if app.late().rules is not app.rules:
            wrong.append(app.__name__)

    copies = [NamedCopy(root, f"copy-{number}") for number in range(4)]
    with ExitStack() as stack:
        for copy in copies:
            copy.open()
            stack.callback(copy.close)
        threads = [threading.Thread(target=work, args=(copies[number // 2],)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert wrong == []


def test_a_chalicelib_without_an_init_is_a_package_too(root: Path) -> None:
    (root / "chalicelib" / "__init__.py").unlink()
    (root / "app.py").write_text("from chalicelib.deep import rules")
    copy = NamedCopy(root, "bare")
    copy.open()
    try:
        assert copy.load("app").rules.__name__ == "chalicelib@bare.deep.rules"
    finally:
        copy.close()


def test_what_is_in_vendor_is_found_until_the_last_copy_is_closed(root: Path) -> None:
    (root / "vendor").mkdir()
    (root / "vendor" / "borrowed_by_named_copies.py").touch()
    (root / "app.py").write_text("import borrowed_by_named_copies as borrowed")
    path, (first, second) = list(sys.path), (NamedCopy(root, "first"), NamedCopy(root, "second"))
    first.open()
    second.open()
    assert sys.path == [*path, str(root / "vendor")]
    assert first.load("app").borrowed is second.load("app").borrowed
    second.close()
    assert sys.path[-1] == str(root / "vendor")
    first.close()
    assert sys.path == path


def test_afterwards_nothing_is_left(root: Path) -> None:
    copy = NamedCopy(root, "gone")
    finders = list(sys.meta_path)
    copy.open()
    app = copy.load("app")
    copy.close()
    assert sys.meta_path == finders
    assert not [name for name in sys.modules if "@" in name]
    assert app.rules.seen == []
    with pytest.raises(ModuleNotFoundError):
        app.late()


@pytest.mark.parametrize(
    "asks",
    [
        "import importlib\ndef late(name): return importlib.import_module(name)",
        "from importlib import import_module as late",
        "import importlib.util\ndef late(name): return importlib.import_module(name)",
    ],
)
def test_modules_asked_for_by_name_are_its_own(root: Path, asks: str) -> None:
    (root / "app.py").write_text(f"{asks}\nfrom chalicelib.deep import rules\n")
    copy = NamedCopy(root, "by-name")
    copy.open()
    try:
        app = copy.load("app")
        assert app.late("chalicelib.deep.rules") is app.rules
        assert app.late("json") is json
        assert app.late("app") is app
    finally:
        copy.close()


def test_its_importlib_is_otherwise_that_of_all(root: Path) -> None:
    (root / "app.py").write_text(
        "import importlib.metadata\nimport importlib.util as util\nversion = importlib.metadata.version"
    )
    copy = NamedCopy(root, "importlib")
    copy.open()
    try:
        app = copy.load("app")
        assert app.util is importlib.util
        assert app.version is importlib.metadata.version
    finally:
        copy.close()


BESIDE = """
import sys
sys.path.insert(0, "chalicelib")
import beside, helpers
from spaced import one

def late():
    import late_helpers
    return late_helpers
"""


def test_modules_of_any_name_are_its_own(root: Path) -> None:
    (root / "app.py").write_text(BESIDE)
    (root / "beside.py").write_text("class Error(Exception): ...")
    (root / "spaced").mkdir()
    (root / "spaced" / "one.py").write_text("import beside")
    (root / "chalicelib" / "helpers.py").write_text("import app, beside\nfrom chalicelib import deep")
    (root / "chalicelib" / "late_helpers.py").write_text(
        "import helpers, importlib\nagain = importlib.import_module('helpers')"
    )
    path, copies = list(sys.path), [NamedCopy(root, "one"), NamedCopy(root, "two")]
    with ExitStack() as stack:
        for copy in copies:
            copy.open()
            stack.callback(copy.close)
        one, two = (copy.load("app") for copy in copies)
        assert sys.path == path  # the next project may have modules of the same names
        for app in (one, two):
            assert app.beside is app.helpers.beside is app.one.beside
            assert app.helpers.app is app
            assert app.late().helpers is app.late().again is app.helpers
        assert one.beside is not two.beside
        assert one.late() is not two.late()
        assert (one.beside.__name__, two.helpers.__name__) == ("beside@one", "helpers@two")
    assert not [name for name in sys.modules if "@" in name or name in ("beside", "helpers", "late_helpers")]
