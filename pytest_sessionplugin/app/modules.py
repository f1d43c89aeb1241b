"""Copies of a project's modules under their own names. A copy imports its own modules, also late, in a handler."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

OWN = ("app", "chalicelib")
"""What `chalice deploy` packages of a project; `vendor` is other people's code and stays shared."""

_lock = threading.RLock()


def is_own(name: str) -> bool:
    return name.partition(".")[0] in OWN


def take_own() -> dict[str, ModuleType]:
    """Takes every module of a project out of sys.modules."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if is_own(name)}


def put_on_path(root: Path) -> None:
    """The project's folder first and its vendor last on sys.path, as Chalice does it (cli/factory.py)."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    put_vendor_on_path(root)


def put_vendor_on_path(root: Path) -> str | None:
    """What was put there; None if there is nothing to put."""
    vendor = root / "vendor"
    if not vendor.is_dir() or str(vendor) in sys.path:
        return None
    sys.path.append(str(vendor))
    return sys.path[-1]


class Copies:
    """New copies until `close`; what `import app` finds meanwhile is the newest one that could be imported."""

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
        """For a while, what was there before the first copy."""
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
    """Its modules see an `__import__` of their own, which finds this copy whatever sys.modules holds."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._modules: dict[str, ModuleType] = {}
        self._present = False
        self._builtins = Builtins({**vars(builtins), "__import__": self._import})

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
        spec = PathFinder.find_spec(name, path or [self._root])
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path, self._builtins)
        return spec

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


class Builtins(dict[str, Any]):
    """The builtins with one of its own; the others as they are now, so that a patch of one reaches the copy.

    In what is no plain dict, CPython looks names up by `__getitem__`; some versions take `__import__` past it. That
    costs 0.3 µs a name, in copies only.
    """

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if name == "__import__" else vars(builtins)[name]


class Loader(SourceFileLoader):
    """Gives a module these builtins in place of those of all."""

    def __init__(self, name: str, path: str, builtins: dict[str, Any]) -> None:
        super().__init__(name, path)
        self._builtins = builtins

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        module.__dict__["__builtins__"] = self._builtins
        return module


class NamedCopy:
    """Its modules, under their names and `@label`, from `open` until `close`.

    Its modules see an `__import__` of their own, which knows what they mean by `app` and `chalicelib`.
    """

    def __init__(self, root: Path, label: str) -> None:
        self._root = root
        self._suffix = "@" + label.replace(".", "-").replace("@", "-")  # a dot would make it a package's name
        self._vendor: str | None = None
        self._builtins = Builtins({**vars(builtins), "__import__": self._import})

    def open(self) -> None:
        sys.meta_path.insert(0, self)
        self._vendor = put_vendor_on_path(self._root)

    def close(self) -> None:
        """What is held of it longer still works, but imports nothing of its project any more."""
        sys.meta_path.remove(self)
        if self._vendor in sys.path:
            sys.path.remove(self._vendor)
        for name in list(sys.modules):
            if self._is_mine(name):
                del sys.modules[name]

    def load(self, name: str) -> ModuleType:
        """Its `app`, `chalicelib` or `chalicelib.rules`; the same module every time."""
        return importlib.import_module(self.named(name))

    def named(self, name: str) -> str:
        """What a module of the project is called in this copy."""
        top, dot, rest = name.partition(".")
        return f"{top}{self._suffix}{dot}{rest}" if top in OWN else name

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not self._is_mine(name):
            return None
        spec = PathFinder.find_spec(name, path) if path is not None else self._top(name)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = Loader(spec.loader.name, spec.loader.path, self._builtins)
        return spec

    def _top(self, name: str) -> ModuleSpec | None:
        found = PathFinder.find_spec(name.removesuffix(self._suffix), [str(self._root)])
        if found is None or found.origin is not None:
            return found and importlib.util.spec_from_file_location(
                name, found.origin, submodule_search_locations=found.submodule_search_locations
            )
        namespace = ModuleSpec(name, None, is_package=True)
        namespace.submodule_search_locations = list(found.submodule_search_locations or ())
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
        return builtins.__import__(self.named(name) if level == 0 else name, globals, locals, fromlist, level)
