"""Registers breakages of a copy of the project under the check that must notice them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.deployment.doctored import Project

Break = Callable[[Project], None]
SPOILT: list[Any] = []
"""Parameters of a test: check, stage, break, expected text."""


def spoils(check: str, said: str, stage: str = "dev", name: str = "") -> Callable[[Break], Break]:
    """Registers a function that breaks something."""

    def entered(how: Break) -> Break:
        SPOILT.append(pytest.param(check, stage, how, said, id=f"{check}: {name or how.__name__}"))
        return how

    return entered


def of_config(check: str, said: str, *keys: str, to: Any = None, stage: str = "dev") -> None:
    """Sets a setting to another value; None removes it."""

    def how(project: Project) -> None:
        with project.edited("config.json") as config:
            _set(config, keys, to)

    spoils(check, said, stage, f"{'.'.join(keys)} = {to!r}"[:90])(how)


def variable(check: str, said: str, name: str, value: str | None, stage: str = "dev", **others: str | None) -> None:
    """Sets variables of a stage to other values; None removes one."""

    def how(project: Project) -> None:
        with project.edited("config.json") as config:
            for one, to in {name: value, **others}.items():
                config["environment_variables"].pop(one, None)
                _set(config["stages"][stage]["environment_variables"], (one,), to)

    spoils(check, said, stage, f"{name} = {value!r}"[:90])(how)


def of_operations(check: str, said: str, *keys: str, to: Any = None) -> None:
    def how(project: Project) -> None:
        with project.edited("operations.json") as document:
            _set(document, keys, to)

    spoils(check, said, name=f"{'.'.join(keys)} = {to!r}")(how)


def of_table(check: str, said: str, table: str, *keys: str, to: Any = None, stage: str = "dev") -> None:
    def how(project: Project) -> None:
        with project.edited("resources.json") as template:
            _set(template["Resources"][table]["Properties"], keys, to)

    spoils(check, said, stage, f"{table}.{'.'.join(keys)} = {to!r}")(how)


def of_policy(check: str, said: str, sid: str, **changes: Any) -> None:
    """Sets keys of a statement of the sweep's policy; None removes one."""

    def how(project: Project) -> None:
        with project.edited("policies/dev/sweep.json") as policy:
            [statement] = [one for one in policy["Statement"] if one["Sid"] == sid]
            for key, to in changes.items():
                _set(statement, (key,), to)

    spoils(check, said, name=f"{sid} {changes}")(how)


def of_file(check: str, said: str, name: str, change: Callable[[str], str]) -> None:
    """Changes the text of a file in `.chalice/`."""

    def how(project: Project) -> None:
        path = project.folder / name
        path.write_text(change(path.read_text()))

    spoils(check, said, name=f"{name}: {said}")(how)


def of_code(check: str, said: str, change: Callable[[str], str]) -> None:
    spoils(check, said, name=f"app.py: {said}")(lambda project: project.code(change))


def _set(place: dict[str, Any], keys: tuple[str, ...], to: Any) -> None:
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    if to is None:
        place.pop(keys[-1], None)
    else:
        place[keys[-1]] = to
