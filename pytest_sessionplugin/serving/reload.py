"""Puts the app that is in a project's files in the place of the one that is served. It serves nothing itself."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    from pytest_sessionplugin import chalice_internals
    from pytest_sessionplugin.app.project import Project
    from pytest_sessionplugin.aws.moto.emulator import Aws
    from pytest_sessionplugin.gateway.values import Api, RunFunction
    from pytest_sessionplugin.lambdas.schedules import Schedule


FEW = 4  # names in a line


@dataclass(frozen=True)
class LoadedApp:
    """An app that is ready to be served."""

    project: Project
    memory: Memory
    api: Api
    healthy: chalice_internals.Functions
    functions: RunFunction  # the same with what AWS may do to them, and with what they raise shown
    names: Mapping[str, str]  # what each may be called -> its name in the app
    schedules: Sequence[Schedule]
    warnings: Sequence[str]

    @property
    def parts(self) -> frozenset[str]:
        """What of it can be called, as a person says it."""
        routes = {f"{method} {route.path}" for route in self.api.routes for method in route.methods}
        functions = {*self.names.values()} - {REST_FUNCTION, *self.api.websocket.values()}
        return frozenset({*routes, *self.api.websocket, *functions})


class Start:
    """A process before it has imported any app: its environment and its loggers. To be made there."""

    def __init__(self) -> None:
        self._environment = dict(os.environ)
        self._loggers = logging.states()

    @contextlib.contextmanager
    def again(self, root: Path, variables: Mapping[str, str], vendor: bool) -> Iterator[None]:
        """In the block and after it all is as then, with these variables; as before it, if the block fails.

        Forgotten with that are modules of the project which the app is not copied with: those beside app.py, and with
        `vendor` those in there.
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
    """To be used from one thread, best the one that imported the app: an event loop, say, is looked for there.

    `load` makes an app of a project, `deploy` serves it; there, `asked_anew` is whether its authorizers may answer
    otherwise than those before them.
    """

    def __init__(
        self,
        app: LoadedApp,
        watch: Watch,
        start: Start,
        aws: Aws,
        load: Callable[[Project, Memory], LoadedApp],
        deploy: Callable[[LoadedApp, bool], None],
    ) -> None:
        self._app = app
        self._watch = watch
        self._start = start
        self._aws = aws
        self._load = load
        self._deploy = deploy
        self._tables = dict(_tables(app.memory))  # as they were made
        self._failed: frozenset[Path] = frozenset()  # what changed since it was last reloaded

    def until(self, stop: Wait) -> None:
        """Reloads whenever files change, until it is told to stop."""
        while changed := self._watch.wait(stop):
            self.now(changed)

    def now(self, changed: Collection[Path]) -> None:
        """Reloads because of these files. If that fails, what was served still is; either is told."""
        began = time.perf_counter()
        root = self._app.project.root
        what = _listed(sorted(_short(path, root) for path in changed))
        _forget_compiled(changed)
        since = self._failed.union(changed)
        project = self._app.project
        to_blame: set[Path] = set()
        absent: set[Path] = set()
        try:
            project = project.again()
            others = all(path.name == "pyproject.toml" for path in changed)  # most of it is not about us
            if others and not self._failed and project.settings == self._app.project.settings:
                return
            app, told = self._reloaded(project, vendor=any(path.is_relative_to(root / "vendor") for path in since))
        except Exception as error:  # noqa: BLE001 - whatever it is, what is served goes on
            self._failed = since
            to_blame, absent = _to_blame(error, root), _absent(error, root)
            _tell_failure(what, error, root)
        else:
            self._failed = frozenset()
            self._deploy(app, any(path.suffix == ".py" for path in since))
            news = "; ".join([*_news(self._app.parts, app.parts), *told])
            took = time.perf_counter() - began
            tell(f"{what} changed: {coloured('reloaded', GREEN)} in {took:.2f} s{'; ' if news else ''}{news}.")
            for fact in app.warnings:
                if fact not in self._app.warnings:
                    tell(fact)
            self._app = app
        self._watch.name({*project.files, *to_blame}, absent)

    def _reloaded(self, project: Project, vendor: bool) -> tuple[LoadedApp, list[str]]:
        project.check_stage()
        memory = Memory(project, tokens=self._app.memory.tokens, endpoint=self._app.memory.endpoint)
        self._same("region", self._app.memory.region, memory.region)
        before, after = (TokenSettings.of(each.section("tokens")) for each in (self._app.project, project))
        self._same("[tool.sessionplugin.tokens]", before, after)
        self._same("api_gateway_stage", self._app.api.stage, project.api_stage)
        told = self._new_tables(memory)
        with self._start.again(project.root, memory.variables, vendor):
            return self._load(project, memory), told

    def _same(self, what: str, before: object, after: object) -> None:
        if before != after:
            raise SessionPluginError(f"{what} was {before} and is {after}, which takes a new start of `serve`.")

    def _new_tables(self, memory: Memory) -> list[str]:
        """Makes those that are new; what is to be told of all."""
        self._aws.beside(memory.specs, memory.region)
        before, after = _tables(self._app.memory), _tables(memory)
        new = [name for name in after if name not in self._tables]
        other = [
            name for name in after if name not in new and after[name] not in (self._tables[name], before.get(name))
        ]
        gone = [name for name in before if name not in after]
        self._tables.update((name, after[name]) for name in new)
        return [
            *([f"made: table {_listed(new)}"] if new else []),
            *([f"left as it was until the next start: table {_listed(other)}"] if other else []),
            *([f"left, though the template has it no more: table {_listed(gone)}"] if gone else []),
        ]


