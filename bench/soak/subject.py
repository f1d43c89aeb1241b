"""The server under test, in a process of its own, seen from outside (/proc) and from inside (its census)."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.processes import ROOT


@dataclass(frozen=True)
class Look:
    """The server's open things at one moment."""

    inside: dict[str, int]  # the server's census, and the rows of the connections table
    files: int  # open in the process
    threads: int  # without the handlers' threads, which are kept

    @property
    def left(self) -> dict[str, int]:
        """Leftovers of clients, by their name in the census."""
        return {name: count for name, count in self.inside.items() if count and name != "workers"}


@dataclass(frozen=True)
class Weight:
    """Memory of the process after all clients left and all sessions were purged."""

    resident: int  # bytes
    blocks: int  # of Python's allocator, about one for each object
    purged: int  # sessions that were purged for the weighing
    purged_blocks: int  # blocks that they held


class Subject:
    def __init__(self, process: subprocess.Popen[str], log: IO[str]) -> None:
        self._process, self._log = process, log
        said = self._hear()
        self.http, self.websocket = str(said["http"]), str(said["websocket"])

    def look(self) -> Look:
        inside = self._ask("look")
        folder = Path(f"/proc/{self._process.pid}")
        return Look(
            inside,
            files=len(list((folder / "fd").iterdir())),
            threads=len(list((folder / "task").iterdir())) - inside["workers"],
        )

    def weigh(self) -> Weight:
        """Purges every session, so all clients must have left."""
        told = self._ask("weigh")
        return Weight(self.resident(), **told)

    def resident(self) -> int:
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096

    def log(self) -> str:
        """Everything that the server wrote to stderr."""
        self._log.seek(0)
        return self._log.read()

    def _ask(self, what: str) -> dict[str, int]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return {name: int(str(count)) for name, count in self._hear().items()}

    def _hear(self) -> dict[str, object]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"soak: the server ended\n{self.log()[-4000:]}")
        said: dict[str, object] = json.loads(line)
        return said


@contextlib.contextmanager
def subject() -> Iterator[Subject]:
    """Runs the server for the block. Ctrl-C does not reach it, so that it can still be inspected."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "always::ResourceWarning", "-m", "bench.soak.inside"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        try:
            yield Subject(process, log)
        finally:
            process.communicate()  # closes its input, which ends it
