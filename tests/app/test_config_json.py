"""The file .chalice/config.json is read whole, or refused with the place of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_sessionplugin.app.config_json import check_stage, read_config
from pytest_sessionplugin.errors import ProjectError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".chalice" / "config.json"


def written(path: Path, text: str) -> Path:
    path.parent.mkdir()
    path.write_text(text)
    return path


def read(path: Path, config: object) -> None:
    """Reads it as a project does: the top, and the stage dev."""
    found = read_config(written(path, json.dumps(config)))
    check_stage(path, found.get("stages", {}).get("dev", {}), "dev")


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_text_that_is_not_an_object_is_refused(path: Path, text: str) -> None:
    with pytest.raises(ProjectError, match=r"config.json is not a JSON object") as refused:
        read_config(written(path, text))
    assert refused.value.root == path.parent.parent


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        ({"stages": []}, "stages"),
        ({"stages": {"dev": 3}}, "stages.dev"),
        ({"stages": {"dev": None}}, "stages.dev"),
        ({"stages": {"dev": {"environment_variables": "A=1"}}}, "stages.dev.environment_variables"),
        ({"stages": {"dev": {"lambda_functions": {"worker": 3}}}}, "stages.dev.lambda_functions.worker"),
        ({"environment_variables": 3}, "environment_variables"),
        ({"lambda_functions": []}, "lambda_functions"),
    ],
)
def test_a_value_that_chalice_could_not_read_is_named_with_its_place(
    path: Path, config: dict[str, object], wrong: str
) -> None:
    with pytest.raises(ProjectError, match=rf"config.json: {wrong} is not a JSON object\.$"):
        read(path, config)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"environment_variables": {"PORT": 80}}, "environment_variables.PORT is 80, and `chalice deploy` refuses"),
        (
            {"stages": {"dev": {"lambda_functions": {"tidy": {"environment_variables": {"ON": True}}}}}},
            "stages.dev.lambda_functions.tidy.environment_variables.ON is true, and `chalice deploy` refuses",
        ),
        ({"lambda_timeout": "1m"}, "lambda_timeout is '1m'; it must be a whole number, of seconds"),
        ({"stages": {"dev": {"lambda_memory_size": 1.5}}}, "stages.dev.lambda_memory_size is 1.5; it must be a whole"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(path: Path, config: object, sentence: str) -> None:
    with pytest.raises(ProjectError, match=f"config.json: {sentence}"):
        read(path, config)


def test_another_stage_is_not_checked(path: Path) -> None:
    """Chalice does not read it either."""
    read(path, {"stages": {"prod": {"environment_variables": "A=1"}}, "environment_variables": None})
