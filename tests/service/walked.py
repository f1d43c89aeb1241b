"""The service as the world of a walk: each request of the real store to the tables is one step, and so is each call to
the management API. The items of a batch are written and read one by one, as DynamoDB is free to."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, cast

from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib import connections, conversations, frames, participants, tickets
from chalicelib.credentials import Secret
from chalicelib.delivery import Answer, Delivery
from chalicelib.errors import NotConnected, SessionsError, Unavailable
from chalicelib.members import Connection, Endpoint, Role
from chalicelib.model import Draft, Principal, Session
from chalicelib.rates import Limits
from chalicelib.settings import Tables as TableNames
from chalicelib.storage import Store
from pytest_sessionplugin.aws.dynamodb.operations import DataPlane
from pytest_sessionplugin.aws.dynamodb.store import Change, Definition, Index
from pytest_sessionplugin.aws.dynamodb.store import Store as Rows
from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal
from tests.service.fakes import ALICE, ENDPOINT, NOON, UNLIMITED, Deliveries, new_session
from tests.service.interleavings import Actor

NAMES: Final = TableNames("sessions", "connections", "events")
WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem"})


class Asked(Protocol):
    """Answers requests to DynamoDB."""

    def ask(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]: ...


class Tables:
    """The tables. A copy shares their rows until one of both writes."""

    def __init__(self, rows: Mapping[str, Rows]) -> None:
        self._rows = rows
        self._text: str | None = None  # kept, because it is slow to make

    def __deepcopy__(self, memo: object) -> Tables:
        twin = Tables(self._rows)
        twin._text = self._text
        return twin

    def ask(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to one request. Raises ClientError."""
        if operation in WRITES:
            self._text = None
            self._rows = {**self._rows, request["TableName"]: self._rows[request["TableName"]].copy()}
        try:
            return DataPlane(self, lambda: 0.0).answer(operation, dict(request)).members
        except Refusal as refusal:
            response: Any = {"Error": {"Code": refusal.code, "Message": refusal.message}, **refusal.members}
            raise ClientError(response, operation) from refusal

    def store(self, name: str) -> Rows:
        return self._rows[name]

    def items(self, name: str) -> list[Item]:
        return [row.item for row in self._rows[name].rows]

    def changed(self, change: Change) -> None:
        """No stream is on."""

    def state(self) -> str:
        if self._text is None:
            self._text = repr(sorted(str(row.item) for rows in self._rows.values() for row in rows.rows))
        return self._text


def empty_tables() -> Tables:
    session = Definition(NAMES.sessions, {"sessionId": "S"}, Index("", ("sessionId",), ()), {})
    connection = Definition(NAMES.connections, {"place": "S", "member": "S"}, Index("", ("place",), ("member",)), {})
    return Tables({one.name: Rows(one) for one in (session, connection)})


class Client:
    """The DynamoDB client of an actor, with botocore's second attempt after a timeout. Batches are done in their own
    order, or backwards. Sessions are read from the `fixed` tables: no actor of these walks changes one but for its
    numbers."""

    def __init__(self, tables: Asked, fixed: Asked | None = None, *, backwards: bool = False) -> None:
        self._tables = tables
        self._fixed = fixed or tables
        self._step = -1 if backwards else 1

    def get_item(self, **request: Any) -> Any:
        return self._ask("GetItem", request)

    def put_item(self, **request: Any) -> Any:
        return self._ask("PutItem", request)

    def update_item(self, **request: Any) -> Any:
        return self._ask("UpdateItem", request)

    def query(self, **request: Any) -> Any:
        return self._ask("Query", request)

    def batch_write_item(self, RequestItems: Mapping[str, Any]) -> Any:
        for table, writes in RequestItems.items():
            for write in writes[:: self._step]:
                ((kind, members),) = write.items()
                self._ask(
                    {"PutRequest": "PutItem", "DeleteRequest": "DeleteItem"}[kind], {"TableName": table, **members}
                )
        return {}

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> Any:
        found: dict[str, list[Any]] = {}
        for table, wanted in list(RequestItems.items())[:: self._step]:
            for key in wanted["Keys"][:: self._step]:
                answer = self._ask(
                    "GetItem", {"TableName": table, "Key": key, "ConsistentRead": wanted["ConsistentRead"]}
                )
                found.setdefault(table, []).extend([answer["Item"]] if "Item" in answer else [])
        return {"Responses": {table: found.get(table, []) for table in RequestItems}}

    def _ask(self, operation: str, request: Any) -> Any:
        if (operation, request["TableName"]) == ("GetItem", NAMES.sessions):
            return self._fixed.ask(operation, request)
        try:
            return self._tables.ask(operation, request)
        except ReadTimeoutError:
            return self._tables.ask(operation, request)


