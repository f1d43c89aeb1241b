"""Prints the progress of a deploy: one line for each step, with its seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final, TextIO

CLEAR: Final = "\x1b[K"
"""Clears a terminal's line from the cursor on."""


class Step:
    """One step under way. On a terminal, its line changes as the step goes on, unless the output is verbose."""

    def __init__(self, out: TextIO, name: str, *, verbose: bool) -> None:
        self._out = out
        self._name = name
        self._verbose = verbose
        self._live = out.isatty() and not verbose
        self.said = ""

    def note(self, text: str) -> None:
        """Sets the text to print when the step is done."""
        self.said = text

    def status(self, text: str) -> None:
        """Shows how far the step is. A terminal replaces the status before; another output gets none."""
        if self._live:
            self._out.write(f"\r  {self._name} … {text}{CLEAR}")
            self._out.flush()

    def detail(self, line: str) -> None:
        """Output of a tool during the step; printed if the user asked for it."""
        if self._verbose:
            self._out.write(f"    {line}\n")
            self._out.flush()


class Progress:
    """Writes to `out`. A terminal shows the name of a step at once, other outputs one line when it is done."""

    def __init__(self, out: TextIO, *, verbose: bool = False) -> None:
        self._out = out
        self._verbose = verbose
        self._live = out.isatty()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Runs a step and prints its outcome when it is over, even if it failed."""
        began = time.monotonic()
        step = Step(self._out, name, verbose=self._verbose)
        if self._live or self._verbose:
            self._out.write(f"  {name} …" + ("\n" if self._verbose else ""))
            self._out.flush()
        try:
            yield step
        except BaseException:
            self._end(name, "failed", began)
            raise
        self._end(name, step.said or "done", began)

    def _end(self, name: str, outcome: str, began: float) -> None:
        replaces = self._live and not self._verbose
        line = f"  {name}: {outcome} ({time.monotonic() - began:.1f} s)"
        self._out.write(f"\r{line}{CLEAR}\n" if replaces else f"{line}\n")
        self._out.flush()
