"""What goes wrong with AWS, as data: which call, how often, and when. The door asks here; nothing is patched."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType

from pytest_sessionplugin.aws.calls import Call

MANAGEMENT = "apigatewaymanagementapi"


class Kind(Enum):
    """At which point of a call it goes wrong."""

    REFUSED = "AWS answers with an error and has done nothing"
    UNREACHABLE = "no connection: AWS never hears of it"
    ANSWER_LOST = "AWS does it, and the answer is lost on the way back"


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    call: str  # dynamodb, or dynamodb:UpdateItem
    kind: Kind
    code: str = ""
    status: int = 0
    message: str = ""
    times: int | None = None  # None: until the end of the test
    connections: frozenset[str] = frozenset()  # of apigatewaymanagementapi; empty: all

    def concerns(self, call: Call, connection: str | None) -> bool:
        return call.is_of(self.call) and (not self.connections or connection in self.connections)

    def __str__(self) -> str:
        what = f"{self.code} ({self.status})" if self.code else self.kind.name.lower()
        whom = f" for {', '.join(sorted(self.connections))}" if self.connections else ""
        return f"{what} at {self.call}{whom}"


@dataclass
class Armed:
    """A fault that waits. As a context manager it is over with the block."""

    fault: Fault
    fired: int = 0
    over: bool = field(default=False, repr=False)

    @property
    def ready(self) -> bool:
        return not self.over and (self.fault.times is None or self.fired < self.fault.times)

    def __enter__(self) -> Armed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over = True


@dataclass(frozen=True)
class Refusal:
    """How a service says no."""

    code: str
    status: int
    message: str


_THROTTLED: Mapping[str, Refusal] = {
    "dynamodb": Refusal(
        "ProvisionedThroughputExceededException", 400, "The level of configured throughput was exceeded."
    ),
    MANAGEMENT: Refusal("LimitExceededException", 429, "Too many posts, or the client reads too slowly."),
    "s3": Refusal("SlowDown", 503, "Please reduce your request rate."),
}
_THROTTLED_ELSEWHERE = Refusal("ThrottlingException", 400, "Rate exceeded")


class Faults:
    """The faults of one test. Each goes on until its `times` are used up, or to the end of the test.

    The real retries of the SDK see them, without its waits. When several are armed, the oldest fires.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[Armed] = []

    def throttled(self, call: str, *connections: str, times: int | None = None) -> Armed:
        """The call, `dynamodb` or `dynamodb:UpdateItem`, comes too often; or posts to these connections do."""
        refusal = _THROTTLED.get(call.partition(":")[0], _THROTTLED_ELSEWHERE)
        return self._refused(call, refusal, connections, times)

    def failing(
        self,
        call: str,
        *,
        code: str = "InternalServerError",
        status: int = 500,
        message: str = "",
        times: int | None = None,
    ) -> Armed:
        """AWS answers with this error."""
        return self._refused(call, Refusal(code, status, message), (), times)

    def unreachable(self, call: str, *, times: int | None = None) -> Armed:
        """The connection to AWS fails before anything is done."""
        return self.arm(Fault(call, Kind.UNREACHABLE, times=times))

    def answer_lost(self, call: str, *, times: int | None = None) -> Armed:
        """AWS does what it is asked, and its answer never arrives: the SDK tries again."""
        return self.arm(Fault(call, Kind.ANSWER_LOST, times=times))

    def gone(self, *connections: str, times: int | None = None) -> Armed:
        """Calls about these connections answer 410, as those about a socket that is dead."""
        if not connections:
            raise TypeError("gone() needs the id of at least one connection")
        return self._refused(MANAGEMENT, Refusal("GoneException", 410, ""), connections, times)

    def arm(self, fault: Fault) -> Armed:
        if fault.connections and fault.call.partition(":")[0] != MANAGEMENT:
            raise ValueError(f"only faults of {MANAGEMENT} are about connections, not those of {fault.call}")
        armed = Armed(fault)
        with self._lock:
            self._armed.append(armed)
        return armed

    def awaits(self, call: Call, connection: str | None) -> bool:
        """Whether one would fire at this call."""
        return any(armed.ready and armed.fault.concerns(call, connection) for armed in self._armed)

    def fire(self, call: Call, connection: str | None) -> Fault | None:
        """The fault that this attempt meets; one of its times is used up."""
        with self._lock:
            for armed in self._armed:
                if armed.ready and armed.fault.concerns(call, connection):
                    armed.fired += 1
                    return armed.fault
        return None

    @property
    def never_fired(self) -> tuple[Fault, ...]:
        return tuple(armed.fault for armed in self._armed if not armed.fired)

    def _refused(self, call: str, refusal: Refusal, connections: tuple[str, ...], times: int | None) -> Armed:
        return self.arm(
            Fault(
                call,
                Kind.REFUSED,
                refusal.code,
                refusal.status,
                refusal.message,
                times,
                frozenset(connections),
            )
        )
