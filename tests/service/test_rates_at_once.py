"""Rates and caps under frames, messages and handshakes that functions handle at the same time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import dynamodb, errors
from chalicelib.model import Change, Status
from chalicelib.rates import Rate, Verdict
from chalicelib.storage import Store
from pytest_sessionplugin import Gateway, HandshakeRefused, WebSocket
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.service.fakes import NOON, connection, new_session, write
from tests.service.stores import names_of, roster, stored

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

FRAMES, PUBLISHES = Rate(10), Rate(50)
WORKERS = 16
HANDSHAKES = 32
ONE = connection("s", "one=")


def at_once(act: Callable[[int], Any], count: int, workers: int = WORKERS) -> list[Any]:
    """The results of so many calls by several threads, the errors of the service among them."""

    def attempt(number: int) -> Any:
        try:
            return act(number)
        except errors.SessionsError as refused:
            return type(refused)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(attempt, range(count)))


def test_frames_that_are_handled_at_once_count_each(dynamodb_store: Store) -> None:
    dynamodb_store.connect(ONE)
    metered = at_once(lambda number: dynamodb_store.meter("one=", NOON, FRAMES), 61)
    assert len({one.tat for one in metered}) == 61
    verdicts = Counter(FRAMES.verdict(one.tat, NOON) for one in metered)
    assert verdicts == {Verdict.DONE: 20, Verdict.REFUSED: 40, Verdict.CLOSED: 1}


def test_messages_that_are_published_at_once_are_as_many_as_the_rate_says(dynamodb_store: Store) -> None:
    session = new_session(dynamodb_store)
    taken = at_once(lambda number: dynamodb_store.take_seq(session.session_id, NOON, PUBLISHES).seq, 130)
    assert taken.count(errors.RateLimited) == 30
    assert sorted(seq for seq in taken if seq is not errors.RateLimited) == list(range(1, 101))
    assert stored(dynamodb_store, session).seq == 100


class Interrupted(Store):
    """A store in which something else happens before the second of two updates."""

    def __init__(self, tables: Tables) -> None:
        (client,) = dynamodb.clients("us-east-1", None)
        super().__init__(client, names_of(tables))
        self.updates = 0
        self.between: Callable[[], object] = lambda: None

    def update(self, *args: Any) -> Any:
        self.updates += 1
        if self.updates == 2:
            self.between()
        return super().update(*args)


@pytest.fixture
def interrupted(dynamodb_tables: Tables) -> Interrupted:
    return Interrupted(dynamodb_tables)


def test_a_connection_that_goes_while_it_is_metered_does_not_come_back(
    dynamodb_store: Store, interrupted: Interrupted, dynamodb_tables: Tables
) -> None:
    dynamodb_store.connect(ONE)
    dynamodb_store.meter("one=", NOON, FRAMES)
    interrupted.between = lambda: dynamodb_store.disconnect(ONE)
    assert interrupted.meter("one=", NOON, FRAMES) is None
    assert (interrupted.updates, dynamodb_tables["Connections"].scan()["Count"]) == (2, 0)


@pytest.mark.parametrize(
    ("status", "refusal"), [(Status.PAUSED, errors.SessionPaused), (Status.ENDED, errors.SessionEnded)]
)
def test_a_session_that_changes_while_it_is_metered_takes_no_message(
    dynamodb_store: Store, interrupted: Interrupted, status: Status, refusal: type[Exception]
) -> None:
    session = new_session(dynamodb_store)
    dynamodb_store.take_seq(session.session_id, NOON, PUBLISHES)
    interrupted.between = lambda: dynamodb_store.change_session(session.session_id, Change(status=status), write())
    with pytest.raises(refusal):
        interrupted.take_seq(session.session_id, NOON, PUBLISHES)
    assert (interrupted.updates, stored(dynamodb_store, session).seq) == (2, 2)


def test_a_session_that_fills_up_while_it_is_metered_takes_no_message(
    dynamodb_store: Store, interrupted: Interrupted
) -> None:
    session = new_session(dynamodb_store)
    dynamodb_store.take_seq(session.session_id, NOON, PUBLISHES)

    def fill() -> None:
        for _ in range(99):
            dynamodb_store.take_seq(session.session_id, NOON, PUBLISHES)

    interrupted.between = fill
    with pytest.raises(errors.RateLimited):
        interrupted.take_seq(session.session_id, NOON, PUBLISHES)
    assert stored(dynamodb_store, session).seq == 100


# --- caps


@pytest.fixture
def shake_hands(
    chalice_gateway: Gateway, jwt_tokens: Tokens, dynamodb_store: Store
) -> Callable[..., tuple[Counter[int], int]]:
    """32 handshakes at once: their statuses, and how many connections are left."""

    def shake_hands(subjects: int, **draft: Any) -> tuple[Counter[int], int]:
        alice = chalice_gateway.http(token=jwt_tokens("alice"))
        session_id = alice.post("/sessions", json=draft).json()["sessionId"]
        tokens = [jwt_tokens(f"guest-{i}") for i in range(subjects)]
        open_ones: list[WebSocket] = []

        def join(number: int) -> int:
            try:
                socket = chalice_gateway.websocket(
                    "/", params={"sessionId": session_id}, token=tokens[number % subjects]
                )
            except HandshakeRefused as refused:
                return refused.status_code
            open_ones.append(socket)
            return 101

        statuses = Counter(at_once(join, HANDSHAKES, HANDSHAKES))
        left = len(roster(dynamodb_store, session_id))
        for socket in open_ones:
            socket.close()
        return statuses, left

    return shake_hands


on_sockets = pytest.mark.chalice(targets=["sockets"])


@on_sockets
def test_a_session_is_never_too_full(shake_hands: Callable[..., tuple[Counter[int], int]]) -> None:
    statuses, left = shake_hands(HANDSHAKES, maxConnections=5)
    assert set(statuses) <= {101, 409}
    assert statuses[101] == left <= 5


@on_sockets
@pytest.mark.parametrize(("rule", "stay"), [("oldest", {0, 1}), ("newest", {1})])
def test_a_subject_is_never_in_twice(
    shake_hands: Callable[..., tuple[Counter[int], int]], rule: str, stay: set[int]
) -> None:
    """Of several that come at once, `oldest` may refuse all; the newest always stays."""
    statuses, left = shake_hands(1, duplicates=rule)
    assert set(statuses) <= {101, 409}
    assert left in stay


@pytest.mark.chalice(targets=["sockets"], env={"MAX_PER_SUBJECT": "3"})
def test_a_subject_never_has_more_connections_than_it_may(
    shake_hands: Callable[..., tuple[Counter[int], int]],
) -> None:
    statuses, left = shake_hands(2)
    assert set(statuses) <= {101, 409}
    assert 0 < left <= 2 * 3
