"""A copy of a project imports its own modules, also late; afterwards all is as before."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pytest_sessionplugin.app.modules import Copies, OwnModules, is_code_of, is_module_of, put_on_path

APP = """
from chalicelib import rules

def late():
    from chalicelib import lazy
    return lazy

def by_name():
    import importlib
    return importlib.import_module("chalicelib.lazy")
"""


BESIDE = ("config", "helpers", "late_helpers", "spaced", "loaded", "test_config")
"""Modules of a project beside `app` and `chalicelib`."""

APP_BESIDE = """
import importlib, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "chalicelib"))
import config, helpers, spaced.one
import test_config

def late():
    import late_helpers
    return late_helpers

def by_name(name="late_helpers"):
    return importlib.import_module(name)
"""


@pytest.fixture
def beside(root: Path) -> Path:
    """A project with modules beside app.py, with some of chalicelib that it finds by sys.path, and with a test."""
    (root / "app.py").write_text(APP_BESIDE)
    (root / "config.py").write_text("seen = []\nclass Error(Exception): ...\n")
    (root / "test_config.py").write_text("seen = []")
    (root / "loaded.py").write_text("import config")
    (root / "spaced").mkdir()
    (root / "spaced" / "one.py").write_text("from . import two\nimport helpers")
    (root / "spaced" / "two.py").touch()
    (root / "chalicelib" / "helpers.py").write_text("import config\nimport app\n")
    (root / "chalicelib" / "late_helpers.py").write_text("import config, helpers")
    return root


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
    before, path = take(), list(sys.path)  # of the service whose checkout this is
    copies = Copies(root)
    try:
        yield copies
    finally:
        copies.close()
        take()
        sys.modules.update(before)
        sys.path[:] = path


def take() -> dict[str, ModuleType]:
    """Removes modules of the service, and of the project of these tests, from sys.modules."""
    names = [name for name in sys.modules if name.partition(".")[0] in {"app", "chalicelib", *BESIDE}]
    return {name: sys.modules.pop(name) for name in names}


@pytest.mark.parametrize(
    ("file", "own"),
    [
        *[
            (file, True)
            for file in ("app.py", "chalicelib/x.py", "config.py", "helpers/a.py", "helpers", "latest_x.py")
        ],
        *[(file, False) for file in ("vendor/x.py", "tests/a.py", "tests", "a/test/b.py", "conftest.py", "test_a.py")],
        *[(file, False) for file in (".venv/x.py", "venv/lib/python3.11/site-packages/x.py", "../x.py", "a_test.py")],
    ],
)
def test_a_file_of_the_project_is_its_own_unless_it_is_installed_vendored_or_a_test(
    root: Path, file: str, own: bool
) -> None:
    assert is_code_of(root, f"{root}/{file}".replace(f"{root}/..", f"{root.parent}")) is own


def test_a_module_is_the_project_s_own_by_its_file_or_its_folders(root: Path) -> None:
    found = {}
    attributes: dict[str, dict[str, object]] = {
        "file": {"__file__": f"{root}/config.py"},
        "folders": {"__file__": None, "__path__": [f"{root}/spaced"]},
        "vendored": {"__file__": f"{root}/vendor/x.py"},
        "built in": {},
    }
    for name, values in attributes.items():
        module = ModuleType(name)
        vars(module).update(values)
        found[name] = is_module_of(root, module)
    assert found == {"file": True, "folders": True, "vendored": False, "built in": False}
    assert not is_module_of(root, object())


def test_a_namespace_package_without_its_parent_is_nobodys(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "parent" / "child").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(root))
    child = importlib.import_module("parent.child")
    assert is_module_of(root, child)
    importlib.invalidate_caches()  # has the folders asked of the parent again
    monkeypatch.delitem(sys.modules, "parent.child")
    monkeypatch.delitem(sys.modules, "parent")
    assert not is_module_of(root, child)


def test_a_link_to_the_project_s_folder_leads_to_it(root: Path) -> None:
    (root.parent / "link").symlink_to(root)
    assert is_code_of(root, root.parent / "link" / "config.py")
    (root / "linked").symlink_to(root.parent)
    assert is_code_of(root, root / "linked" / "config.py")


def test_a_name_is_the_project_s_own_by_the_file_that_it_leads_to(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("moto", "calendar", "tests_of_mine", "spaces", "tests"):
        (root / name).mkdir()
    (root / "calendar" / "__init__.py").touch()
    (root / "tests_of_mine" / "__init__.py").touch()
    own = OwnModules(root)
    names = (
        "app",
        "chalicelib.x",
        "tests_of_mine.x",
        "spaces",
        "json",
        "calendar",
        "boto3",
        "moto",
        "tests",
        "nowhere",
    )
    assert [name for name in names if name in own] == ["app", "chalicelib.x", "tests_of_mine.x", "spaces"]
    (root / "nowhere.py").touch()
    importlib.invalidate_caches()
    assert "nowhere" in own


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
    assert take() == {}


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


# --- modules beside app and chalicelib


@pytest.mark.usefixtures("beside")
def test_copies_share_no_module_whatever_its_name(copies: Copies) -> None:
    one, two = copies.load("app"), copies.load("app")
    assert one.config is not two.config
    assert one.helpers is not two.helpers
    assert one.spaced.one.two is not two.spaced.one.two
    for app in (one, two):
        assert app.helpers.config is app.config
        assert app.helpers.app is app
        assert app.spaced.one.helpers is app.helpers
        assert app.late() is app.late() is app.by_name()
        assert app.late().config is app.config
        assert app.by_name("spaced.one") is app.spaced.one
        assert app.by_name("config") is app.config
    assert one.late() is not two.late()


def test_a_module_of_tests_is_one_for_all(copies: Copies, beside: Path) -> None:
    put_on_path(beside)
    mine = importlib.import_module("test_config")
    assert copies.load("app").test_config is copies.load("app").test_config is mine


def test_a_test_keeps_what_it_imported_and_finds_the_newest_by_name(copies: Copies, beside: Path) -> None:
    put_on_path(beside)
    mine = importlib.import_module("config")
    one = copies.load("app")
    assert one.config is not mine
    assert importlib.import_module("config") is one.config
    two = copies.load("app")
    assert importlib.import_module("config") is two.config
    assert one.late().config is one.config
    with copies.outside():
        assert importlib.import_module("config") is mine
        app = importlib.import_module("app")
        assert app.config is mine
    assert importlib.import_module("helpers") is two.helpers
    copies.close()
    assert importlib.import_module("config") is mine
    assert importlib.import_module("app") is app
    assert importlib.import_module("helpers") is app.helpers


@pytest.mark.usefixtures("beside")
def test_any_module_of_the_project_can_be_loaded(copies: Copies) -> None:
    one, two = copies.load("loaded"), copies.load("loaded")
    assert one is not two
    assert one.config is not two.config


def test_a_project_s_folders_are_searched_before_those_of_another(copies: Copies, beside: Path) -> None:
    other = beside.parent / "other"
    other.mkdir()
    (other / "late_helpers.py").write_text("1 / 0")
    app = copies.load("app")
    sys.path.insert(0, str(other))
    assert app.late().config is app.config


def test_a_relative_folder_on_the_path_is_the_project_s(copies: Copies, beside: Path) -> None:
    text = APP_BESIDE.replace('os.path.join(os.path.dirname(__file__), "chalicelib")', '"chalicelib"')
    (beside / "app.py").write_text(text)
    assert copies.load("app").helpers.__file__ == str(beside / "chalicelib" / "helpers.py")
