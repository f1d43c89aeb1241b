"""Prints the progress of a deploy: one line for each step, with its seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TextIO


class Step:
    """One step under way."""

    def __init__(self, out: TextIO, verbose: bool) -> None:
        self._out = out
        self._verbose = verbose
        self.said = ""

    def note(self, text: str) -> None:
        """Sets the text to print when the step is done."""
        self.said = text

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
        step = Step(self._out, self._verbose)
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
        again = "\r" if self._live and not self._verbose else ""
        self._out.write(f"{again}  {name}: {outcome} ({time.monotonic() - began:.1f} s)\n")
        self._out.flush()
