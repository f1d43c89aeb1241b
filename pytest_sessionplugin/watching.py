"""Which files of a project have changed, by their times and sizes. It loads none of them and prints nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Protocol

HERE = Path(__file__).parent
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
        if isinstance(file, str) and file.startswith(within) and _is_theirs(path := Path(file), root):
            found[name] = path
    return found


def _is_theirs(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return "site-packages" not in parts and not any(part.startswith(".") for part in parts) and HERE not in path.parents


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
