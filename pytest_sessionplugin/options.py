"""The settings of the kit in three ranks: option, SESSIONPLUGIN_* variable, [tool.sessionplugin]. Reads no app."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.errors import OptionError

if TYPE_CHECKING:
    import pytest


TARGETS = ("inprocess", "sockets")
DEPLOYED = "deployed"
"""What a mark calls the target that an option names by its URLs."""

NAMES = ("target", "project", "stage", "timeout")
LONGEST = 3600.0  # seconds
KEYS = frozenset({*NAMES, "template", "tokens", "env", "examples", "api_keys"})
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
    timeout: Setting  # seconds, for what a deployed stage sends

    @property
    def is_deployed(self) -> bool:
        return "://" in self.target.value

    @property
    def root(self) -> Path:
        return Path(self.project.value)

    @property
    def is_default(self) -> bool:
        return {s.source for s in (self.target, self.project, self.stage)} == {DEFAULT}

    def __str__(self) -> str:
        timeout = f", timeout {self.timeout}" if self.is_deployed else ""
        return f"target {self.target}, project {self.project}, stage {self.stage}{timeout}"


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("sessionplugin", "Chalice apps behind an emulated API Gateway")
    group.addoption(
        "--sessionplugin-target",
        metavar="TARGET",
        help="what is behind chalice_gateway: inprocess (the default), sockets, real ones on loopback, "
        "or the URLs of a deployed stage: https://…,wss://…",
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
    group.addoption(
        "--sessionplugin-timeout",
        metavar="SECONDS",
        help="how long a test waits for a frame of a deployed stage (default: 5)",
    )


def from_pytest(config: pytest.Config) -> Options:
    """Raises OptionError for a value that cannot be, a target above all."""
    given = {
        name: Setting(value, f"--sessionplugin-{name}")
        for name in NAMES
        if (value := config.getoption(f"sessionplugin_{name}")) is not None
    }
    options = decide(given, os.environ, config.rootpath, config.invocation_params.dir)
    check_target(options.target)
    check_project(options.project)
    check_stage(options.stage, options.root)
    check_timeout(options.timeout)
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
            value = table[name]
            if name == "timeout" and type(value) in (int, float):
                value = str(value)
            if not isinstance(value, str) or not value:
                must = "a number of seconds" if name == "timeout" else "a text that is not empty"
                raise OptionError(name, value, TABLE, f"it must be {must}.")
            return Setting(value, TABLE)
        return Setting(default, DEFAULT)

    project = ranked("project", read_table(root), str(root))
    if not project.value:
        raise OptionError("project", "", project.source, "it must be a folder.")
    base = root if project.source == TABLE else here
    project = Setting(str((base / project.value).resolve()), project.source)
    table = find_table(Path(project.value), root)
    target = ranked("target", table, TARGETS[0])
    return Options(target, project, ranked("stage", table, "dev"), ranked("timeout", table, "5"))


def check_target(target: Setting) -> None:
    """Raises OptionError, which shows no credentials that a URL may have in it."""
    if target.value in TARGETS:
        return
    from pytest_sessionplugin import targets

    if "://" not in target.value:
        reason = f"there is no such target; use {', '.join(TARGETS)}, or URLs of a deployed stage: {targets.FORM}."
        raise OptionError("target", target.value, target.source, reason)
    try:
        urls = targets.urls_of(target.value)
    except ValueError as error:
        raise OptionError("target", targets.without_credentials(target.value), target.source, f"{error}") from None
    if urls.websocket and (missing := targets.why_not("sockets")):
        raise OptionError("target", target.value, target.source, f"{missing}.")


def check_project(project: Setting) -> None:
    if project.source != DEFAULT and not Path(project.value).is_dir():
        raise OptionError("project", project.value, project.source, "there is no such folder.")


def check_stage(stage: Setting, root: Path) -> None:
    """A stage that is misspelt would be one without variables. What else config.json has wrong, its reader says."""
    path = root / ".chalice" / "config.json"
    if stage.source == DEFAULT or not path.is_file():
        return
    json: Any = importlib.import_module("json")
    try:
        stages = json.loads(path.read_bytes()).get("stages") or {"dev": {}}
    except (OSError, ValueError, AttributeError):
        return
    if stage.value not in stages:
        reason = f"there is no such stage in {path}; there are {', '.join(stages)}."
        raise OptionError("stage", stage.value, stage.source, reason)


def check_timeout(timeout: Setting) -> None:
    try:
        seconds = float(timeout.value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        reason = f"it must be a number of seconds, more than 0 and at most {LONGEST:g}."
        raise OptionError("timeout", timeout.value, timeout.source, reason)


def find_table(project: Path, root: Path) -> dict[str, Any]:
    """[tool.sessionplugin] of the project's pyproject.toml, or else of the one in `root`."""
    return read_table(project) or read_table(root)


