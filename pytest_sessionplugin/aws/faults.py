"""What goes wrong with AWS, as data: which call, how often, and when. The door asks here; nothing is patched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pytest_sessionplugin.aws import calls
from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.dynamodb import BATCHES, ONGOING, TRANSACTIONS
from pytest_sessionplugin.errors import SessionPluginError, UnknownFault, UnknownName

_Armed = TypeVar("_Armed", bound="Armed")


_WRITES = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")

NAMES = (
    "throttled",
    "failing",
    "unreachable",
    "answer_lost",
    "conflict",
    "unprocessed",
    "stale_indexes",
    "timed_out",
    "gone",
    "slow",
    "disconnect_lost",
)


class Emulator(Protocol):
    """What has the tables."""

    def picture(self, table: str, index: str | None) -> tuple[str, Any]:
        """The real name of a table, and the table as it is now. Raises UnknownName."""


class Clients(Protocol):
    """A gateway, as far as its clients are slow."""

    def stall(self, connection_id: str, held: Callable[[], None]) -> None: ...

    def resume(self, connection_id: str) -> None: ...


class Site(Protocol):
    """What stands behind the calls: an app, and a gateway in front of it."""

    @property
    def function_names(self) -> Mapping[str, str]:
        """What a function may be called -> its name in the app."""

    @property
    def clients(self) -> Clients: ...


class Faults:
    """The faults of one test. Each goes on until its `times` are used up, or to the end of the test.

    The real retries of the SDK see them, without its waits. When several are armed, the oldest fires.
    """

    def __init__(self) -> None:
        self.emulator: Emulator | None = None
        self.site: Site | None = None
        self._lock = threading.Lock()
        self._armed: list[Armed] = []

    # --- calls

    def throttled(self, call: str, *connections: str, times: int | None = None) -> Armed:
        """The call, `dynamodb` or `dynamodb:UpdateItem`, comes too often; or posts to these connections do.

        With `$connect` it is handshakes that do, more than the 500 a second of an account: 429, and nothing runs.
        """
        if call == "$connect":
            if connections:
                raise ValueError("a handshake that is throttled has no connection: throttled('$connect', times=…)")
            return self.arm(Fault("", Kind.HANDSHAKE_THROTTLED, times=times))
        refusal = THROTTLED.get(call.partition(":")[0], THROTTLED_ELSEWHERE)
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

    # --- tables

    def conflict(self, call: str, *, times: int | None = None) -> Armed:
        """Another transaction holds the item: `dynamodb:TransactWriteItems` is cancelled, an UpdateItem refused."""
        if call in TRANSACTIONS:
            return self.arm(Fault(call, Kind.CONFLICT, times=times))
        if call in _WRITES:
            return self._refused(call, CONFLICT, (), times)
        raise UnknownName("call that meets transactions named", call, (*TRANSACTIONS, *_WRITES))

    def unprocessed(self, call: str, *, times: int | None = None) -> Armed:
        """`dynamodb:BatchWriteItem`, or BatchGetItem, gives back its first item, and has not done it."""
        if call not in BATCHES:
            raise UnknownName("batch named", call, tuple(BATCHES))
        return self.arm(Fault(call, Kind.UNPROCESSED, times=times))

    def stale_indexes(self, table: str, index: str | None = None) -> StaleIndexes:
        """Indexes of a table, by its logical or its real name, show it as it is now until they `catch_up()`."""
        if self.emulator is None:
            raise SessionPluginError("there are no tables that could be stale; open them first.")
        name, picture = self.emulator.picture(table, index)
        armed = StaleIndexes(Fault("", Kind.STALE, table=name, index=index or ""), picture=picture)
        return self._keep(armed)

    # --- functions and clients

    def timed_out(self, function: str, *, at: str = "", times: int | None = None) -> Armed:
        """A function runs into its own time-out, short of the 29 seconds of the gateway.

        Named as in the app; REST routes are all in `api_handler`. It does its work, and its answer is lost; or it is
        ended where it makes the call `at`, which is then not made.
        """
        names = self._site("timed_out").function_names
        if function not in names:
            raise UnknownName("function", function, tuple(names))
        return self.arm(Fault(at, Kind.TIMED_OUT, times=times, function=names[function]))

    def gone(self, *connections: str, times: int | None = None) -> Armed:
        """Calls about these connections answer 410, as those about a socket that is dead."""
        _at_least_one(connections, "gone")
        return self._refused(MANAGEMENT, GONE, connections, times)

    def slow(self, *connections: str) -> Armed:
        """These clients do not read: posts succeed, and nothing arrives until it is over; 429 once 16 MiB wait."""
        _at_least_one(connections, "slow")
        clients = self._site("slow").clients
        armed = Armed(Fault(MANAGEMENT, Kind.SLOW, connections=frozenset(connections)))

        def held() -> None:
            armed.fired += 1  # under the gateway's lock

        def read_on() -> None:
            for connection in connections:
                clients.resume(connection)

        armed.at_end = read_on
        for connection in connections:
            clients.stall(connection, held)
        return self._keep(armed)

    def disconnect_lost(self, *connections: str, times: int | None = None) -> Armed:
        """The `$disconnect` of these connections, or of all, does not come: AWS promises none ("best effort")."""
        fault = Fault("", Kind.DISCONNECT_LOST, times=times, connections=frozenset(connections))
        return self.arm(fault)

    # --- for whom they meet

    def arm(self, fault: Fault) -> Armed:
        if fault.times is not None and (type(fault.times) is not int or fault.times < 1):
            raise ValueError(f"times is a whole number, 1 or more, or None for each time, not {fault.times!r}")
        if fault.call:
            calls.check(fault.call)
            if fault.connections and fault.call.partition(":")[0] != MANAGEMENT:
                raise ValueError(f"only faults of {MANAGEMENT} are about connections, not those of {fault.call}")
        return self._keep(Armed(fault))

    def awaits(self, call: Call, connection: str | None) -> bool:
        """Whether the SDK may have to try this call again."""
        return any(
            armed.fault.kind in {*AT_A_CALL, Kind.SLOW} and armed.ready and armed.fault.concerns(call, connection)
            for armed in self._armed
        )

    def fire(self, call: Call, connection: str | None) -> Fault | None:
        """The fault that this attempt meets; one of its times is used up."""
        armed = self._fire(lambda fault: fault.kind in AT_A_CALL and fault.concerns(call, connection))
        return armed.fault if armed else None

    def refuses(self, call: Call, connection: str | None) -> Fault | None:
        """The error that a call which comes over the network is answered with; one of its times is used up."""
        armed = self._fire(lambda fault: fault.kind is Kind.REFUSED and fault.concerns(call, connection))
        return armed.fault if armed else None

    def past(self, call: Call, read: Callable[[], Mapping[str, Any]]) -> Any:
        """The picture that a read of an index sees in place of its table, if any. `read` gives what is asked for."""
        if str(call) not in ("dynamodb:Query", "dynamodb:Scan") or not self._has(Kind.STALE):
            return None
        asked = read()
        if "IndexName" not in asked or asked.get("ConsistentRead"):
            return None
        table, index = asked["TableName"].rpartition("/")[2], asked["IndexName"]

        def is_stale(fault: Fault) -> bool:
            return fault.kind is Kind.STALE and fault.table == table and fault.index in ("", index)

        armed = self._fire(is_stale)
        return armed.picture if isinstance(armed, StaleIndexes) else None

    def kills(self, function: str, call: Call) -> bool:
        """Whether a function is ended at this call."""
        return bool(
            self._fire(
                lambda fault: fault.kind is Kind.TIMED_OUT and fault.function == function and call.is_of(fault.call)
            )
        )

    def times_out(self, function: str) -> bool:
        """Whether what a function has done came too late."""
        return bool(
            self._fire(lambda fault: fault.kind is Kind.TIMED_OUT and fault.function == function and not fault.call)
        )

    def throttles_handshake(self) -> bool:
        return bool(self._fire(lambda fault: fault.kind is Kind.HANDSHAKE_THROTTLED))

    def loses_disconnect(self, connection: str) -> bool:
        return bool(self._fire(lambda fault: fault.kind is Kind.DISCONNECT_LOST and fault.is_about(connection)))

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

    def _keep(self, armed: _Armed) -> _Armed:
        with self._lock:
            self._armed.append(armed)
        return armed

    def _has(self, kind: Kind) -> bool:
        return any(armed.fault.kind is kind and armed.ready for armed in self._armed)

    def _fire(self, meets: Callable[[Fault], bool]) -> Armed | None:
        with self._lock:
            for armed in self._armed:
                if armed.ready and meets(armed.fault):
                    armed.fired += 1
                    return armed
        return None

    def _site(self, name: str) -> Site:
        if self.site is None:
            raise SessionPluginError(f"{name}() is about an app behind its gateway, and none is here.")
        return self.site

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            raise UnknownFault("fault", name, NAMES)


def _at_least_one(connections: tuple[str, ...], name: str) -> None:
    if not connections:
        raise TypeError(f"{name}() needs the id of at least one connection")


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


MANAGEMENT = "apigatewaymanagementapi"


@dataclass(frozen=True)
class Refusal:
    code: str
    status: int
    message: str = ""


THROTTLED: Mapping[str, Refusal] = {
    "dynamodb": Refusal(
        "ProvisionedThroughputExceededException", 400, "The level of configured throughput was exceeded."
    ),
    MANAGEMENT: Refusal("LimitExceededException", 429, "Too many posts, or the client reads too slowly."),
    "lambda": Refusal("TooManyRequestsException", 429, "Rate Exceeded."),
    "s3": Refusal("SlowDown", 503, "Please reduce your request rate."),
}
THROTTLED_ELSEWHERE = Refusal("ThrottlingException", 400, "Rate exceeded")

GONE = Refusal("GoneException", 410)

CONFLICT = Refusal("TransactionConflictException", 400, ONGOING)
"""What a write of one item that is in a transaction is answered: TransactionConflictException in the service model."""
