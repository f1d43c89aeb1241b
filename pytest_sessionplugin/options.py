"""Settings in three ranks: option, SESSIONPLUGIN_* variable, [tool.sessionplugin]; targets and marks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.errors import OptionError

if TYPE_CHECKING:
    import pytest

    from pytest_sessionplugin.gateway.client.transport import Urls

TARGETS = ("inprocess", "sockets")
DEPLOYED = "deployed"
"""The name, in a mark, of the target that an option gives by its URLs."""
FORM = "https://…,wss://…"
_SECURE = {"http": "https", "ws": "wss"}

NAMES = ("target", "project", "stage", "timeout")
LONGEST = 3600.0  # seconds
CONTRACTS = ("openapi", "asyncapi")
"""Settings that name the file of a contract."""
KEYS = frozenset(
    {
        *(*NAMES, "template", "seed", "tokens", "env", "examples", "api_keys", "websocket_domain", "other_hosts"),
        *CONTRACTS,
    }
)
TABLE = "[tool.sessionplugin]"
DEV = "dev"
DEFAULT = "default"
FEW = 3  # projects that an error names
HERE = "working directory"
ONLY = "the only one"


@dataclass(frozen=True)
class Setting:
    """A value and its source."""

    value: str
    source: str

    def __str__(self) -> str:
        return f"{self.value} ({self.source})"


@dataclass(frozen=True)
class Options:
    """The settings of a run, each with its source."""

    target: Setting
    project: Setting  # an absolute path
    stage: Setting
    timeout: Setting  # seconds to wait for a frame of a deployed stage

    @property
    def is_deployed(self) -> bool:
        return "://" in self.target.value

    @property
    def root(self) -> Path:
        return Path(self.project.value)

    @property
    def named_stage(self) -> str | None:
        """The stage that somebody named; None if each project is to take its own."""
        return None if self.stage.source in (DEFAULT, ONLY) else self.stage.value

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
        help="the Chalice project, the folder with app.py and .chalice (default: the rootdir, or this folder)",
    )
    group.addoption(
        "--sessionplugin-stage",
        metavar="STAGE",
        help="the Chalice stage whose environment the app gets (default: dev, or the only one)",
    )
    group.addoption(
        "--sessionplugin-timeout",
        metavar="SECONDS",
        help="how long a test waits for a frame of a deployed stage (default: 5)",
    )
    group.addoption(
        "--sessionplugin-contract-report",
        action="store_true",
        help="print which answers and messages of the contracts the run has seen",
    )
    group.addoption(
        "--sessionplugin-contract-complete",
        action="store_true",
        help="print it, and fail the run if one of them was not seen",
    )


def from_pytest(config: pytest.Config) -> Options:
    """Reads and checks all settings. Raises OptionError for an invalid value."""
    given = {
        name: Setting(value, f"--sessionplugin-{name}")
        for name in NAMES
        if (value := config.getoption(f"sessionplugin_{name}")) is not None
    }
    options = decide(given, os.environ, config.rootpath, config.invocation_params.dir)
    check_target(options.target)
    check_project(options.project)
    check_timeout(options.timeout)
    contract_files(find_table(options.root, config.rootpath), options.root)
    return replace(options, stage=find_stage(options.stage, options.root))


def decide(given: Mapping[str, Setting], environment: Mapping[str, str], root: Path, here: Path) -> Options:
    """Takes the first of: `given`, the environment, the table of the project or of `root`, the default.

    A relative project path starts from `here`, the working directory; in the table, from `root`. Where `root` is the
    default and not a project, it is the one around `here`.
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
                must = "a number of seconds" if name == "timeout" else "a non-empty string"
                raise OptionError(name, value, TABLE, f"it must be {must}.")
            return Setting(value, TABLE)
        return Setting(default, DEFAULT)

    project = ranked("project", read_table(root), str(root))
    if not project.value:
        raise OptionError("project", "", project.source, "it must be a folder.")
    base = root if project.source == TABLE else here
    project = Setting(str((base / project.value).resolve()), project.source)
    if project.source == DEFAULT and (below := _project_below(root, here)) is not None:
        project = Setting(str(below.resolve()), HERE)
    table = find_table(Path(project.value), root)
    target = ranked("target", table, TARGETS[0])
    return Options(target, project, ranked("stage", table, DEV), ranked("timeout", table, "5"))