@dataclass
class Sockets:
    """Sockets as API Gateway has them: a pending one is out of reach, and opens when $connect has returned. `heard` has
    the types of frames that each client got, and of `closing` and `error` the codes."""

    states: dict[str, str] = field(default_factory=dict)
    heard: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def accept(self, connection_id: str) -> None:
        self.states[connection_id] = "open"

    def refuse(self, connection_id: str, code: str) -> None:
        self.states[connection_id] = code

    def post(self, endpoint: Endpoint, connection_id: str, text: str, within: float) -> Answer:
        if self.states.get(connection_id) != "open":
            return Answer.GONE
        frame = json.loads(text)
        self.heard[connection_id] = (*self.heard.get(connection_id, ()), frame.get("code", frame["type"]))
        return Answer.DONE

    def close(self, endpoint: Endpoint, connection_id: str, within: float) -> Answer:
        if self.states.get(connection_id) != "open":
            return Answer.GONE
        self.states[connection_id] = "closed"
        return Answer.DONE


@dataclass
class World:
    session: Session
    tables: Tables
    sockets: Sockets
    always: Callable[[World], None] = lambda world: None

    def __deepcopy__(self, memo: object) -> World:  # by hand, since a walk makes thousands of copies
        sockets = Sockets({**self.sockets.states}, {**self.sockets.heard})
        return World(self.session, copy.deepcopy(self.tables), sockets, self.always)

    def state(self) -> str:
        return f"{self.tables.state()} {self.sockets}"

    def check(self) -> None:
        self.always(self)

    @property
    def fixed(self) -> Tables:
        return self.tables

    @property
    def store(self) -> Store:
        return store_of(self)

    def open(self) -> set[str]:
        return {one for one, state in self.sockets.states.items() if state == "open"}

    def rows(self) -> tuple[dict[str, Item], dict[str, Item]]:
        """The pointers and the rows of the roster, by the ids of their connections."""
        pointers: dict[str, Item] = {}
        roster: dict[str, Item] = {}
        for item in self.tables.items(NAMES.connections):
            kind, _, name = item["place"]["S"].partition("#")
            if kind == "connection":
                pointers[name] = item
            elif kind == "session" and not item["member"]["S"].startswith("!"):
                roster[item["member"]["S"].partition("#")[2]] = item
        return pointers, roster

    def in_it(self) -> set[str]:
        """Sockets that are open, and hear or are heard."""
        pointers, roster = self.rows()
        return self.open() & (pointers.keys() | roster.keys())


def new_world(draft: Draft | None = None, *there: Connection) -> World:
    """A session of alice, and the open connections that are in it."""
    tables = empty_tables()
    store = Store(cast("Any", Client(tables)), NAMES)
    session = new_session(store, draft)
    for one in there:
        store.connect(replace(one, session_id=session.session_id))
    return World(session, tables, Sockets({one.connection_id: "open" for one in there}))


def store_of(view: Any, kind: type[Store] = Store, *, backwards: bool = False) -> Store:
    """A store whose requests are steps of an actor's view, or are made in a world at once."""
    return kind(cast("Any", Client(view.tables, view.fixed, backwards=backwards)), NAMES)


class Inline(Executor):
    """Delivers in the actor's own code, so that the walk chooses the order of posts."""

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **unused: Any) -> Iterator[Any]:
        return iter([fn(*args) for args in zip(*iterables, strict=True)])

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise AssertionError("a delivery maps")


@dataclass(frozen=True)
class Code:
    """The service's code, of which a test breaks a part to see its walk fail."""

    store: type[Store] = Store
    connect: Callable[..., Connection] = connections.connect
    limits: Limits = UNLIMITED
    backwards: bool = False  # the order of batches

    def of(self, view: Any) -> tuple[Store, Delivery]:
        """The store and the deliveries of an actor."""
        store = store_of(view, self.store, backwards=self.backwards)
        return store, Delivery(store, view.sockets, clock=lambda: NOON, random=lambda: 0.0, executor=Inline())


CODE: Final = Code()


def connect(
    session: Session,
    connection_id: str,
    subject: str = "bob",
    *,
    ahead: float = 0,
    replaces: str | None = None,
    ticket: Secret | None = None,
    code: Code = CODE,
) -> Actor:
    """A handshake of a subject, or by a ticket, in an environment whose clock is some milliseconds `ahead`."""
    shown = ticket or Secret("token")
    asked = frames.Handshake(connection_id, session.session_id, shown, None, ENDPOINT, replaces)
    bearer = Principal(subject, NOON + timedelta(hours=1))

    def connected(view: Any) -> None:
        store, deliver = code.of(view)
        principal, handshake = bearer, asked
        try:
            if ticket is not None:
                principal, handshake = tickets.use(asked, store=store, now=NOON)
            code.connect(
                handshake,
                principal,
                store=store,
                deliver=deliver,
                now=NOON + timedelta(milliseconds=ahead),
                limits=code.limits,
                correlation_id="a",
            )
        except SessionsError as exc:
            view.sockets.refuse(connection_id, exc.code)
        else:
            view.sockets.accept(connection_id)

    return Actor(f"connect {connection_id}", connected)


