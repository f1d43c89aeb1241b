"""The file .chalice/config.json: reads it, and refuses the values that `chalice deploy` refuses or loses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_sessionplugin.errors import ProjectError
from pytest_sessionplugin.notation import json_value

NUMBERS = {"lambda_timeout": "seconds", "lambda_memory_size": "megabytes"}


def read_config(path: Path) -> dict[str, Any]:
    """Its object, whose values at the top are checked. Raises ProjectError."""
    try:
        found = json_value(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _refused(path, f" is not a JSON object: {error}.") from error
    if not isinstance(found, dict):
        raise _refused(path, " is not a JSON object.")
    _check_objects(path, {"stages": found.get("stages", {})})
    _check_level(path, found)
    return found


def check_stage(path: Path, level: Any, stage: str) -> None:
    """Checks the stage that is deployed; Chalice reads no other. Raises ProjectError."""
    _check_objects(path, {f"stages.{stage}": level})
    _check_level(path, level, f"stages.{stage}.")
    functions = level.get("lambda_functions", {})
    _check_objects(path, {f"stages.{stage}.lambda_functions.{name}": each for name, each in functions.items()})


def _check_level(path: Path, level: Mapping[str, Any], prefix: str = "") -> None:
    """Checks the values at the top of the file, or those of one stage."""
    functions = level.get("lambda_functions", {})
    _check_objects(path, {f"{prefix}lambda_functions": functions})
    own = {f"lambda_functions.{name}.": each for name, each in functions.items() if isinstance(each, dict)}
    for place, each in {"": level, **own}.items():
        _check_variables(path, f"{prefix}{place}environment_variables", each.get("environment_variables") or {})
    for name, unit in NUMBERS.items():
        if type(level.get(name, 1)) is not int:
            raise _refused(path, f": {prefix}{name} is {level[name]!r}; it must be a whole number, of {unit}.")


def _check_variables(path: Path, place: str, variables: Any) -> None:
    """`chalice deploy` refuses a value that is not a string (deploy/validate.py)."""
    _check_objects(path, {place: variables})
    for name, value in variables.items():
        if not isinstance(value, str):
            refused = f"{place}.{name} is {json.dumps(value)}, and `chalice deploy` refuses that"
            raise _refused(path, f": {refused}: put the value in quotes.")


def _check_objects(path: Path, values: Mapping[str, Any]) -> None:
    """Chalice does not check, and raises an AttributeError or loses the values without a word."""
    if wrong := [place for place, value in values.items() if not isinstance(value, dict)]:
        raise _refused(path, f": {wrong[0]} is not a JSON object.")


def _refused(path: Path, reason: str) -> ProjectError:
    return ProjectError(path.parent.parent, f"{path}{reason}")
