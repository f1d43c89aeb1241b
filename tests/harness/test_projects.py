"""Projects are prepared once for a run, and once more for each way in which fixtures change them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.errors import ProjectError, SessionPluginError, TemplateError
from pytest_sessionplugin.harness.projects import ProjectCache
from tests.strangers import TABLE, write_project

PROPERTIES: Any = TABLE["Properties"]
SPECS: dict[str, Any] = {"Rooms": {**PROPERTIES, "TableName": "rooms"}}
SEED: dict[str, Any] = {}


@pytest.fixture
def cache(tmp_path: Path) -> ProjectCache:
    write_project(tmp_path / "chat")
    return ProjectCache("dev", tmp_path)


def test_a_project_is_found_from_the_rootdir_and_by_its_absolute_path(cache: ProjectCache, tmp_path: Path) -> None:
    assert cache.find("chat") == cache.find(tmp_path / "chat") == (tmp_path / "chat").resolve()
    with pytest.raises(ProjectError, match="a project is a folder, the path of one, not 3"):
        cache.find(3)  # type: ignore[arg-type]


def test_the_same_fixtures_give_the_same_setup(cache: ProjectCache) -> None:
    root = cache.find("chat")
    setup = cache.setup(root, {"A": "1"}, SPECS, SEED)
    assert cache.setup(root, {"A": "1"}, SPECS, SEED) is setup
    assert setup.variables == {"A": "1"}


@pytest.mark.parametrize(
    ("variables", "specs", "seed"),
    [({"A": "2"}, SPECS, SEED), ({"A": "1"}, dict(SPECS), SEED), ({"A": "1"}, SPECS, {})],
)
def test_other_fixtures_give_another_setup_of_the_same_project(
    cache: ProjectCache, variables: dict[str, str], specs: Any, seed: Any
) -> None:
    root = cache.find("chat")
    setup, other = cache.setup(root, {"A": "1"}, SPECS, SEED), cache.setup(root, variables, specs, seed)
    assert other is not setup
    assert other.project is setup.project


def test_another_project_is_set_up_by_its_own_files(cache: ProjectCache) -> None:
    root = cache.find("chat")
    other = cache.other(root)
    assert cache.other(root) is other
    assert list(other.memory.specs) == ["Rooms"]
    assert other.variables == {}


def test_a_fixture_that_returns_nothing_is_a_sentence(cache: ProjectCache) -> None:
    nothing: Any = None
    with pytest.raises(TemplateError, match="the fixture dynamodb_specs gives None; is its return missing"):
        cache.setup(cache.find("chat"), {}, nothing, SEED)
    with pytest.raises(SessionPluginError, match="the fixture chalice_env gives"):
        ProjectCache.checked(nothing)
