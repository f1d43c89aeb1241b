"""A copy of a project's modules under names that nobody else has: `app@orders`, `chalicelib@orders.rules`.

It lives beside any number of others, in any number of threads, and `import app` never finds it. What it imports from
its project, also late, in a handler, is its own.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

from pytest_sessionplugin import copies


class NamedCopy:
    """Its modules, under their names and `@label`, from `open` until `close`.

    Its modules see an `__import__` of their own, which knows what they mean by `app` and `chalicelib`.
    """

    def __init__(self, root: Path, label: str) -> None:
        self._root = root
        self._suffix = "@" + label.replace(".", "-").replace("@", "-")  # a dot would make it a package's name
        self._vendor: str | None = None
        self._builtins = copies.Builtins({**vars(builtins), "__import__": self._import})

    def open(self) -> None:
        sys.meta_path.insert(0, self)
        self._vendor = copies.put_vendor_on_path(self._root)

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
        return f"{top}{self._suffix}{dot}{rest}" if top in copies.OWN else name

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not self._is_mine(name):
            return None
        spec = PathFinder.find_spec(name, path) if path is not None else self._top(name)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = copies.Loader(spec.loader.name, spec.loader.path, self._builtins)
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
