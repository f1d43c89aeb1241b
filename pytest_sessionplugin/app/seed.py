"""The seed of a project: a file whose function `seed()` fills AWS before the app is imported.

The file is not part of the app and is not deployed. Modules that it imports from its folder or from the project are
its own copies: the app imports them anew.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from pytest_sessionplugin.app import modules
from pytest_sessionplugin.app.working_directory import working_in
from pytest_sessionplugin.errors import ProjectError

MEND = "It runs when the tables are there and before the app is imported; mend it, or take `seed` out of"


@dataclass(frozen=True)
class Seed:
    """The file, and the folder of the project that names it."""

    path: Path
    root: Path

    def run(self) -> None:
        """Calls `seed()` of a new copy of the file, in the project's folder. Raises ProjectError."""
        if not self.path.is_file():
            raise self._error(f"seed in [tool.sessionplugin] names {self.path}, and there is no such file.")
        with self._importable(), working_in(str(self.root)):
            try:
                module = self._load()
            except (Exception, SystemExit) as error:
                raise self._raised("importing it", error) from error
            function = getattr(module, "seed", None)
            if not callable(function):
                raise self._error(f"{self.path} has no function seed(), which is called to fill AWS for the app.")
            try:
                returned = function()
            except (Exception, SystemExit) as error:
                raise self._raised("its seed()", error) from error
        if inspect.iscoroutine(returned) or inspect.isgenerator(returned):
            returned.close()
            raise self._error(f"seed() of {self.path} must be a plain function: neither `async def` nor with `yield`.")

    def _load(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(self.path.stem, self.path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.path.name} is not a Python file")
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    @contextmanager
    def _importable(self) -> Iterator[None]:
        """Its folder and the project are importable in the block; afterwards what was imported there is forgotten."""
        before, path, finders = dict(sys.modules), list(sys.path), list(sys.meta_path)
        for name in before:
            if _is_deployed(name):  # of another project, or imported by a test
                del sys.modules[name]
        sys.meta_path.insert(0, _Finder(self.root))
        sys.path[:0] = [str(self.path.parent), str(self.root)]
        modules.put_vendor_on_path(self.root)
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path[:], sys.meta_path[:] = path, finders
            new = [(name, module) for name, module in [*sys.modules.items()] if before.get(name) is not module]
            # All are found before one is removed: the folders of a namespace package are asked of its parent.
            for name in [name for name, module in new if self._is_mine(name, module)]:
                del sys.modules[name]
            sys.modules.update(before)

    def _is_mine(self, name: str, module: ModuleType) -> bool:
        folders = (self.path.parent.resolve(), self.root)
        return _is_deployed(name) or any(modules.is_module_of(folder, module) for folder in folders)

    def _raised(self, what: str, error: BaseException) -> ProjectError:
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        return self._error(f"the seed {self.path} failed, {what} raised {reason}. {MEND} [tool.sessionplugin].")

    def _error(self, sentence: str) -> ProjectError:
        return ProjectError(self.path.parent, sentence)


def _is_deployed(name: str) -> bool:
    return name.partition(".")[0] in modules.DEPLOYED


class _Finder:
    """Finds the project's own modules before others of their names, and before the finder of an app's copy."""

    def __init__(self, root: Path) -> None:
        self._own = modules.OwnModules(root)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._own:
            return None
        return self._own.find(name) if path is None else PathFinder.find_spec(name, path)
