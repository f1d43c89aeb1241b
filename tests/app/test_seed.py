"""A seed is run as a file of its own, with its folder and its project importable, and leaves no module behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.app.seed import Seed
from pytest_sessionplugin.errors import ProjectError
from pytest_sessionplugin.tracebacks import cause_in_project
from tests.strangers import write_project

NOTE = """
from pathlib import Path

def seed():
    Path({noted!r}).write_text({said})
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dev").mkdir()
    return write_project(tmp_path / "service")


def seed_of(root: Path, text: str, name: str = "dev/seed.py") -> Seed:
    path = root.parent / name
    path.write_text(text)
    return Seed(path, root)


def test_it_imports_from_its_folder_and_from_the_project_and_none_of_it_stays(root: Path) -> None:
    noted = root / "noted"
    (root.parent / "dev" / "first" / "rows").mkdir(parents=True)  # namespace packages
    (root.parent / "dev" / "first" / "rows" / "of_dev.py").write_text("ROWS = ['a']")
    (root / "chalicelib").mkdir(exist_ok=True)
    (root / "chalicelib" / "names_of_tables.py").write_text("NAME = 'rooms'")
    text = "from first.rows import of_dev\nfrom chalicelib import names_of_tables\n" + NOTE
    said = "f'{names_of_tables.NAME} {of_dev.ROWS} {__name__} in {Path.cwd()}'"
    before, path, folder = dict(sys.modules), list(sys.path), Path.cwd()
    seed_of(root, text.format(noted=str(noted), said=said)).run()
    assert noted.read_text() == f"rooms ['a'] seed in {root}"
    assert {name for name, module in sys.modules.items() if before.get(name) is not module} == set()
    assert (sys.path, Path.cwd()) == (path, folder)


def test_it_is_read_again_each_time_and_a_module_of_its_name_is_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted, theirs = root / "noted", object()
    monkeypatch.setitem(sys.modules, "seed", theirs)
    for said in ("first", "the second"):
        seed_of(root, NOTE.format(noted=str(noted), said=repr(said))).run()
        assert noted.read_text() == said
    assert sys.modules["seed"] is theirs


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"seed\.py has no function seed\(\), which is called to fill AWS for the app\."),
        ("seed = {}", r"seed\.py has no function seed\(\)"),
        (
            "1 / 0",
            r"the seed .*seed\.py failed, importing it raised ZeroDivisionError: .*; mend it, or take",
        ),
        ("def seed(:", r"the seed .*seed\.py failed, importing it raised SyntaxError"),
        ("raise SystemExit(3)", r"importing it raised SystemExit: 3"),
        (
            "def seed(): {}['a']",
            r"failed, its seed\(\) raised KeyError: 'a'\. It runs when the tables are there",
        ),
        ("def seed(client): pass", r"its seed\(\) raised TypeError: seed\(\) missing 1 required .* 'client'"),
        ("async def seed(): pass", r"seed\(\) of .*seed\.py must be a plain function"),
        ("def seed(): yield", r"seed\(\) of .*seed\.py must be a plain function"),
    ],
)
def test_an_error_names_the_file_and_says_what_to_do(root: Path, text: str, sentence: str) -> None:
    path = list(sys.path)
    with pytest.raises(ProjectError, match=sentence):
        seed_of(root, text).run()
    assert sys.path == path
    assert "seed" not in sys.modules


def test_its_traceback_is_shown_wherever_the_file_is(root: Path) -> None:
    with pytest.raises(ProjectError) as failed:
        seed_of(root, "def seed():\n    made = 1 / 0").run()
    assert "made = 1 / 0" in cause_in_project(failed.value)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("['seed.py']", r"^seed in \[tool\.sessionplugin\] must be the path of a Python file\.$"),
        ("''", r"^seed in \[tool\.sessionplugin\] must be the path of a Python file\.$"),
        ("'gone.py'", r"^seed in \[tool\.sessionplugin\] names .*gone\.py, and there is no such file\.$"),
        ("'chalicelib'", r"names .*chalicelib, and there is no such file\.$"),
        (
            "'.chalice/config.json'",
            r"failed, importing it raised ImportError: config\.json is not a Python file",
        ),
    ],
)
def test_a_setting_that_names_no_seed_is_a_sentence(tmp_path: Path, setting: str, sentence: str) -> None:
    write_project(tmp_path, pyproject=f"[tool.sessionplugin]\nseed = {setting}")
    project = Project(tmp_path)
    with pytest.raises(ProjectError, match=sentence):
        project.seed.run()  # type: ignore[union-attr]


def test_a_project_without_the_setting_has_none_whatever_its_files(tmp_path: Path) -> None:
    (write_project(tmp_path) / "seed.py").write_text("def seed(): pass")
    assert Project(tmp_path).seed is None


def test_its_file_is_one_of_those_that_decide_how_the_project_is_served(tmp_path: Path) -> None:
    write_project(tmp_path, pyproject="[tool.sessionplugin]\nseed = '../seed.py'")
    assert tmp_path / "../seed.py" in Project(tmp_path).files
