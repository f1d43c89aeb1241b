"""Replaces the served app when the files of its project change."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import time
import traceback
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from pytest_sessionplugin import tracebacks
from pytest_sessionplugin.app import logging, modules
from pytest_sessionplugin.app.project import Memory
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.errors import ProjectError, SessionPluginError
from pytest_sessionplugin.gateway.values import REST_FUNCTION
from pytest_sessionplugin.serving.console import GREEN, RED, coloured, failed, tell
from pytest_sessionplugin.tokens.tokens import TokenSettings
from pytest_sessionplugin.tracebacks import cause_in_project

if TYPE_CHECKING:
    from pytest_sessionplugin.account.apps import DeployedApp
    from pytest_sessionplugin.app.project import Project


FEW = 4  # names in a line


class ServedApp(Protocol):
    """The app that is served at the moment."""

    @property
    def deployed(self) -> DeployedApp: ...

    @property
    def warnings(self) -> Sequence[str]:
        """Warnings of its last deployment."""

    def create(self, memory: Memory) -> None:
        """Creates those tables that are not there yet."""

    def redeploy(self, memory: Memory, *, forget_authorizers: bool) -> None:
        """Imports the app again and serves the new version; if that fails, the old version stays. With
        `forget_authorizers`, drops the cached answers of all authorizers.
        """


class Start:
    """The environment and loggers of the process before an app was imported; create it then."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._loggers = logging.states()

    @contextlib.contextmanager
    def again(self, root: Path, variables: Mapping[str, str], vendor: bool) -> Iterator[None]:
        """Restores that state, with these variables, for the block and after it. If the block fails, undoes it.

        Also forgets modules of the project that its versions share, and, with `vendor`, those of its vendor folder.
        """
        variables_before, loggers_before = dict(os.environ), logging.states()
        away = _take(root, vendor)
        environment.put_back(environment.told(self._environment, variables))
        logging.put_back(self._loggers)
        importlib.invalidate_caches()
        try:
            yield
        except BaseException:
            environment.put_back(variables_before)
            logging.put_back(loggers_before)
            _take(root, vendor)
            sys.modules.update(away)
            raise


class Reload:
    """Reloads the served app. Use it from the thread that imported the app, which may have an event loop there."""

    def __init__(self, app: ServedApp, watch: Watch, start: Start) -> None:
        self._app, self._watch, self._start = app, watch, start
        self._tables = dict(_tables(app.deployed.stack.memory))  # as they were made
        self._failed: frozenset[Path] = frozenset()  # changes since the last reload

    def until(self, stop: Wait) -> None:
        """Reloads whenever files change, until `stop` is set."""
        while changed := self._watch.wait(stop):
            self.now(changed)

    def now(self, changed: Collection[Path]) -> None:
        """Reloads because of these files, and prints the result. If it fails, the app before it is still served."""
        began = time.perf_counter()
        before, facts = self._app.deployed, self._app.warnings
        root = before.stack.project.root
        what = _listed(sorted(_short(path, root) for path in changed))
        _forget_compiled(changed)
        since = self._failed.union(changed)
        project = before.stack.project
        to_blame: set[Path] = set()
        absent: set[Path] = set()
        try:
            project = project.again()
            others = all(path.name == "pyproject.toml" for path in changed)  # most of it is for other tools
            if others and not self._failed and project.settings == before.stack.project.settings:
                return
            told = self._redeploy(project, since)
        except Exception as error:  # noqa: BLE001 - whatever it is, the app that is served goes on
            self._failed = since
            to_blame, absent = _to_blame(error, root), _absent(error, root)
            _tell_failure(what, error, root)
        else:
            self._failed = frozenset()
            news = "; ".join([*_news(_parts(before), _parts(self._app.deployed)), *told])
            took = time.perf_counter() - began
            tell(f"{what} changed: {coloured('reloaded', GREEN)} in {took:.2f} s{'; ' if news else ''}{news}.")
            for fact in self._app.warnings:
                if fact not in facts:
                    tell(fact)
        self._watch.name({*project.files, *to_blame}, absent)

    def _redeploy(self, project: Project, since: Collection[Path]) -> list[str]:
        """Serves the project as it is now. Returns the news of its tables and its seed."""
        deployed = self._app.deployed
        was = deployed.stack.memory
        memory = Memory(project, tokens=was.tokens, endpoint=was.endpoint, urls=was.urls)
        self._same("region", was.region, memory.region)
        before, after = (TokenSettings.of(each.section("tokens")) for each in (was.project, project))
        self._same("[tool.sessionplugin.tokens]", before, after)
        self._same("api_gateway_stage", deployed.api.stage, project.api_stage)
        told = [*self._new_tables(was, memory), *_seed_news(was.project, project, since)]
        vendor = any(path.is_relative_to(project.root / "vendor") for path in since)
        with self._start.again(project.root, memory.variables, vendor):
            self._app.redeploy(memory, forget_authorizers=any(path.suffix == ".py" for path in since))
        return told

    def _same(self, what: str, before: object, after: object) -> None:
        if before != after:
            raise SessionPluginError(f"{what} was {before} and is {after}; restart `serve`.")

    def _new_tables(self, was: Memory, memory: Memory) -> list[str]:
        """Creates new tables. Returns the news of all."""
        self._app.create(memory)
        before, after = _tables(was), _tables(memory)
        new = [name for name in after if name not in self._tables]
        other = [
            name for name in after if name not in new and after[name] not in (self._tables[name], before.get(name))
        ]
        gone = [name for name in before if name not in after]
        self._tables.update((name, after[name]) for name in new)
        return [
            *([f"made: table {_listed(new)}"] if new else []),
            *([f"left as it was until the next start: table {_listed(other)}"] if other else []),
            *([f"kept, although no longer in the template: table {_listed(gone)}"] if gone else []),
        ]


