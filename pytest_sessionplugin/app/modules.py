"""Copies of a project's modules, each of which imports its own modules, also late, in a handler.

`Copies` live under the usual names, one at a time in sys.modules; a `NamedCopy` lives beside others as `app@label`.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

OWN = ("app", "chalicelib")
"""The modules that `chalice deploy` packages. `vendor` is other people's code and stays shared."""

_lock = threading.RLock()


def is_own(name: str) -> bool:
    return name.partition(".")[0] in OWN


def take_own() -> dict[str, ModuleType]:
    """Removes the modules of a project from sys.modules."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if is_own(name)}


def put_on_path(root: Path) -> None:
    """Puts the project's folder first and its vendor last on sys.path, as Chalice does (cli/factory.py)."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    put_vendor_on_path(root)


def put_vendor_on_path(root: Path) -> str | None:
    """Appends the vendor folder to sys.path; None if there is none, or it was there."""
    vendor = root / "vendor"
    if not vendor.is_dir() or str(vendor) in sys.path:
        return None
    sys.path.append(str(vendor))
    return sys.path[-1]


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


def _loaded_with(own: dict[str, Any], spec: ModuleSpec | None) -> ModuleSpec | None:
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        return spec
    loader, folders = _CopyLoader(spec.loader.name, spec.loader.path, own), spec.submodule_search_locations
    return importlib.util.spec_from_file_location(spec.name, loader=loader, submodule_search_locations=folders)


# --- under the usual names


class Copies:
    """Makes copies until `close`. Meanwhile `import app` finds the newest that could be imported."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._before: dict[str, ModuleType] | None = None
        self._path: list[str] = []
        self._newest: _Copy | None = None

    def load(self, name: str) -> ModuleType:
        """A new copy of the module and of all that it imports from its project."""
        with _lock:
            if self._before is None:
                self._before, self._path = take_own(), list(sys.path)
            else:
                self._put_away()
            put_on_path(self._root)
            before, self._newest = self._newest, _Copy(str(self._root))
            self._newest.enter()
            try:
                return importlib.import_module(name)
            except BaseException:
                if before is not None:
                    self._put_away()
                    self._newest = before
                    before.enter()
                raise

    @contextmanager
    def outside(self) -> Iterator[None]:
        """Restores the modules from before the first copy, for the block."""
        with _lock:
            if self._before is None:
                yield
                return
            self._put_away()
            sys.modules.update(self._before)
            path, sys.path[:] = list(sys.path), self._path
            try:
                yield
            finally:
                self._before, self._path = take_own(), list(sys.path)
                sys.path[:] = path
                if self._newest is not None:
                    self._newest.enter()

    def close(self) -> None:
        with _lock:
            if self._before is None:
                return
            self._put_away()
            sys.modules.update(self._before)
            sys.path[:] = self._path
            self._before = self._newest = None

    def _put_away(self) -> None:
        if self._newest is not None:
            self._newest.leave()


class _Copy:
    """One copy. Its modules import with an `__import__` that finds this copy, whatever sys.modules holds."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._modules: dict[str, ModuleType] = {}
        self._present = False
        self._builtins = _Builtins({**vars(builtins), "__import__": self._import})

    def enter(self) -> None:
        sys.modules.update(self._modules)
        sys.meta_path.insert(0, self)
        self._present = True

    def leave(self) -> None:
        self._present = False
        sys.meta_path.remove(self)
        self._modules = take_own()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not is_own(name):
            return None
        return _loaded_with(self._builtins, PathFinder.find_spec(name, path or [self._root]))

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

        if level == 0 and not is_own(name):
            return act()
        return self._within(act)

    def _within(self, act: Callable[[], ModuleType]) -> ModuleType:
        with _lock:
            if self._present:
                return act()
            away, finders = take_own(), [f for f in sys.meta_path if isinstance(f, _Copy)]
            sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _Copy)]
            self.enter()
            try:
                return act()
            finally:
                self.leave()
                sys.modules.update(away)
                sys.meta_path[:0] = finders


# --- side by side


def unlabelled(name: str) -> str:
    """The name of a module without the label of a named copy."""
    return re.sub(r"@[^.]+", "", name)


class NamedCopy:
    """A copy whose modules have `@label` after their names, from `open` until `close`.

    Its modules import with an `__import__`, and an `importlib`, for which `app` and `chalicelib` are its own.
    """

    def __init__(self, root: Path, label: str) -> None:
        self._root = root
        self._suffix = "@" + label.replace(".", "-").replace("@", "-")  # a dot would make a package of it
        self._vendor: str | None = None
        self._builtins = _Builtins({**vars(builtins), "__import__": self._import})
        self._importlib = ModuleType("importlib")
        vars(self._importlib).update(
            import_module=self._import_module, __getattr__=lambda name: getattr(importlib, name)
        )

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
        """Its `app`, `chalicelib` or `chalicelib.rules`; the same module each time."""
        return importlib.import_module(self._named(name))

    def _named(self, name: str) -> str:
        top, dot, rest = name.partition(".")
        return f"{top}{self._suffix}{dot}{rest}" if top in OWN else name

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not self._is_mine(name):
            return None
        return _loaded_with(
            self._builtins, PathFinder.find_spec(name, path) if path is not None else self._find_top(name)
        )

    def _find_top(self, name: str) -> ModuleSpec | None:
        found = PathFinder.find_spec(name.removesuffix(self._suffix), [str(self._root)])
        if found is None or found.origin is not None:
            return found and importlib.util.spec_from_file_location(
                name, found.origin, submodule_search_locations=found.submodule_search_locations
            )
        namespace = ModuleSpec(name, None, is_package=True)
        assert namespace.submodule_search_locations is not None  # noqa: S101 - for the types
        namespace.submodule_search_locations.extend(found.submodule_search_locations or ())
        return namespace

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
