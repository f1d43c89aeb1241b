"""Everything that happens in an account outside its gateways, kept for the trace of a test."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_sessionplugin.account.trace import Line, indented, short, traceback_of

if TYPE_CHECKING:
    from pytest_sessionplugin.lambdas.threads import Left


class AppLog(logging.Handler):
    """Keeps log records, with their traceback: Chalice turns a bug in a route into a 500 and only logs it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        text = f"log    {record.levelname} {short(record.getMessage())}"
        more = indented(record.exc_text or "") if error is None else traceback_of(error)
        self.lines.append(Line(record.created, text + more))


class Journal:
    """Lines of one test, in the order in which they were made. Thread-safe, since it only appends."""

    def __init__(self) -> None:
        self.log = AppLog()
        self.left: list[Left] = []
        self._lines: list[Line] = []

    @property
    def lines(self) -> Sequence[Line]:
        return (*self.log.lines, *self._lines)

    def observe(self, at: float, text: str) -> None:
        self._lines.append(Line(at, text))

    def warn(self, sentence: str) -> None:
        """Does nothing: LambdaService also passes each warning to `observe`, so the trace shows it."""

    def leave(self, left: Left) -> None:
        """A thread goes on although no function runs."""
        self.left.append(left)
        self.observe(time.time(), f"left   {left}")