def is_project(folder: Path) -> bool:
    return (folder / "app.py").is_file() and (folder / ".chalice" / "config.json").is_file()


def projects_below(root: Path) -> str:
    """A hint for a repository whose project is in a folder of it, as `runtime` of a CDK project."""
    below = [path.parts[-3] for path in sorted(root.glob("*/.chalice/config.json"))]
    found = [name for name in below if is_project(root / name)]
    return f" There are projects in: {', '.join([*found[:FEW], *['…'][: len(found) - FEW]])}." if found else ""


def _project_below(root: Path, here: Path) -> Path | None:
    """The project around `here`, below a `root` that is not a project."""
    if here == root or not here.is_relative_to(root) or is_project(root):
        return None
    within = (folder for folder in (here, *here.parents) if folder != root and folder.is_relative_to(root))
    return next(filter(is_project, within), None)


def check_target(target: Setting) -> None:
    """Raises OptionError, without the credentials that a URL may contain, also if the target cannot run here."""
    if target.value in TARGETS:
        if missing := why_not(target.value):
            raise OptionError("target", target.value, target.source, f"{missing}.")
        return
    if "://" not in target.value:
        reason = f"there is no such target; use {', '.join(TARGETS)}, or URLs of a deployed stage: {FORM}."
        raise OptionError("target", target.value, target.source, reason)
    try:
        urls = urls_of(target.value)
    except ValueError as error:
        raise OptionError("target", without_credentials(target.value), target.source, f"{error}") from None
    if urls.websocket and (missing := why_not("sockets")):
        raise OptionError("target", target.value, target.source, f"{missing}.")


def check_project(project: Setting) -> None:
    if project.source != DEFAULT and not Path(project.value).is_dir():
        raise OptionError("project", project.value, project.source, "there is no such folder.")


def find_stage(stage: Setting, root: Path) -> Setting:
    """The stage, or the only one of a project without dev, where none was named.

    Raises OptionError for a named one that config.json does not have. Its reader reports other mistakes in there.
    """
    import json

    path, named = root / ".chalice" / "config.json", None if stage.source == DEFAULT else stage.value
    try:
        found = choose_stage(named, json.loads(path.read_bytes()).get("stages") or {}, path)
    except LookupError as error:
        if named is None:
            return stage
        raise OptionError("stage", stage.value, stage.source, str(error.args[0])) from None
    except (OSError, ValueError, AttributeError):
        return stage
    return stage if found == stage.value else Setting(found, ONLY)


def choose_stage(named: str | None, stages: Mapping[str, Any], path: Path) -> str:
    """The named one of the stages in config.json, else dev, else the only one. Raises LookupError with a sentence."""
    there = [name for name, stage in stages.items() if isinstance(stage, dict)] or [DEV]
    wanted = named or DEV
    if wanted in stages or wanted in there:
        return wanted
    if named is None and len(there) == 1:
        return there[0]
    advice = (
        ""
        if named
        else (
            " Name one: with --sessionplugin-stage of pytest, --stage of the command, in SESSIONPLUGIN_STAGE, or as "
            f"`stage` in {TABLE}."
        )
    )
    raise LookupError(f"there is no stage {wanted} in {path}; there are {', '.join(there)}.{advice}")