def _tell_failure(what: str, error: Exception, root: Path) -> None:
    if not isinstance(error, SessionPluginError):
        failed("reloading", error, root)
    elif isinstance(error, ProjectError) and (cause := cause_in_project(error)):
        sys.stderr.write(f"\n{cause}\n")
    sentence = str(error).rstrip(".")
    tell(f"{what} changed, and is {coloured('not reloaded', RED)}: {sentence}. What was served before still is.")


def _news(before: frozenset[str], after: frozenset[str]) -> list[str]:
    changes = (("new", after - before), ("gone", before - after))
    return [f"{word}: {_listed(sorted(parts))}" for word, parts in changes if parts]


def _listed(names: Sequence[str]) -> str:
    shown = [*names[:FEW], *([f"{len(names) - FEW} more"] if len(names) > FEW else [])]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _short(path: Path, root: Path) -> str:
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _tables(memory: Memory) -> Mapping[str, object]:
    return {str(spec["TableName"]): spec for spec in memory.specs.values()}


def _take(root: Path, vendor: bool) -> dict[str, ModuleType]:
    """Takes modules of the project that no copy has out of sys.modules."""
    return {
        name: sys.modules.pop(name)
        for name, path in modules_under(root).items()
        if not modules.is_own(name) and name != "__main__" and (vendor or not path.is_relative_to(root / "vendor"))
    }


def _forget_compiled(paths: Iterable[Path]) -> None:
    """Python takes what it compiled for new if the source has its size and was changed in the same second."""
    for path in paths:
        if path.suffix == ".py":
            with contextlib.suppress(OSError, NotImplementedError):
                os.unlink(importlib.util.cache_from_source(str(path)))


def _absent(error: BaseException, root: Path) -> set[Path]:
    """Where a module could appear that was not found."""
    missing = [each for each in _chain(error) if isinstance(each, ImportError) and not each.path]
    names = {each.name for each in missing if each.name}
    return {
        folder.joinpath(*name.split(".")[:-1], file)
        for name in names
        for folder in (root, root / "vendor")
        for file in (f"{name.rpartition('.')[2]}.py", f"{name.rpartition('.')[2]}/__init__.py")
    }


def _to_blame(error: BaseException, root: Path) -> set[Path]:
    """Files of the project in which it may be mended, imported or not."""
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
SETTLED = 0.1  # seconds in which nothing more may change: an editor writes, renames and deletes for one save
LOOKS = 20  # at what goes on changing, until it counts nevertheless

Stamp = tuple[int, int, int]
"""Nanoseconds of the last change, bytes, inode: what writes by rename makes another file, however fast."""


class Wait(Protocol):
    """A threading.Event, say."""

    def wait(self, timeout: float, /) -> bool:
        """For so many seconds at most; whether the end is asked for."""


class Watch:
    """The files that decide what is served of the project in `root`, from now on.

    They are app.py, all in chalicelib, what else of the project was imported, its vendor included, and what is in
    `named`, whether it is there or not.
    """

    def __init__(self, root: Path, named: Iterable[Path]) -> None:
        self._root = root
        self.named = frozenset(named)
        self._seen = self._look()

    def wait(self, stop: Wait) -> frozenset[Path]:
        """Waits until files have changed, and takes that for seen; nothing if it is told to stop."""
        while not stop.wait(LOOK):
            now = self._look()
            if self._differences(now):
                now = self._settled(stop)
            changed, self._seen = self._differences(now), now  # with modules that were imported meanwhile
            if changed:
                return changed
        return frozenset()

    def name(self, paths: Iterable[Path], absent: Iterable[Path] = ()) -> None:
        """Others in the place of those named before. As they are now they are no change; those absent are, once there.

        Those that were looked at before, for whatever reason, count from there on.
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
        """Modules beside app.py are looked at before they are imported: a change during that is one."""
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
    """Modules by name that were imported from files there: what is installed, and this kit, are nobody's project."""
    within = f"{root}{os.sep}"
    found = {}
    for name, module in list(sys.modules.items()):
        file = module.__dict__.get("__file__") if isinstance(module, ModuleType) else None
        if isinstance(file, str) and file.startswith(within) and tracebacks.is_in(root, file):
            found[name] = Path(file)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """All that is packaged of it: a module may read what lies beside it."""
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_left_over(name)]
        yield from (Path(where, name) for name in names if not _is_left_over(name))


def _is_left_over(name: str) -> bool:
    """Of Python, or of an editor that makes files of its own beside those that it writes."""
    return name == "__pycache__" or name.startswith((".", "#")) or name.endswith(("~", ".pyc", ".swp", ".tmp"))


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