def _parts(app: DeployedApp) -> frozenset[str]:
    """Routes and functions of an app, as a person would name them."""
    routes = {f"{method} {route.path}" for route in app.api.routes for method in route.methods}
    functions = {*app.names.values()} - {REST_FUNCTION, *app.api.websocket.values()}
    return frozenset({*routes, *app.api.websocket, *functions})


def _tell_failure(what: str, error: Exception, root: Path) -> None:
    if not isinstance(error, SessionPluginError):
        failed("reloading", error, root)
    elif isinstance(error, ProjectError) and (cause := cause_in_project(error)):
        sys.stderr.write(f"\n{cause}\n")
    sentence = str(error).rstrip(".")
    tell(f"{what} changed, and is {coloured('not reloaded', RED)}: {sentence}. The previous version is still served.")


def _news(before: frozenset[str], after: frozenset[str]) -> list[str]:
    changes = (("new", after - before), ("gone", before - after))
    return [f"{word}: {_listed(sorted(parts))}" for word, parts in changes if parts]


def _seed_news(was: Project, project: Project, since: Collection[Path]) -> list[str]:
    """A seed is for an account that is empty, so it does not run a second time."""
    seed = project.seed
    if seed is None or (was.seed == seed and seed.path not in since):
        return []
    return [f"not run until the next start: {_short(seed.path, project.root)}"]


