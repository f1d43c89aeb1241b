"""Faults of AWS, as data: which call fails, how, how often and until when. The interceptor asks before it answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pytest_sessionplugin.aws import calls
from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.dynamodb.batches import ONGOING, TRANSACTIONS, UNPROCESSED
from pytest_sessionplugin.aws.dynamodb.values import Refusal
from pytest_sessionplugin.aws.endpoints import MANAGEMENT
from pytest_sessionplugin.errors import SessionPluginError, UnknownFault, UnknownName

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
"""The methods of Faults that arm a fault."""

_WRITES = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")


# --- a fault


class Kind(Enum):
    """Kinds of faults, by the point at which they happen."""

    REFUSED = "AWS answers with an error and has done nothing"
    CONFLICT = "AWS cancels a transaction: another one holds its first item"
    UNPROCESSED = "AWS does a batch but for its first item, which it gives back"
    UNREACHABLE = "no connection: AWS never hears of it"
    ANSWER_LOST = "AWS does it, and the answer is lost on the way back"
    STALE = "AWS reads an index that lacks the latest writes"
    TIMED_OUT = "a function runs into its time-out"
    SLOW = "a client does not read what is sent to it"
    HANDSHAKE_THROTTLED = "a client is refused with 429 before anything runs"
    DISCONNECT_LOST = "a $disconnect does not come to the app"


AT_A_CALL = {Kind.REFUSED, Kind.CONFLICT, Kind.UNPROCESSED, Kind.UNREACHABLE, Kind.ANSWER_LOST}
"""Kinds that hit a single attempt of a call."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    call: str  # dynamodb, or dynamodb:UpdateItem; empty if the fault hits no call
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
    """The end of most faults."""


@dataclass
class Armed:
    """A fault that is ready to fire. As a context manager it ends with the block."""

    fault: Fault
    fired: int = 0
    over: bool = field(default=False, repr=False)
    at_end: Callable[[], None] = field(default=_nothing, repr=False)

    @property
    def ready(self) -> bool:
        return not self.over and (self.fault.times is None or self.fired < self.fault.times)

    def fire(self) -> None:
        """Uses up one of its times. The caller holds a lock."""
        self.fired += 1

    def end(self) -> None:
        """Ends the fault: later calls succeed."""
        if not self.over:
            self.over = True
            self.at_end()

    def __enter__(self) -> Armed:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


@dataclass
class StaleIndexes(Armed):
    """Indexes of a table that lag behind, until they catch up."""

    picture: Any = field(default=None, repr=False)  # the table as it was, in a form that the emulator reads

    def catch_up(self) -> None:
        self.end()

    def __enter__(self) -> StaleIndexes:
        return self


_Armed = TypeVar("_Armed", bound=Armed)


# --- errors of AWS


@dataclass(frozen=True)
class RefusedWith:
    code: str
    status: int
    message: str = ""


THROTTLED: Mapping[str, RefusedWith] = {
    "dynamodb": RefusedWith(
        "ProvisionedThroughputExceededException", 400, "The level of configured throughput was exceeded."
    ),
    MANAGEMENT: RefusedWith("LimitExceededException", 429, "Too many posts, or the client reads too slowly."),
    "lambda": RefusedWith("TooManyRequestsException", 429, "Rate Exceeded."),
    "s3": RefusedWith("SlowDown", 503, "Please reduce your request rate."),
}
THROTTLED_ELSEWHERE = RefusedWith("ThrottlingException", 400, "Rate exceeded")

GONE = RefusedWith("GoneException", 410)

CONFLICT = RefusedWith("TransactionConflictException", 400, ONGOING)
"""Answers a write of one item that a transaction holds (TransactionConflictException in the service model)."""


# --- the faults of a test


class Clients(Protocol):
    """Makes clients of a gateway read slowly."""

    def stall(self, connection_id: str, held: Callable[[], None]) -> None: ...

    def resume(self, connection_id: str) -> None: ...


READS = ("dynamodb:Query", "dynamodb:Scan", "dynamodb:ExecuteStatement")
"""Calls that may read an index."""

TakePicture = Callable[[str, str | None], tuple[str, Any]]
"""Table and index -> the table's real name, and the table as it is now. Raises UnknownName."""


