"""Copies of a project's modules, each of which imports its own modules, also late, in a handler.

A module is a project's own by its file, whatever its name. `Copies` live under the usual names, one at a time in
sys.modules; a `NamedCopy` lives beside others as `app@label`.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import os
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_sessionplugin import tracebacks

DEPLOYED = frozenset({"app", "chalicelib"})
"""The modules that `chalice deploy` packages."""

SHARED = re.compile(r"vendor(/|$)|(.*/)?(tests?(/|$)|conftest\.py$|test_[^/]*\.py$|[^/]*_test\.py$)")
"""Files of a project that its copies share: other people's code, and tests, which compare what they import."""

_lock = threading.RLock()


# --- what is a project's own


def is_code_of(root: Path, file: str | Path) -> bool:
    """Whether copies of the project in `root`, a real path, have this file each for themselves."""
    path = Path(file)
    if not path.is_relative_to(root):
        path = Path(os.path.realpath(path))
    return tracebacks.is_in(root, path) and not SHARED.match(path.relative_to(root).as_posix())


def is_module_of(root: Path, module: object) -> bool:
    """Whether an entry of sys.modules is a module of the project's own."""
    if not isinstance(module, ModuleType):
        return False
    places = [vars(module).get("__file__"), *_folders(module)]
    return any(isinstance(place, str) and is_code_of(root, place) for place in places if place)


def _folders(module: ModuleType) -> list[object]:
    """The folders of a package; none of a namespace package whose parent has left sys.modules."""
    try:
        return list(vars(module).get("__path__") or ())
    except KeyError:
        return []


def is_there(root: Path, name: str) -> bool:
    """Whether the project has this module, or a package for it."""
    own = OwnModules(root)
    return name in own and own.find(name.partition(".")[0]) is not None


def is_copied(module: ModuleType) -> bool:
    """Whether it belongs to a copy."""
    return isinstance(vars(module).get("__builtins__"), _Builtins)


class OwnModules:
    """Decides by file which top-level modules are a project's own, and finds them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._decided: dict[str, bool] = dict.fromkeys(DEPLOYED, True)
        self._entries: list[str] = []  # folders of the project that its app put on sys.path

    def __contains__(self, name: str) -> bool:
        """Whether a module, or the package that it is in, is the project's own."""
        top = name.partition(".")[0]
        try:
            return self._decided[top]
        except KeyError:
            pass
        if top in sys.modules and (top in sys.stdlib_module_names or top == "__main__"):
            self._decided[top] = False
        elif (found := self.find(top)) is not None:
            self._decided[top] = self._is_own(found)
        return self._decided.get(top, False)  # one that is not found may appear

    def find(self, top: str) -> ModuleSpec | None:
        path = [str(self._root)] if top in DEPLOYED else self._path()
        return PathFinder.find_spec(top, path)

    def keep_path(self, before: Collection[str]) -> None:
        """Takes the project's folders that were added to sys.path away from there, to look into them alone."""
        added = {entry for entry in sys.path if entry not in before and self._is_inside(entry)}
        self._entries = [self._absolute(entry) for entry in sys.path if entry in added] + self._entries
        sys.path[:] = [entry for entry in sys.path if entry not in added]

    def _path(self) -> list[str]:
        """sys.path with the project's folders first: those of another project may have the same modules."""
        entries = [str(self._root), *self._entries, *map(self._absolute, sys.path)]
        return sorted(dict.fromkeys(entries), key=lambda entry: not self._is_inside(entry))

    def _absolute(self, entry: str) -> str:
        return os.path.join(self._root, entry) if entry else str(self._root)

    def _is_inside(self, entry: str) -> bool:
        return Path(self._absolute(entry)).is_relative_to(self._root)

    def _is_own(self, found: ModuleSpec) -> bool:
        if found.origin is None:
            return all(is_code_of(self._root, folder) for folder in found.submodule_search_locations or ())
        return isinstance(found.loader, SourceFileLoader) and is_code_of(self._root, found.origin)


# --- the path


def put_on_path(root: Path) -> None:
    """Puts the project's folder first and its vendor last on sys.path, as Chalice does (cli/factory.py).

    It may be there behind another project's: pytest puts the folders of all test files there.
    """
    if sys.path[:1] != [str(root)]:
        sys.path[:] = [str(root), *(entry for entry in sys.path if entry != str(root))]
    put_vendor_on_path(root)


