"""Installs the packages of `make setup` with pip, shows how far it is, and says in a sentence why it failed.

Its arguments are those of `pip install`. pip itself prints hundreds of lines, or with `--quiet` nothing for minutes.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

LOG = Path(sys.prefix) / "pip.log"
TICK = 1.0  # seconds between two looks at the time
EACH = 20  # packages between two lines, if they are not for a terminal
LAST = 15  # lines of pip that are shown if it fails
INTERRUPTED = 130

COLLECTING = re.compile(r"\s*Collecting ([\w.-]+)")
INSTALLING = re.compile(r"Installing collected packages: (.*)")
UNREACHABLE = re.compile(
    r"Retrying \(Retry\(|connection error|NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError"
)


class Progress:
    """One line on a terminal, which is written anew each second; elsewhere a line now and then."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._is_terminal = out, out.isatty()
        self._began = time.monotonic()
        self._found = 0
        self._state = "pip starts"
        self.is_unreachable = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def take(self, line: str) -> None:
        """A line of pip."""
        if found := COLLECTING.match(line):
            self._found += 1
            self._become(f"package {self._found}: {found[1]}", said=self._found % EACH == 0)
        elif found := INSTALLING.match(line):
            self._become(f"installing {found[1].count(',') + 1} packages, which takes longest", said=True)
        elif UNREACHABLE.search(line):
            first, self.is_unreachable = not self.is_unreachable, True
            self._become("the package index does not answer, pip tries again", said=first)

    def show(self) -> None:
        if self._is_terminal:
            self._out.write(f"\r{self.seconds:4.0f} s  {self._state}\033[K")
            self._out.flush()

    def end(self) -> None:
        if self._is_terminal:
            self._out.write("\r\033[K")

    def _become(self, state: str, *, said: bool) -> None:
        self._state = state
        if said and not self._is_terminal:
            self._out.write(f"{self.seconds:4.0f} s  {state}\n")
            self._out.flush()


def lines_of(stream: Iterable[str]) -> Iterator[str | None]:
    """Its lines as they come, and None for each second without one."""
    found: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            found.put(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while reader.is_alive() or not found.empty():
        try:
            yield found.get(timeout=TICK)
        except queue.Empty:
            yield None


def install(arguments: list[str], out: TextIO) -> int:
    progress, said = Progress(out), list[str]()
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    with (
        LOG.open("w", encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603
            [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as pip,
    ):
        assert pip.stdout is not None  # noqa: S101 - it is a pipe
        for line in lines_of(pip.stdout):
            if line is not None:
                log.write(line)
                said.append(line)
                progress.take(line)
            progress.show()
    progress.end()
    if pip.returncode == 0:
        out.write(f"Done in {progress.seconds:.0f} s.\n")
    elif progress.is_unreachable:
        out.write(
            "No package index can be reached, so the packages are not installed: connect to the network, or name a "
            f"mirror in PIP_INDEX_URL, and repeat the command. pip's own words are in {LOG}.\n"
        )
    else:
        out.writelines(said[-LAST:])
        out.write(f"pip could not install the packages. All it said is in {LOG}.\n")
    return pip.returncode


if __name__ == "__main__":
    try:
        sys.exit(install(sys.argv[1:], sys.stdout))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
