"""A thing that goes wrong, as data, and one that waits to do so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any

from pytest_sessionplugin.aws.calls import Call


class Kind(Enum):
    """What goes wrong, and at which point."""

    REFUSED = "AWS answers with an error and has done nothing"
    CONFLICT = "AWS cancels a transaction: another one holds its first item"
    UNPROCESSED = "AWS does a batch but for its first item, which it gives back"
    UNREACHABLE = "no connection: AWS never hears of it"
    ANSWER_LOST = "AWS does it, and the answer is lost on the way back"
    STALE = "AWS reads an index that does not know the latest writes yet"
    TIMED_OUT = "a function runs into its time-out"
    SLOW = "a client does not read what is sent to it"
    HANDSHAKE_THROTTLED = "a client is refused with 429 before anything runs"
    DISCONNECT_LOST = "a $disconnect does not come to the app"


AT_A_CALL = {Kind.REFUSED, Kind.CONFLICT, Kind.UNPROCESSED, Kind.UNREACHABLE, Kind.ANSWER_LOST}
"""What happens to one attempt of a call, and to no other one."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    call: str  # dynamodb, or dynamodb:UpdateItem; empty where it is about no call
    kind: Kind
    code: str = ""
    status: int = 0
    message: str = ""
    times: int | None = None  # None: until the end of the test
    connections: frozenset[str] = frozenset()  # empty: all
    function: str = ""  # of the app
    table: str = ""
    index: str = ""  # of the table; empty: each

    def concerns(self, call: Call, connection: str | None) -> bool:
        return call.is_of(self.call) and self.is_about(connection)

    def is_about(self, connection: str | None) -> bool:
        return not self.connections or connection in self.connections

    def __str__(self) -> str:
        what = f"{self.code} ({self.status})" if self.code else self.kind.name.lower().replace("_", " ")
        subject = self.function or " of ".join(name for name in (self.index, self.table) if name)
        about = f": {subject}" if subject else ""
        at = f" at {self.call}" if self.call else ""
        whom = f" for {', '.join(sorted(self.connections))}" if self.connections else ""
        return f"{what}{about}{at}{whom}"


def _nothing() -> None:
    """What is done at the end of most faults."""


@dataclass
class Armed:
    """A fault that waits. As a context manager it is over with the block."""

    fault: Fault
    fired: int = 0
    over: bool = field(default=False, repr=False)
    at_end: Callable[[], None] = field(default=_nothing, repr=False)

    @property
    def ready(self) -> bool:
        return not self.over and (self.fault.times is None or self.fired < self.fault.times)

    def end(self) -> None:
        """From here on all is well."""
        if not self.over:
            self.over = True
            self.at_end()

    def __enter__(self) -> Armed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


@dataclass
class StaleIndexes(Armed):
    """Indexes of a table that lag behind, until they catch up."""

    picture: Any = field(default=None, repr=False)  # the table as it was, for whoever emulates it

    def catch_up(self) -> None:
        self.end()

    def __enter__(self) -> StaleIndexes:
        return self