def authenticate(token: Secret) -> Principal:
    """Bob, for as many hours as the token says."""
    return Principal("bob", NOON + timedelta(hours=int(token.reveal())))


def say(connection_id: str, action: Mapping[str, Any], *, code: Code = CODE, now: datetime = NOON) -> Actor:
    """A frame of a socket that is open, or was when it was sent."""

    def said(view: Any) -> None:
        store, deliver = code.of(view)
        try:
            answer = conversations.receive(
                frames.Envelope(None, action),
                connection_id,
                store=store,
                deliver=deliver,
                now=now,
                limits=code.limits,
                correlation_id="a",
                authenticate=authenticate,
            )
        except NotConnected as exc:
            deliver.close(ENDPOINT, connection_id, frames.closing(exc, "a"), now)
        except Exception as exc:  # noqa: BLE001  a bug is told, too
            deliver.send(ENDPOINT, connection_id, frames.refusal(exc, "r-1"), now)
        else:
            deliver.send(ENDPOINT, connection_id, answer, now)

    def was_open(world: World, busy: Mapping[str, bool]) -> bool:
        return world.sockets.states.get(connection_id) in ("open", "closed", "left")

    return Actor(f"{connection_id} says {action['action']}", said, may_begin=was_open)


def disconnect(connection_id: str, *, code: Code = CODE) -> Actor:
    """The $disconnect of a client that leaves."""

    def gone(view: Any) -> None:
        store, deliver = code.of(view)
        view.sockets.refuse(connection_id, "left")
        with contextlib.suppress(Unavailable):
            connections.disconnect(connection_id, store=store, deliver=deliver, now=NOON, correlation_id="d")

    def is_open(world: World, busy: Mapping[str, bool]) -> bool:
        return world.sockets.states.get(connection_id) == "open"

    return Actor(f"$disconnect {connection_id}", gone, may_begin=is_open)


def kick(world: World, ban: timedelta, subject: str = "bob", *, code: Code = CODE) -> Actor:
    """The owner puts a subject out and keeps it out for so long."""

    def kicked(view: Any) -> None:
        store, deliver = code.of(view)
        with contextlib.suppress(Unavailable):
            participants.kick_participant(
                world.session.session_id,
                ALICE,
                subject,
                ban,
                store=store,
                deliver=deliver,
                now=NOON,
                correlation_id="k",
            )

    return Actor(f"kick {subject} for {ban}", kicked)


def give(world: World, role: Role, subject: str = "bob", *, code: Code = CODE) -> Actor:
    """The owner gives a subject a role. The frames that tell it change no row, and are not walked."""

    def given(view: Any) -> None:
        store, _ = code.of(view)
        with contextlib.suppress(Unavailable):
            participants.set_role(
                world.session.session_id,
                ALICE,
                subject,
                role,
                store=store,
                deliver=Deliveries(),
                now=NOON,
                correlation_id="r",
            )

    return Actor(f"{subject} is to be {role.value}", given)


class Careless(Store):
    """Leaves a part of its conditions out, and what else a test breaks."""

    without = ""

    def update(
        self, table: str, key: Mapping[str, Any], update: str, condition: str | None, values: Mapping[str, Any]
    ) -> tuple[bool, Item]:
        rest = (condition or "").replace(self.without, "").removeprefix(" AND ")
        left = {name: value for name, value in values.items() if name in f"{update} {rest}"}
        done, item = super().update(table, key, update, rest or None, left)
        return done, dict(item)


# --- wrong ends


def check_rows(world: World) -> None:
    """An open socket has both rows or none, and no other has any."""
    pointers, roster = world.rows()
    for item in (*pointers.values(), *roster.values()):
        assert "subject" in item, f"a row came back with nothing but {sorted(item)}"
    halves = pointers.keys() ^ roster.keys()
    assert not halves, f"{sorted(halves)} has one row of two"
    left = {one: world.sockets.states.get(one) for one in sorted(pointers.keys() - world.open())}
    assert not left, f"rows of sockets that are not open stay: {left}"
    assert not any("internal_error" in frames for frames in world.sockets.heard.values()), "a bug"


def check_seats(world: World, seats: int) -> None:
    there = sorted(world.in_it())
    assert len(there) <= seats, f"{there} are in, for whom there are {seats} seats"