def claim_chalicelib(root: Path) -> None:
    """Makes a chalicelib without __init__.py the one that is imported: Python prefers one that has it, later on
    sys.path, as another project's may be.
    """
    found = PathFinder.find_spec("chalicelib", [str(root)])
    if found is not None and found.loader is None and "chalicelib" not in sys.modules:
        sys.modules["chalicelib"] = importlib.util.module_from_spec(found)


def make_absolute(root: Path, before: Collection[str]) -> None:
    """Folders that an app put on sys.path are meant from its project's, and stay so when the process moves back."""
    sys.path[:] = [entry if entry in before else os.path.join(root, entry) for entry in sys.path]


def put_vendor_on_path(root: Path) -> str | None:
    """Appends the vendor folder to sys.path; None if there is none, or it was there."""
    vendor = root / "vendor"
    if not vendor.is_dir() or str(vendor) in sys.path:
        return None
    sys.path.append(str(vendor))
    return sys.path[-1]


# --- modules with builtins of their own


class _Builtins(dict[str, Any]):
    """The builtins with another `__import__`; the others are read when used, so that a patch reaches the copy.

    CPython looks names up with `__getitem__` in a subclass of dict, but some versions not `__import__`. That costs
    0.3 µs a name, in copies only.
    """

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if name == "__import__" else vars(builtins)[name]


class _CopyLoader(SourceFileLoader):
    """Creates modules with other builtins."""

    def __init__(self, name: str, path: str, builtins: dict[str, Any]) -> None:
        super().__init__(name, path)
        self._builtins = builtins

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        vars(module)["__builtins__"] = self._builtins
        return module


def _loaded_with(own: dict[str, Any], name: str, spec: ModuleSpec | None) -> ModuleSpec | None:
    """The spec of a copy's module, which may have another name."""
    if spec is None:
        return None
    folders = spec.submodule_search_locations
    if isinstance(spec.loader, SourceFileLoader):
        loader = _CopyLoader(name, spec.loader.path, own)
        return importlib.util.spec_from_file_location(name, loader=loader, submodule_search_locations=folders)
    if spec.origin is not None:
        return spec
    namespace = ModuleSpec(name, None, is_package=True)
    assert namespace.submodule_search_locations is not None  # noqa: S101 - for the types
    namespace.submodule_search_locations.extend(folders or ())
    return namespace


def _importlib_with(import_module: Callable[..., ModuleType]) -> ModuleType:
    """An importlib for the code of a copy, which finds the copy's modules by name."""
    mine = ModuleType("importlib")
    vars(mine).update(import_module=import_module, __getattr__=lambda name: getattr(importlib, name))
    return mine


# --- under the usual names


class Copies:
    """Makes copies until `close`. Meanwhile `import app` finds the newest that could be imported."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path: list[str] | None = None  # before the first copy
        self._newest: _Copy | None = None

    def load(self, name: str) -> ModuleType:
        """A new copy of the module and of all that it imports from its project."""
        with _lock:
            if self._path is None:
                self._path = list(sys.path)
            put_on_path(self._root)
            before, new = self._newest, _Copy(self._root)
            self._replace(new)
            try:
                return new.load(name)
            except BaseException:
                self._replace(before)
                raise

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Restores the modules from before the first copy, for the block."""
        with _lock:
            if self._path is None:
                yield
                return
            path, sys.path[:] = list(sys.path), self._path
            newest = self._newest
            self._replace(None)
            try:
                yield
            finally:
                self._replace(newest)
                self._path, sys.path[:] = list(sys.path), path

    def close(self) -> None:
        with _lock:
            if self._path is None:
                return
            self._replace(None)
            sys.path[:], self._path = self._path, None

    def _replace(self, newest: _Copy | None) -> None:
        if self._newest is not None:
            self._newest.leave()
        self._newest = newest
        if newest is not None:
            newest.enter()


