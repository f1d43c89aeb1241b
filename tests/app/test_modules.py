"""A copy of a project imports its own modules, also late; afterwards all is as before."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sessionplugin.app.modules import Copies, is_own, put_on_path, take_own

APP = """
from chalicelib import rules

def late():
    from chalicelib import lazy
    return lazy

def by_name():
    import importlib
    return importlib.import_module("chalicelib.lazy")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "chalicelib").mkdir()
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "chalicelib" / "__init__.py").touch()
    (tmp_path / "chalicelib" / "rules.py").write_text("seen = []")
    (tmp_path / "chalicelib" / "lazy.py").write_text("from . import rules")
    return tmp_path


@pytest.fixture
def copies(root: Path) -> Iterator[Copies]:
    before, path = take_own(), list(sys.path)  # of the service whose checkout this is
    copies = Copies(root)
    try:
        yield copies
    finally:
        copies.close()
        take_own()
        sys.modules.update(before)
        sys.path[:] = path


def test_only_what_is_deployed_is_copied() -> None:
    assert [is_own(name) for name in ("app", "chalicelib", "chalicelib.x", "apps", "tests", "boto3")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]


def test_two_copies_share_no_module(copies: Copies) -> None:
    one, two = copies.load("app"), copies.load("app")
    assert one is not two
    assert one.rules is not two.rules


def test_what_a_copy_imports_late_is_its_own(copies: Copies) -> None:
    one, two = copies.load("app"), copies.load("app")
    assert one.late().rules is one.rules
    assert two.late().rules is two.rules
    assert one.late() is one.late()


def test_plain_imports_find_the_newest_copy(copies: Copies) -> None:
    copies.load("app")
    newest = copies.load("app")
    assert importlib.import_module("app") is newest
    assert importlib.import_module("chalicelib.rules") is newest.rules
    assert newest.by_name() is newest.late()


def test_what_is_in_vendor_is_found_and_stays_shared(copies: Copies, root: Path) -> None:
    (root / "vendor").mkdir()
    (root / "vendor" / "borrowed_by_copies.py").touch()
    (root / "app.py").write_text("import borrowed_by_copies as borrowed")
    one, two = copies.load("app"), copies.load("app")
    assert one.borrowed is two.borrowed
    assert sys.path[0] == str(root)
    assert sys.path[-1] == str(root / "vendor")


def test_afterwards_modules_and_path_are_as_before(copies: Copies, root: Path) -> None:
    sys.path.insert(0, str(root))
    original, path = importlib.import_module("app"), list(sys.path)
    copy = copies.load("app")
    sys.path.append("/nowhere")
    copies.close()
    assert sys.path == path
    assert importlib.import_module("app") is original
    assert importlib.import_module("chalicelib.rules") is original.rules
    assert not any(type(finder).__name__ == "_Copy" for finder in sys.meta_path)
    assert copy.late().rules is copy.rules  # who holds a copy longer still has a whole one
    assert importlib.import_module("chalicelib.rules") is original.rules


def test_what_is_imported_outside_stays(copies: Copies, root: Path) -> None:
    copy = copies.load("app")
    with copies.outside():
        assert str(root) not in sys.path
        put_on_path(root)
        original = importlib.import_module("app")
    assert original is not copy
    assert importlib.import_module("app") is copy
    copies.close()
    assert importlib.import_module("app") is original
    assert str(root) in sys.path  # for what it imports late


def test_a_copy_that_fails_to_import_leaves_nothing(copies: Copies, root: Path) -> None:
    (root / "app.py").write_text("from chalicelib import rules\n1 / 0")
    with pytest.raises(ZeroDivisionError):
        copies.load("app")
    copies.close()
    assert not [name for name in sys.modules if is_own(name)]


def test_after_a_copy_that_fails_to_import_the_one_before_is_found(copies: Copies, root: Path) -> None:
    before = copies.load("app")
    (root / "app.py").write_text("from chalicelib import rules, lazy\n1 / 0")
    with pytest.raises(ZeroDivisionError):
        copies.load("app")
    assert importlib.import_module("app") is before
    assert importlib.import_module("chalicelib.rules") is before.rules
    assert "chalicelib.lazy" not in sys.modules
    assert before.late().rules is before.rules


def test_a_patch_of_a_builtin_reaches_a_copy_and_what_it_imports(
    copies: Copies, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "chalicelib" / "rules.py").write_text("def read(path):\n    return open(path)\n\nclass Rule: ...\n")
    copy = copies.load("app")
    with pytest.raises(FileNotFoundError):
        copy.rules.read("/nowhere")
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", lambda path: f"patched {path}")
        assert copy.rules.read("/nowhere") == "patched /nowhere"
        patch.setattr("builtins.unheard_of", 1, raising=False)
        assert eval("unheard_of", vars(copy)) == 1  # noqa: S307 - a name looked up as the copy does
    with pytest.raises(FileNotFoundError):
        copy.rules.read("/nowhere")
    with pytest.raises(NameError, match="'unheard_of' is not defined"):
        eval("unheard_of", vars(copy))  # noqa: S307 - as above
    assert copy.late().rules is copy.rules  # which is found by an import of its own
