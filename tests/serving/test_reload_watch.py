"""Changes of a project that count, and changes that do not."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pytest_sessionplugin.serving import reload
from pytest_sessionplugin.serving.reload import Watch
from pytest_sessionplugin.tracebacks import HERE

NOT_STOPPED = threading.Event()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "LOOK", 0.001)
    monkeypatch.setattr(reload, "SETTLED", 0.001)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "chalicelib").mkdir()
    for name in ("app.py", "chalicelib/rules.py", "config.json", "helpers.py"):
        (tmp_path / name).write_text("1")
    return tmp_path


@pytest.fixture
def watch(root: Path) -> Watch:
    return Watch(root, [root / "config.json", root / "later.json"])


def imported(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """As if a module had been imported from there."""
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, path.stem, module)


class Stopping(threading.Event):
    """Is set after so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._left = looks

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self._left < 0


@pytest.mark.parametrize("name", ["app.py", "chalicelib/rules.py", "chalicelib/new.json", "config.json", "later.json"])
def test_a_file_that_is_written_has_changed_once(watch: Watch, root: Path, name: str) -> None:
    (root / name).write_text("22")
    assert watch.wait(NOT_STOPPED) == {root / name}
    assert watch.wait(Stopping(3)) == frozenset()


def test_a_file_that_goes_has_changed_and_so_has_one_that_replaces_it(watch: Watch, root: Path) -> None:
    before = (root / "app.py").stat()
    (root / "other").write_text("3")
    (root / "other").replace(root / "app.py")
    assert (root / "app.py").stat().st_size == before.st_size
    (root / "chalicelib" / "rules.py").unlink()
    assert watch.wait(NOT_STOPPED) == {root / "app.py", root / "chalicelib" / "rules.py"}


@pytest.mark.parametrize(
    "name", ["README.md", "chalicelib/rules.py~", "chalicelib/.rules.py.swp", "chalicelib/#rules.py#", "helpers.py"]
)
def test_what_is_not_served_or_left_by_an_editor_does_not_count(watch: Watch, root: Path, name: str) -> None:
    (root / name).write_text("22")
    assert watch.wait(Stopping(3)) == frozenset()


def test_another_module_counts_once_it_was_imported(watch: Watch, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(monkeypatch, root / "helpers.py")
    assert watch.wait(Stopping(1)) == frozenset()
    (root / "helpers.py").write_text("22")
    assert watch.wait(NOT_STOPPED) == {root / "helpers.py"}


def test_what_is_installed_in_the_project_is_not_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("env/lib/site-packages", ".env/lib"):
        imported(monkeypatch, root / folder / "installed.py")
        assert reload.modules_under(root) == {}
    imported(monkeypatch, root / "vendor" / "lent.py")
    assert reload.modules_under(root) == {"lent": root / "vendor" / "lent.py"}


def test_this_kit_is_nobodys_project() -> None:
    assert not [name for name in reload.modules_under(HERE.parent) if name.startswith("pytest_session")]


def test_a_save_is_waited_for_until_it_is_over(watch: Watch, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor moves the file away, writes it in two goes, and is done."""
    path = root / "app.py"
    steps: list[Callable[[], object]] = [
        lambda: path.rename(root / "app.py~"),
        lambda: path.write_text("half"),
        lambda: path.write_text("whole"),
    ]

    class Saving(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if steps:
                steps.pop(0)()
            return False

    assert watch.wait(Saving()) == {path}
    assert (steps, path.read_text()) == ([], "whole")


def test_what_is_written_all_the_time_counts_nevertheless(watch: Watch, root: Path) -> None:
    class Writing(threading.Event):
        number = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.number += 1
            (root / "app.py").write_text("1" * self.number)
            return False

    writing = Writing()
    assert watch.wait(writing) == {root / "app.py"}
    assert writing.number < 100


def test_a_file_that_is_named_now_is_no_change_and_one_named_as_absent_is(watch: Watch, root: Path) -> None:
    (root / "template.json").write_text("1")
    watch.name([root / "template.json"], absent=[root / "vendor" / "missing.py"])
    assert watch.wait(Stopping(2)) == frozenset()
    (root / "template.json").write_text("22")
    assert watch.wait(NOT_STOPPED) == {root / "template.json"}
    (root / "vendor").mkdir()
    (root / "vendor" / "missing.py").touch()
    watch.name([root / "template.json"], absent=[root / "vendor" / "missing.py"])  # it came before it was named
    assert watch.wait(NOT_STOPPED) == {root / "vendor" / "missing.py"}


def test_what_changed_before_it_was_named_has_changed(watch: Watch, root: Path) -> None:
    """A module that fails is named after it was read; meanwhile it may have been mended."""
    (root / "helpers.py").write_text("22")
    watch.name([root / "helpers.py"])
    assert watch.wait(NOT_STOPPED) == {root / "helpers.py"}