def check_timeout(timeout: Setting) -> None:
    try:
        seconds = float(timeout.value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        reason = f"it must be a number of seconds, more than 0 and at most {LONGEST:g}."
        raise OptionError("timeout", timeout.value, timeout.source, reason)


def find_table(project: Path, root: Path) -> dict[str, Any]:
    """[tool.sessionplugin] of the project's pyproject.toml, else of the one in `root`."""
    return read_table(project) or read_table(root)


def section(table: Mapping[str, Any], name: str) -> Mapping[str, str]:
    """A table of strings in [tool.sessionplugin]. Raises ValueError with a sentence."""
    found: Any = table.get(name, {})
    must = f"[tool.sessionplugin.{name}] must be a table of strings"
    others = [key for key, value in found.items() if not isinstance(value, str)] if isinstance(found, dict) else [""]
    if others:
        raise ValueError(f"{must}{f': put the value of {others[0]} in quotes' if others[0] else ''}.")
    texts: Mapping[str, str] = found
    return texts


def contract_path(table: Mapping[str, Any], kind: str) -> str | None:
    """The path of a contract as the settings have it. Raises OptionError for another kind of value."""
    value = table.get(kind)
    if value is not None and (not isinstance(value, str) or not value):
        raise OptionError(kind, value, TABLE, "it must be the path of a file.")
    return value


def contract_files(table: Mapping[str, Any], root: Path) -> dict[str, Path]:
    """The contracts of the project in `root`, by their kind. Raises OptionError, also if the extra is missing."""
    from importlib.util import find_spec

    found = {}
    for kind in CONTRACTS:
        if (value := contract_path(table, kind)) is None:
            continue
        if not (root / value).is_file():
            raise OptionError(kind, value, TABLE, f"there is no such file in {root}.")
        if find_spec("jsonschema") is None:
            advice = "pip install 'pytest-sessionplugin[contracts]'"
            raise OptionError(kind, value, TABLE, f"contracts need jsonschema: {advice}.")
        found[kind] = root / value
    return found


def read_table(folder: Path) -> dict[str, Any]:
    """[tool.sessionplugin] of the folder's pyproject.toml; empty without one."""
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
    import tomllib

    try:
        table: Any = tomllib.loads(text).get("tool", {}).get("sessionplugin", {})
    except tomllib.TOMLDecodeError as error:
        raise OptionError("pyproject.toml", str(path), "a file", f"it is not TOML: {error}.") from error
    if not isinstance(table, dict):
        raise OptionError("sessionplugin", table, str(path), "[tool.sessionplugin] must be a table.")
    for key, value in table.items():
        if key not in KEYS:
            raise OptionError(key, value, str(path), f"there is no such key; there are {', '.join(sorted(KEYS))}.")
    return table


# --- targets


def why_not(target: str) -> str | None:
    """Why this machine cannot run a target; None if it can."""
    from importlib.util import find_spec

    if target == "sockets":
        missing = [name for name in ("h11", "websockets") if find_spec(name) is None]
        if missing:
            return f"real sockets need {' and '.join(missing)}: pip install 'pytest-sessionplugin[sockets]'"
    return None


def runnable(marked: tuple[str, ...], *, deployed: bool) -> tuple[str, ...]:
    """The marked targets that this run has: the deployed stage alone, or all but it.

    If there are none, all of them: each test is then skipped with its reason.
    """
    here = (DEPLOYED,) if deployed else TARGETS
    return tuple(target for target in marked if target in here) or marked


def why_not_marked(marked: str, configured: str) -> str | None:
    """Why a test marked for one target does not run on the configured one; None if it does."""
    deployed = "://" in configured
    if marked == DEPLOYED and not deployed:
        return f"this test is for a deployed stage: name one with --sessionplugin-target={FORM}"
    if marked != DEPLOYED and deployed:
        return f"this test is not for the {kind_of(configured)} {configured}: it is marked for {marked}"
    return None


def kind_of(target: str) -> str:
    """The name of a target with URLs, for messages."""
    return "served app" if is_served(target) else "deployed stage"


def is_served(target: str) -> bool:
    """Whether all URLs of a target are on this machine, where `sessionplugin serve` listens."""
    from pytest_sessionplugin.gateway.values import on_loopback

    return all(on_loopback(url.strip()) for url in target.split(","))


def urls_of(target: str) -> Urls:
    """The URLs of a deployed stage: HTTP, then WebSocket, or one of the two.

    Raises ValueError with a sentence.
    """
    from pytest_sessionplugin.gateway.client.transport import Urls

    http = websocket = ""
    for text in target.split(","):
        url = _checked(text.strip())
        is_http = url.startswith("http")
        if websocket or (http and is_http):
            raise ValueError(f"it names one HTTP URL, then one WebSocket URL: {FORM}.")
        http, websocket = (url, "") if is_http else (http, url)
    return Urls(http, websocket)


def _checked(text: str) -> str:
    from urllib.parse import urlsplit

    from pytest_sessionplugin.gateway.values import on_loopback

    if re.search(r"[^!-~]", text):
        raise ValueError("a URL is ASCII without spaces; other characters are percent-encoded.")
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if not host or port == 0 or url.scheme not in {*_SECURE, *_SECURE.values()}:
        raise ValueError(f"it must be {FORM}.")
    if url.username is not None or "?" in text or "#" in text:
        raise ValueError("a user, a query or a fragment does not belong in it: it is shown in pytest's header.")
    if url.scheme in _SECURE and not on_loopback(text):
        raise ValueError(f"{host} is not on this machine, so {url.scheme} must be {_SECURE[url.scheme]}.")
    return f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}"


