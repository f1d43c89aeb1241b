"""The settings of the kit in three ranks: option, SESSIONPLUGIN_* variable, [tool.sessionplugin]. Reads no app."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.errors import OptionError

if TYPE_CHECKING:
    import pytest

TARGETS = ("inprocess", "sockets")
KEYS = frozenset({"target", "project", "stage", "template", "tokens", "env", "examples"})
TABLE = "[tool.sessionplugin]"
DEFAULT = "default"


@dataclass(frozen=True)
class Setting:
    """A value and where it came from."""

    value: str
    source: str

    def __str__(self) -> str:
        return f"{self.value} ({self.source})"


@dataclass(frozen=True)
class Options:
    """What was decided, with the source of each decision."""

    target: Setting
    project: Setting  # an absolute path
    stage: Setting

    @property
    def root(self) -> Path:
        return Path(self.project.value)

    @property
    def is_default(self) -> bool:
        return {s.source for s in (self.target, self.project, self.stage)} == {DEFAULT}

    def __str__(self) -> str:
        return f"target {self.target}, project {self.project}, stage {self.stage}"


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("sessionplugin", "Chalice apps behind an emulated API Gateway")
    group.addoption(
        "--sessionplugin-target",
        metavar="TARGET",
        help="what is behind chalice_gateway: inprocess (the default) or sockets, real ones on loopback",
    )
    group.addoption(
        "--sessionplugin-project",
        metavar="FOLDER",
        help="the Chalice project, the folder with app.py and .chalice (default: the rootdir)",
    )
    group.addoption(
        "--sessionplugin-stage",
        metavar="STAGE",
        help="the Chalice stage whose environment the app gets (default: dev)",
    )


def from_pytest(config: pytest.Config) -> Options:
    """Raises OptionError for a value that cannot be, a target above all."""
    given = {
        name: Setting(value, f"--sessionplugin-{name}")
        for name in ("target", "project", "stage")
        if (value := config.getoption(f"sessionplugin_{name}")) is not None
    }
    options = decide(given, os.environ, config.rootpath, config.invocation_params.dir)
    check_target(options.target)
    return options


def decide(given: Mapping[str, Setting], environment: Mapping[str, str], root: Path, here: Path) -> Options:
    """The first of: what was `given`, the environment, the table of the project or else of `root`, the default.

    A project that is a relative path starts from `here`, where the command was typed; in the table, from `root`.
    """

    def ranked(name: str, table: Mapping[str, Any], default: str) -> Setting:
        if name in given:
            return given[name]
        variable = f"SESSIONPLUGIN_{name.upper()}"
        if environment.get(variable):
            return Setting(environment[variable], variable)
        if name in table:
            if not isinstance(table[name], str) or not table[name]:
                raise OptionError(name, table[name], TABLE, "it must be a text that is not empty.")
            return Setting(table[name], TABLE)
        return Setting(default, DEFAULT)

    project = ranked("project", read_table(root), str(root))
    base = root if project.source == TABLE else here
    project = Setting(str((base / project.value).resolve()), project.source)
    table = find_table(Path(project.value), root)
    target = ranked("target", table, TARGETS[0])
    return Options(target, project, ranked("stage", table, "dev"))


def check_target(target: Setting) -> None:
    if target.value in TARGETS:
        return
    if target.value.startswith("https://"):
        reason = f"testing a deployed stage is not supported by this version; use {' or '.join(TARGETS)}."
    else:
        reason = f"there is no such target; use {' or '.join(TARGETS)}."
    raise OptionError("target", target.value, target.source, reason)


def find_table(project: Path, root: Path) -> dict[str, Any]:
    """[tool.sessionplugin] of the project's pyproject.toml, or else of the one in `root`."""
    return read_table(project) or read_table(root)


def read_table(folder: Path) -> dict[str, Any]:
    """[tool.sessionplugin] of the folder's pyproject.toml; nothing if it has none."""
    path = folder / "pyproject.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if "sessionplugin" not in text:
        return {}  # most files: no need to load a parser
    toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        table: Any = toml.loads(text).get("tool", {}).get("sessionplugin", {})
    except toml.TOMLDecodeError as error:
        raise OptionError("pyproject.toml", str(path), "a file", f"it is not TOML: {error}.") from error
    if not isinstance(table, dict):
        raise OptionError("sessionplugin", table, str(path), "[tool.sessionplugin] must be a table.")
    for key, value in table.items():
        if key not in KEYS:
            raise OptionError(key, value, str(path), f"there is no such key; there are {', '.join(sorted(KEYS))}.")
    return table