class Faults:
    """The faults of one test. Each lasts until its `times` are used up, or to the end of the test.

    The real retries of the SDK see them, without its waits. When several are armed, the oldest fires.

    `functions` gives each name that a function may be called by -> its name in the app, `clients` the clients of the
    app's gateway. Both are called only for a fault that needs them, and may open the app.
    """

    def __init__(
        self,
        *,
        picture: TakePicture | None = None,
        functions: Callable[[], Mapping[str, str]] | None = None,
        clients: Callable[[], Clients] | None = None,
    ) -> None:
        self._picture, self._functions, self._clients = picture, functions, clients
        self._lock = threading.Lock()
        self._armed: list[Armed] = []

    # --- calls

    def throttled(self, call: str, *connections: str, times: int | None = None) -> Armed:
        """AWS throttles a service, `dynamodb`, an operation, `dynamodb:UpdateItem`, or posts to these connections.

        `$connect` throttles handshakes, as beyond the account's 500 a second: they get 429, and no function runs.
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
        return self._refused(call, RefusedWith(code, status, message), (), times)

    def unreachable(self, call: str, *, times: int | None = None) -> Armed:
        """The connection to AWS fails before anything is done."""
        return self.arm(Fault(call, Kind.UNREACHABLE, times=times))

    def answer_lost(self, call: str, *, times: int | None = None) -> Armed:
        """AWS performs the call, and its answer never arrives: the SDK tries again."""
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
        if call not in UNPROCESSED:
            raise UnknownName("batch named", call, tuple(UNPROCESSED))
        return self.arm(Fault(call, Kind.UNPROCESSED, times=times))

    def stale_indexes(self, table: str, index: str | None = None) -> StaleIndexes:
        """Indexes of a table, by its logical or its real name, show it as it is now until they `catch_up()`."""
        if self._picture is None:
            raise SessionPluginError("stale_indexes() needs tables, and none are open.")
        name, picture = self._picture(table, index)
        return self._keep(StaleIndexes(Fault("", Kind.STALE, table=name, index=index or ""), picture=picture))

    # --- functions and clients

    def timed_out(self, function: str, *, at: str = "", times: int | None = None) -> Armed:
        """A function exceeds its own timeout, before the gateway's 29 seconds.

        `function` is its name in the app; `api_handler` serves all REST routes. The function finishes its work and its
        answer is lost; or, with `at`, it ends at that call, which is not made.
        """
        if self._functions is None:
            raise _needs_an_app("timed_out")
        names = self._functions()
        if function not in names:
            raise UnknownName("function", function, tuple(names))
        return self.arm(Fault(at, Kind.TIMED_OUT, times=times, function=names[function]))

    def gone(self, *connections: str, times: int | None = None) -> Armed:
        """Calls about these connections answer 410, as they do for a dead socket."""
        _at_least_one(connections, "gone")
        return self._refused(MANAGEMENT, GONE, connections, times)

    def slow(self, *connections: str) -> Armed:
        """These clients do not read: posts succeed, and nothing arrives until it is over; 429 once 16 MiB wait."""
        _at_least_one(connections, "slow")
        _check_ids(connections)
        if self._clients is None:
            raise _needs_an_app("slow")
        clients = self._clients()

        def read_on() -> None:
            for connection in connections:
                clients.resume(connection)

        armed = Armed(Fault(MANAGEMENT, Kind.SLOW, connections=frozenset(connections)), at_end=read_on)
        for connection in connections:
            clients.stall(connection, armed.fire)  # called under the gateway's lock
        return self._keep(armed)

    def disconnect_lost(self, *connections: str, times: int | None = None) -> Armed:
        """The `$disconnect` of these connections, or of all, does not come: AWS promises none ("best effort")."""
        fault = Fault("", Kind.DISCONNECT_LOST, times=times, connections=frozenset(connections))
        return self.arm(fault)

    # --- for the interceptor, the functions and the gateway

    def arm(self, fault: Fault) -> Armed:
        _check_ids(fault.connections)
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
        """The fault that hits this attempt, and uses up one of its times."""
        armed = self._fire(lambda fault: fault.kind in AT_A_CALL and fault.concerns(call, connection))
        return armed.fault if armed else None

    def refuses(self, call: Call, connection: str | None) -> Fault | None:
        """The error that answers a call from the network, and uses up one of its times."""
        armed = self._fire(lambda fault: fault.kind is Kind.REFUSED and fault.concerns(call, connection))
        return armed.fault if armed else None

    def past(self, call: Call, read: Callable[[], Mapping[str, Any]]) -> Any:
        """The picture of a table that answers a read of its stale index, or None. `read` gives the call's members."""
        if str(call) not in READS or not self._has(Kind.STALE):
            return None
        asked = read()
        table, index = _selected(asked) if "Statement" in asked else _named(asked)
        if index is None or asked.get("ConsistentRead"):
            return None

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
        """Whether the answer of a function comes too late."""
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

    def _refused(self, call: str, refusal: RefusedWith, connections: tuple[str, ...], times: int | None) -> Armed:
        error = (refusal.code, refusal.status, refusal.message)
        return self.arm(Fault(call, Kind.REFUSED, *error, times, frozenset(connections)))

    def _keep(self, armed: _Armed) -> _Armed:
        with self._lock:
            self._armed.append(armed)
        return armed

    def _has(self, kind: Kind) -> bool:
        return any(armed.fault.kind is kind and armed.ready for armed in self._armed)

    def _fire(self, hits: Callable[[Fault], bool]) -> Armed | None:
        with self._lock:
            for armed in self._armed:
                if armed.ready and hits(armed.fault):
                    armed.fire()
                    return armed
        return None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            raise UnknownFault("fault", name, NAMES)


def _needs_an_app(name: str) -> SessionPluginError:
    return SessionPluginError(f"{name}() needs an app behind its gateway, and none is open.")


def _at_least_one(connections: tuple[str, ...], name: str) -> None:
    if not connections:
        raise TypeError(f"{name}() needs the id of at least one connection")


def _check_ids(connections: Collection[str]) -> None:
    for each in connections:
        if not isinstance(each, str):
            raise TypeError(
                f"a connection is given by its id, as websocket.connection_id, not by a {type(each).__name__}"
            )


def _named(asked: Mapping[str, Any]) -> tuple[str, str | None]:
    """The table and the index that a Query or Scan reads."""
    return asked["TableName"].rpartition("/")[2], asked.get("IndexName")


def _selected(asked: Mapping[str, Any]) -> tuple[str, str | None]:
    """The table and the index that a statement of PartiQL reads; none if it reads nothing, or cannot be read."""
    from pytest_sessionplugin.aws.dynamodb import statements

    try:
        parsed = statements.parse(asked["Statement"], asked.get("Parameters") or ())
    except Refusal:
        return "", None
    return (parsed.table, parsed.index) if isinstance(parsed, statements.Select) else ("", None)