def without_credentials(target: str) -> str:
    """The text of an invalid target, without users and queries."""
    return re.sub(r"[?#][^,]*", "?…", re.sub(r"//[^/]*@", "//…@", target))


# --- @pytest.mark.chalice


OPEN_SOCKETS = "open_sockets"
UNFIRED_FAULTS = "unfired_faults"
BLOCKED_CALLS = "blocked_calls"
LEFT_THREADS = "left_threads"
OFF_CONTRACT = "off_contract"
SWITCHES = (OPEN_SOCKETS, UNFIRED_FAULTS, BLOCKED_CALLS, LEFT_THREADS, OFF_CONTRACT)
OTHER_HOSTS = "other_hosts"
"""Allows connections that the setting of this name refuses."""

ISOLATIONS = ("app", "function")
"""Scope of a copy of the app: all functions together, or each one."""

MARKED = (*TARGETS, DEPLOYED)
"""Targets that a mark can name."""


@dataclass(frozen=True)
class ChaliceMark:
    """The arguments of `@pytest.mark.chalice`."""

    fresh: bool = False  # a new copy of the app for this test
    env: Mapping[str, str] = field(default_factory=dict)  # over the app's environment; implies fresh
    allow: frozenset[str] = frozenset()  # of SWITCHES and OTHER_HOSTS
    isolation: str | None = None  # one of ISOLATIONS; None: that of the class or module, else the first
    targets: tuple[str, ...] = ()  # of MARKED; none: those of the class or module, else that of the run

    @classmethod
    def of(
        cls,
        *,
        fresh: bool = False,
        env: Mapping[str, str] | None = None,
        allow: str | Iterable[str] = (),
        isolation: str | None = None,
        targets: str | Iterable[str] | None = None,
    ) -> ChaliceMark:
        if not isinstance(fresh, bool):
            raise TypeError(f"fresh: it must be True or False, not {fresh!r}")
        if not isinstance(allow, Iterable):
            raise TypeError(f"allow: it must be a name, or a list of names, not {allow!r}")
        if env is not None and not (isinstance(env, Mapping) and are_texts(env)):
            raise TypeError(f"env: it must be a mapping of strings to strings, not {env!r}")
        switches = frozenset([allow] if isinstance(allow, str) else allow)
        known = (*SWITCHES, OTHER_HOSTS)
        if unknown := switches - set(known):
            raise ValueError(f"allow: there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        if isolation not in (None, *ISOLATIONS):
            raise ValueError(f"isolation: there is no {isolation!r}; there are {', '.join(ISOLATIONS)}")
        return cls(fresh or bool(env), dict(env or {}), switches, isolation, _targets(targets))

    def over(self, outer: ChaliceMark) -> ChaliceMark:
        """Merges the mark of a test into that of its class or module."""
        env = {**outer.env, **self.env}
        return ChaliceMark(
            self.fresh or outer.fresh,
            env,
            self.allow | outer.allow,
            self.isolation or outer.isolation,
            self.targets or outer.targets,
        )

    @property
    def each_its_own(self) -> bool:
        """Whether each function gets its own copy of the app."""
        return self.isolation == "function"


def _targets(given: str | Iterable[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, Iterable):
        raise TypeError(f"targets: it must be a name, or a list of names, not {given!r}")
    names = (given,) if isinstance(given, str) else tuple(given)
    if unknown := [name for name in names or ("",) if name not in MARKED]:
        raise ValueError(f"targets: there is no {unknown[0]!r}; there are {', '.join(MARKED)}")
    return names


def are_texts(variables: Mapping[Any, Any]) -> bool:
    return all(isinstance(text, str) for pair in variables.items() for text in pair)
