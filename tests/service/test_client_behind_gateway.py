"""The reference client on the service behind the gateway: each rule of a client meets the service's half."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from pytest_sessionplugin import Clock, Gateway
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.service.client import Client
from tests.service.client_values import Answered, Heard, Over, State
from tests.service.driven import Driven
from tests.service.fuzz import EXAMPLES

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.faults import Faults

Join = Callable[[str, str], Driven]
DAY = 86_400  # seconds
DROPS = EXAMPLES // 5  # 40, and a thousand with `make fuzz`


@pytest.fixture
def alice(chalice_gateway: Gateway, jwt_tokens: Tokens, chalice_clock: Clock) -> HttpClient:
    return chalice_gateway.http(token=jwt_tokens("alice", expires_in=DAY))


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens, chalice_clock: Clock) -> Iterator[Join]:
    with ExitStack() as stack:

        def join(session_id: str, subject: str) -> Driven:
            driven = Driven(
                chalice_gateway,
                session_id,
                lambda: jwt_tokens(subject, expires_in=3600),
                lambda: chalice_clock.now,
                Client(lambda: 0.5),
            )
            stack.callback(driven.close)
            driven.settle()
            return driven

        yield join


def create(alice: HttpClient, **fields: object) -> str:
    return str(alice.post("/sessions", json=fields).json()["sessionId"])


def passes(clock: Clock, seconds: float, *clients: Driven) -> None:
    """Time, each client at what is due."""
    end = clock.now + timedelta(seconds=seconds)
    for _ in range(100_000):
        for one in clients:
            one.settle()
        if clock.now >= end:
            return
        due = min((one.client.due for one in clients if one.client.due is not None), default=end)
        clock.move_to(max(min(due, end), clock.now))
    raise AssertionError("The clients never come to rest.")


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_who_loses_its_line_hears_each_event_of_a_durable_session_once_and_in_order(
    alice: HttpClient, join: Join, chalice_clock: Clock
) -> None:
    session_id = create(alice, durable=True)
    bob, carol = join(session_id, "bob"), join(session_id, "carol")
    carol.asks(action="publish", data=1)
    carol.settle()
    bob.settle()
    bob.drop()
    for data in (2, 3):
        carol.asks(action="publish", data=data)
        carol.settle()
    alice.patch(f"/sessions/{session_id}", json={"title": "News"})
    passes(chalice_clock, 2, bob, carol)
    carol.asks(action="publish", data=5)
    passes(chalice_clock, 1, bob, carol)
    assert bob.numbers == [1, 2, 3, 4, 5]
    assert bob.client.session["title"] == "News"
    assert carol.numbers == [4]
    assert [one.answer["seq"] for one in carol.news if isinstance(one, Answered) and one.answer] == [1, 2, 3, 5]


def test_who_loses_its_line_is_told_what_no_session_keeps(alice: HttpClient, join: Join, chalice_clock: Clock) -> None:
    session_id = create(alice)
    bob, carol = join(session_id, "bob"), join(session_id, "carol")
    bob.drop()
    carol.asks(action="publish", data=1)
    passes(chalice_clock, 2, bob, carol)
    carol.asks(action="publish", data=2)
    passes(chalice_clock, 1, bob, carol)
    assert bob.numbers == [(1, 1), 2]


def test_what_is_too_much_for_a_welcome_is_told_and_paged(alice: HttpClient, join: Join, chalice_clock: Clock) -> None:
    session_id = create(alice, durable=True)
    bob = join(session_id, "bob")
    bob.drop()
    for data in range(4):
        alice.post(f"/sessions/{session_id}/messages", json={"data": str(data) * 30_000})
    passes(chalice_clock, 2, bob)
    alice.post(f"/sessions/{session_id}/messages", json={"data": "last"})
    passes(chalice_clock, 1, bob)
    assert bob.numbers == [(1, 4), 5]
    page = alice.get(f"/sessions/{session_id}/events", params={"after": "0", "limit": "4"}).json()
    assert [event["seq"] for event in page["events"]] == [1, 2, 3, 4]


def test_a_picture_of_who_is_there_follows_joins_drops_and_hand_overs(
    alice: HttpClient, join: Join, chalice_clock: Clock
) -> None:
    session_id = create(alice, presence=True)
    bob, carol = join(session_id, "bob"), join(session_id, "carol")
    bob.settle()
    assert set(bob.client.people.there) == set(carol.client.people.there) == {"bob", "carol"}
    carol.asks(action="state", data={"hand": True})
    passes(chalice_clock, 2 * 3600, bob, carol)
    assert bob.client.people.there["carol"]["state"] == {"hand": True}
    carol.close()
    bob.settle()
    assert set(bob.client.people.there) == {"bob"}


def test_a_client_stays_for_five_hours_and_misses_nothing(alice: HttpClient, join: Join, chalice_clock: Clock) -> None:
    session_id = create(alice, duplicates="newest")
    bob, carol = join(session_id, "bob"), join(session_id, "carol")
    for half_hour in range(10):
        carol.asks(action="publish", data=half_hour)
        passes(chalice_clock, 1800, bob, carol)
    assert bob.numbers == list(range(1, 11))
    assert [one.client.state for one in (bob, carol)] == [State.LIVE, State.LIVE]
    assert max(bob.sockets) == 3, "it moved twice, and never came back"
    assert max(carol.sockets) == 3


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_the_end_and_a_kick_are_final(alice: HttpClient, join: Join, chalice_clock: Clock) -> None:
    session_id = create(alice)
    bob, carol = join(session_id, "bob"), join(session_id, "carol")
    alice.delete(f"/sessions/{session_id}/participants", params={"subject": "bob", "ban": "0"})
    alice.delete(f"/sessions/{session_id}")
    passes(chalice_clock, 60, bob, carol)
    assert bob.news[-1] == Over("kicked")
    assert carol.news[-1] == Over("session_ended")
    assert isinstance(carol.news[-2], Heard)
    assert carol.news[-2].frame["type"] == "session.ended"


def test_whatever_drops_and_dies_each_client_hears_each_event_once_and_in_order(
    alice: HttpClient, join: Join, chalice_clock: Clock, aws_faults: Faults
) -> None:
    session_id = create(alice, durable=True)
    clients = [join(session_id, subject) for subject in ("bob", "carol", "dan")]
    random = Random(18)  # noqa: S311  the same each time
    drops = crashes = 0
    while drops < DROPS:
        one = random.choice(clients)
        what = random.choice(["drop", "publish", "die before it is kept", "die before it is heard"])
        keyed = random.random() < 0.5
        publish = {"action": "publish", "data": drops, **({"key": f"{random.random()}"} if keyed else {})}
        if what == "drop":
            one.drop()
            drops += 1
        elif one.client.state is State.LIVE and what == "publish":
            one.asks(**publish)
        elif one.client.state is State.LIVE:  # its number is taken
            keep = "TransactWriteItems" if keyed else "PutItem"
            call = keep if what == "die before it is kept" else "Query"
            with aws_faults.timed_out("websocket_message", at=f"dynamodb:{call}", times=1):
                one.asks(**publish)
            crashes += 1
        passes(chalice_clock, 2 * random.random(), *clients)
    passes(chalice_clock, 120, *clients)
    history: list[int] = []
    while page := alice.get(f"/sessions/{session_id}/events", params={"after": str(max(history, default=0))}).json():
        history += [event["seq"] for event in page["events"]]
        if "next" not in page:
            break
    assert crashes > 0
    assert len(history) > DROPS / 3
    for one in clients:
        heard = one.numbers
        own = {news.answer["seq"] for news in one.news if isinstance(news, Answered) and news.answer}
        assert heard == sorted(set(heard)), "once, in order, and nothing missed"
        assert {*heard, *own} == set(history)