class _Copy:
    """One copy. Its modules import with an `__import__` that finds this copy, whatever sys.modules holds."""

    def __init__(self, root: Path) -> None:
        self._own = OwnModules(root)
        self._tops = set(DEPLOYED)  # of its modules
        self._modules: dict[str, ModuleType] = {}  # while it is not present
        self._others: dict[str, ModuleType] = {}  # of the same names, while it is
        self._present = False
        self._builtins = _Builtins({**vars(builtins), "__import__": self._import})
        self._importlib = _importlib_with(self._import_module)

    def enter(self) -> None:
        self._others = _take(self._tops)
        sys.modules.update(self._modules)
        sys.meta_path.insert(0, self)
        self._present = True

    def leave(self) -> None:
        self._present = False
        sys.meta_path.remove(self)
        self._modules = _take(self._tops)
        sys.modules.update(self._others)

    def load(self, name: str) -> ModuleType:
        return self._within(name, lambda: importlib.import_module(name))

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in self._tops:
            return None
        found = PathFinder.find_spec(name, path) if path is not None else self._own.find(name)
        return _loaded_with(self._builtins, name, found)

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        def act() -> ModuleType:
            return builtins.__import__(name, globals, locals, fromlist, level)

        if level == 0 and name not in self._own:
            return self._importlib if (found := act()) is importlib else found
        return self._within("" if level else name, act)

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        def act() -> ModuleType:
            return importlib.import_module(name, package)

        if not name.startswith(".") and name not in self._own:
            return act()
        return self._within("" if name.startswith(".") else name, act)

    def _within(self, name: str, act: Callable[[], ModuleType]) -> ModuleType:
        """Imports one of its own modules; the name is empty if it is in a package that is there."""
        with _lock:
            if self._present:
                self._claim(name)
                return act()
            self.enter()
            try:
                self._claim(name)
                return act()
            finally:
                self.leave()

    def _claim(self, name: str) -> None:
        top = name.partition(".")[0]
        if top and top not in self._tops:
            self._others.update(_take({top}))
            self._tops.add(top)


def _take(tops: Collection[str]) -> dict[str, ModuleType]:
    """Removes these modules, and what is in them, from sys.modules."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in tops}


# --- side by side


def unlabelled(name: str) -> str:
    """The name of a module without the label of a named copy; also in a sentence that quotes it."""
    return re.sub(r"@[^.']+", "", name)


class NamedCopy:
    """A copy whose modules have `@label` after their names, from `open` until `close`.

    Its modules import with an `__import__`, and an `importlib`, for which the project's modules are its own.
    """

    def __init__(self, root: Path, label: str) -> None:
        self._root = root
        self._own = OwnModules(root)
        self._suffix = "@" + label.replace(".", "-").replace("@", "-")  # a dot would make a package of it
        self._vendor: str | None = None
        self._builtins = _Builtins({**vars(builtins), "__import__": self._import})
        self._importlib = _importlib_with(self._import_module)

    def open(self) -> None:
        sys.meta_path.insert(0, self)
        self._vendor = put_vendor_on_path(self._root)

    def close(self) -> None:
        """Code that still holds its modules can use them, but no longer import others of the project."""
        sys.meta_path.remove(self)
        if self._vendor in sys.path:
            sys.path.remove(self._vendor)
        for name in list(sys.modules):
            if self._is_mine(name):
                del sys.modules[name]

    def load(self, name: str) -> ModuleType:
        """One of the project's modules, `app` or `chalicelib.rules`; the same module each time."""
        path = list(sys.path)
        try:
            return importlib.import_module(self._named(name))
        finally:
            self._own.keep_path(path)

    def loaded(self, name: str) -> ModuleType | None:
        """A module, if it has been imported."""
        return sys.modules.get(self._named(name))

    def _named(self, name: str) -> str:
        top, dot, rest = name.partition(".")
        return f"{top}{self._suffix}{dot}{rest}" if top in self._own else name

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not self._is_mine(name):
            return None
        if path is None:
            return _loaded_with(self._builtins, name, self._own.find(name.removesuffix(self._suffix)))
        return _loaded_with(self._builtins, name, PathFinder.find_spec(name, path))

    def _is_mine(self, name: str) -> bool:
        return name.partition(".")[0].endswith(self._suffix)

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        found = builtins.__import__(self._named(name) if level == 0 else name, globals, locals, fromlist, level)
        return self._importlib if found is importlib else found

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        return importlib.import_module(self._named(name), package and self._named(package))