def _listed(names: Sequence[str]) -> str:
    shown = [*names[:FEW], *([f"{len(names) - FEW} more"] if len(names) > FEW else [])]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _short(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _tables(memory: Memory) -> Mapping[str, object]:
    return {str(spec["TableName"]): spec for spec in memory.specs.values()}


def _take(root: Path, vendor: bool) -> dict[str, ModuleType]:
    """Removes modules of the project that are not in any copy from sys.modules."""
    return {
        name: sys.modules.pop(name)
        for name, path in modules_under(root).items()
        if not modules.is_copied(sys.modules[name])
        and name != "__main__"
        and (vendor or not path.is_relative_to(root / "vendor"))
    }


def _forget_compiled(paths: Iterable[Path]) -> None:
    """Deletes compiled files: Python keeps one if its source has the same size and changed within the same second."""
    for path in paths:
        if path.suffix == ".py":
            with contextlib.suppress(OSError, NotImplementedError):
                os.unlink(importlib.util.cache_from_source(str(path)))


def _absent(error: BaseException, root: Path) -> set[Path]:
    """Paths at which a missing module could appear."""
    missing = [each for each in _chain(error) if isinstance(each, ImportError) and not each.path]
    names = {each.name for each in missing if each.name}
    return {
        folder.joinpath(*name.split(".")[:-1], file)
        for name in names
        for folder in (root, root / "vendor")
        for file in (f"{name.rpartition('.')[2]}.py", f"{name.rpartition('.')[2]}/__init__.py")
    }


def _to_blame(error: BaseException, root: Path) -> set[Path]:
    """Files of the project in which the error can be fixed, imported or not."""
    found = set()
    for each in _chain(error):
        found |= {frame.f_code.co_filename for frame, _ in traceback.walk_tb(each.__traceback__)}
        if named := each.filename if isinstance(each, SyntaxError) else getattr(each, "path", None):
            found.add(str(named))
    return {Path(name) for name in found if tracebacks.is_in(root, name)}


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


LOOK = 0.25  # seconds between two looks
SETTLED = 0.1  # seconds without a change: an editor writes, renames and deletes for one save
LOOKS = 20  # looks at files that keep changing, before the change counts anyway

Stamp = tuple[int, int, int]
"""Nanoseconds of the last change, bytes, inode: a write by rename always makes another inode."""


class Wait(Protocol):
    """A threading.Event, for example."""

    def wait(self, timeout: float, /) -> bool:
        """Waits at most so many seconds. Whether a stop was requested."""


class Watch:
    """Watches the files that decide how the project in `root` is served.

    These are app.py, all of chalicelib, every imported module of the project (vendor included), and the files in
    `named`, which need not exist.
    """

    def __init__(self, root: Path, named: Iterable[Path]) -> None:
        self._root = root
        self.named = frozenset(named)
        self._seen = self._look()

    def wait(self, stop: Wait) -> frozenset[Path]:
        """Waits until files have changed, and returns them; returns nothing if `stop` is set."""
        while not stop.wait(LOOK):
            now = self._look()
            if self._differences(now):
                now = self._settled(stop)
            changed, self._seen = self._differences(now), now  # including modules that were imported meanwhile
            if changed:
                return changed
        return frozenset()

    def name(self, paths: Iterable[Path], absent: Iterable[Path] = ()) -> None:
        """Replaces the named files. A file not watched before counts as unchanged from now on; an `absent` one counts
        as changed once it exists.
        """
        named = frozenset(paths)
        self._seen = {**{path: stamp for path in named if (stamp := _stamp(path))}, **self._seen}
        self.named = named.union(absent)

    def _settled(self, stop: Wait) -> Mapping[Path, Stamp]:
        now = self._look()
        for _ in range(LOOKS):
            if stop.wait(SETTLED):
                break
            before, now = now, self._look()
            if before == now:
                break
        return now

    def _look(self) -> Mapping[Path, Stamp]:
        """Includes modules beside app.py before they are imported, so that a change during the import is noticed."""
        paths = {
            *self.named,
            *self._root.glob("*.py"),
            *_files(self._root / "chalicelib"),
            *modules_under(self._root).values(),
        }
        return {path: stamp for path in paths if (stamp := _stamp(path)) is not None}

    def _differences(self, now: Mapping[Path, Stamp]) -> frozenset[Path]:
        different = {path for path in self._seen.keys() | now.keys() if self._seen.get(path) != now.get(path)}
        if not different:
            return frozenset()
        imported = set(modules_under(self._root).values())
        return frozenset(
            path
            for path in different
            if path in self.named
            or path == self._root / "app.py"
            or path.is_relative_to(self._root / "chalicelib")
            or (path in imported and path in self._seen)
        )


def modules_under(root: Path) -> dict[str, Path]:
    """Imported modules of the project in `root`, by name, without installed packages and this one."""
    within = f"{root}{os.sep}"
    found = {}
    for name, module in list(sys.modules.items()):
        file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        if isinstance(file, str) and file.startswith(within) and tracebacks.is_in(root, file):
            found[name] = Path(file)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """All files that Chalice packages: a module may read files beside it."""
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_left_over(name)]
        yield from (Path(where, name) for name in names if not _is_left_over(name))


def _is_left_over(name: str) -> bool:
    """Whether it is a by-product of Python or of an editor."""
    return name == "__pycache__" or name.startswith((".", "#")) or name.endswith(("~", ".pyc", ".swp", ".tmp"))


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