def section(table: Mapping[str, Any], name: str) -> Mapping[str, str]:
    """A table in [tool.sessionplugin], all of it texts. Raises ValueError with a sentence."""
    found = table.get(name, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError(f"[tool.sessionplugin.{name}] must be a table of texts.")
    return found


def read_table(folder: Path) -> dict[str, Any]:
    """[tool.sessionplugin] of the folder's pyproject.toml; nothing if it has none."""
    path = folder / "pyproject.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OptionError("pyproject.toml", str(path), "a file", f"it cannot be read: {reason}.") from error
    if "sessionplugin" not in text:
        return {}  # most files: no need to load a parser
    toml: Any = importlib.import_module("tomllib")
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


OPEN_SOCKETS = "open_sockets"
UNFIRED_FAULTS = "unfired_faults"
BLOCKED_CALLS = "blocked_calls"
LEFT_THREADS = "left_threads"
SWITCHES = (OPEN_SOCKETS, UNFIRED_FAULTS, BLOCKED_CALLS, LEFT_THREADS)

ISOLATIONS = ("app", "function")
"""What has an app of its own: all functions together, or each of them."""


@dataclass(frozen=True)
class ChaliceMark:
    """What a test asks for with `@pytest.mark.chalice`."""

    fresh: bool = False  # an app of its own, imported for this test
    env: Mapping[str, str] = field(default_factory=dict)  # over the app's environment; needs an app of its own
    allow: frozenset[str] = frozenset()  # of SWITCHES
    isolation: str | None = None  # one of ISOLATIONS; None: as around it, or else the first

    @classmethod
    def of(
        cls,
        *,
        fresh: bool = False,
        env: Mapping[str, str] | None = None,
        allow: str | Iterable[str] = (),
        isolation: str | None = None,
    ) -> ChaliceMark:
        if not isinstance(allow, Iterable):
            raise TypeError(f"allow: it must be a name, or a list of names, not {allow!r}")
        if env is not None and not (isinstance(env, Mapping) and are_texts(env)):
            raise TypeError(f"env: it must be a mapping of texts to texts, not {env!r}")
        switches = frozenset([allow] if isinstance(allow, str) else allow)
        if unknown := switches - set(SWITCHES):
            raise ValueError(f"allow: there is no {', '.join(sorted(unknown))}; there are {', '.join(SWITCHES)}")
        if isolation not in (None, *ISOLATIONS):
            raise ValueError(f"isolation: there is no {isolation!r}; there are {', '.join(ISOLATIONS)}")
        return cls(fresh or bool(env), dict(env or {}), switches, isolation)

    def over(self, outer: ChaliceMark) -> ChaliceMark:
        """Those of a test over those of its class or module."""
        env = {**outer.env, **self.env}
        return ChaliceMark(self.fresh or outer.fresh, env, self.allow | outer.allow, self.isolation or outer.isolation)

    @property
    def each_its_own(self) -> bool:
        """Whether each function has an app of its own."""
        return self.isolation == "function"


def are_texts(variables: Mapping[Any, Any]) -> bool:
    return all(isinstance(text, str) for pair in variables.items() for text in pair)
