"""Kept events as clients meet them behind the gateway: pages over HTTP, and what `welcome` brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib import events
from chalicelib.events import Event
from chalicelib.storage import Store
from pytest_sessionplugin import Clock, Gateway, WebSocket
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

DAY = 86_400  # seconds
Join = Callable[..., WebSocket]
Http = Callable[[str], HttpClient]
Writes = Callable[..., Event]


@pytest.fixture
def http(chalice_gateway: Gateway, jwt_tokens: Tokens) -> Http:
    return lambda subject: chalice_gateway.http(token=jwt_tokens(subject, expires_in=DAY))


@pytest.fixture
def alice(http: Http) -> HttpClient:
    """HTTP as the owner."""
    return http("alice")


@pytest.fixture
def path(alice: HttpClient) -> str:
    """A durable session."""
    return f"/sessions/{alice.post('/sessions', json={'durable': True}).json()['sessionId']}"


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens, path: str) -> Iterator[Join]:
    """Opens a socket in the session until the test is over."""
    with ExitStack() as opened:

        def connect(subject: str = "bob") -> WebSocket:
            params, token = {"sessionId": path.split("/")[2]}, jwt_tokens(subject, expires_in=DAY)
            return opened.enter_context(chalice_gateway.websocket("/", params=params, token=token))

        yield connect


@pytest.fixture
def take(dynamodb_store: Store, path: str) -> Writes:
    """Takes a number some seconds ago, for a message that its writer has not stored."""

    def take(ago: float = 60, data: object = "late") -> Event:
        at = datetime.now(UTC) - timedelta(seconds=ago)
        session = dynamodb_store.take_seq(path.split("/")[2], at)
        return events.message(session, "carol", data, at, "correlation-1")

    return take


@pytest.fixture
def keep(dynamodb_store: Store, take: Writes) -> Writes:
    """Keeps a message, as old as that."""
    return lambda ago=60, data="x": dynamodb_store.put_event(take(ago, data))


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["seq"] for frame in frames]


def hello(socket: WebSocket, seq: int) -> dict[str, Any]:
    socket.send_json({"action": "hello", "resume": {"seq": seq}})
    return dict(socket.expect(type="welcome"))


class TestPages:
    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_pages_lead_to_the_head(self, http: Http, path: str, keep: Writes) -> None:
        kept = [keep(data={"n": n}) for n in range(5)]
        bob = http("bob")
        whole = bob.get(f"{path}/events")
        assert (whole.status_code, list(whole.json())) == (200, ["events"])
        assert numbers(whole.json()["events"]) == [1, 2, 3, 4, 5]
        first = whole.json()["events"][0]
        assert {name: first[name] for name in ("type", "from", "data")} == {
            "type": "message",
            "from": "carol",
            "data": {"n": 0},
        }
        page = bob.get(f"{path}/events", params={"limit": "2"}).json()
        assert (numbers(page["events"]), page["next"]) == ([1, 2], 2)
        page = bob.get(f"{path}/events", params={"after": "2", "limit": "3"}).json()
        assert (numbers(page["events"]), "next" in page) == ([3, 4, 5], False)
        assert bob.get(f"{path}/events", params={"after": str(kept[-1].seq)}).json() == {"events": []}

    def test_a_page_leaves_voids_out_and_ends_before_a_young_number(
        self,
        alice: HttpClient,
        path: str,
        take: Writes,
        keep: Writes,
        dynamodb_store: Store,
    ) -> None:
        dead = take()
        keep()
        under_way = take(ago=0)
        page = alice.get(f"{path}/events").json()
        assert (numbers(page["events"]), page["next"]) == ([2], 2)
        assert alice.get(f"{path}/events", params={"after": "2"}).json() == {"events": [], "next": 2}
        assert dynamodb_store.put_event(dead).kind is events.Kind.VOID
        assert dynamodb_store.put_event(under_way) == under_way
        page = alice.get(f"{path}/events", params={"after": "2"}).json()
        assert (numbers(page["events"]), "next" in page) == ([3], False)

    def test_a_page_ends_at_one_megabyte(self, alice: HttpClient, path: str, keep: Writes) -> None:
        """Of text that is longer as JSON in Lambda's answer, which may have six."""
        for _ in range(9):
            keep(data='\U0001f600"\\' * 20_000)
        page = alice.get(f"{path}/events", params={"limit": "1000"}).json()
        assert 0 < page["next"] < 9
        rest = alice.get(f"{path}/events", params={"after": str(page["next"]), "limit": "1000"}).json()
        assert numbers([*page["events"], *rest["events"]]) == list(range(1, 10))
        assert "next" not in rest

    def test_events_are_read_after_the_end_as_long_as_the_session_is(
        self, chalice_clock: Clock, http: Http, alice: HttpClient, path: str, keep: Writes
    ) -> None:
        keep()
        alice.delete(path)
        assert numbers(http("bob").get(f"{path}/events").json()["events"])[0] == 1
        chalice_clock.ttl_lag = timedelta(days=2)
        chalice_clock.advance(days=8)
        assert error(http("bob").get(f"{path}/events")) == (404, "session_not_found")

    def test_refusals(self, chalice_gateway: Gateway, http: Http, alice: HttpClient, path: str) -> None:
        passing = f"/sessions/{alice.post('/sessions', json={}).json()['sessionId']}"
        assert error(alice.get(f"{passing}/events")) == (409, "not_durable")
        assert error(alice.get(f"/sessions/{'a' * 26}/events")) == (404, "session_not_found")
        assert error(alice.get("/sessions/nonsense/events")) == (404, "session_not_found")
        assert error(chalice_gateway.http().get(f"{path}/events")) == (401, "unauthenticated")
        for there in (path, passing):
            alice.delete(f"{there}/participants", params={"subject": "bob"})
            assert error(http("bob").get(f"{there}/events")) == (403, "banned")

    @pytest.mark.parametrize(
        "params",
        [
            *({"limit": limit} for limit in ("0", "-1", "x", "1001", "", "1.5", "01", "\u0661", "+1")),
            *({"after": after} for after in ("-1", "x", "", "1.0", "00", "1" + "0" * 14 + "1", "9" * 5000)),
            {"after": ["1", "2"]},
            {"cursor": "x"},
            {"next": "1"},
        ],
        ids=lambda params: str(params)[:40],
    )
    def test_what_a_page_cannot_mean_is_refused(self, alice: HttpClient, path: str, params: dict[str, Any]) -> None:
        assert error(alice.get(f"{path}/events", params=params)) == (400, "invalid_request")

    def test_the_largest_numbers_are_taken(self, alice: HttpClient, path: str) -> None:
        answer = alice.get(f"{path}/events", params={"after": str(10**15), "limit": "1000"})
        assert (answer.status_code, answer.json()) == (200, {"events": []})


class TestResume:
    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_who_comes_back_hears_what_it_missed(self, join: Join, keep: Writes) -> None:
        bob = join()
        assert hello(bob, 0)["recovered"]
        kept = [keep(data={"é": n}) for n in range(3)]
        bob.close()
        welcome = hello(join(), 1)
        assert (welcome["seq"], welcome["recovered"]) == (3, True)
        assert [(one["type"], one["seq"], one["data"]) for one in welcome["events"]] == [
            ("message", one.seq, {"é": n}) for n, one in enumerate(kept) if n > 0
        ]

    def test_nothing_is_brought_in_parts(self, join: Join, keep: Writes) -> None:
        """The client pages them."""
        for _ in range(4):
            keep(data="x" * 30_000)
        bob = join()
        welcome = hello(bob, 0)
        assert (welcome["seq"], welcome["events"], welcome["recovered"]) == (4, [], False)
        assert numbers(hello(bob, 1)["events"]) == [2, 3, 4]

    def test_a_client_that_is_ahead_has_seen_another_history(self, join: Join, keep: Writes) -> None:
        keep()
        welcome = hello(join(), 7)
        assert (welcome["seq"], welcome["events"], welcome["recovered"]) == (1, [], False)

    def test_an_answer_ends_before_a_young_number_and_goes_on_after_it(
        self, join: Join, take: Writes, keep: Writes, dynamodb_store: Store
    ) -> None:
        keep()
        under_way = take(ago=0)
        keep(ago=0)
        bob = join()
        welcome = hello(bob, 0)
        assert (welcome["seq"], numbers(welcome["events"]), welcome["recovered"]) == (1, [1], True)
        dynamodb_store.put_event(under_way)
        welcome = hello(bob, 1)
        assert (welcome["seq"], numbers(welcome["events"]), welcome["recovered"]) == (3, [2, 3], True)

    def test_a_ban_keeps_what_was_missed_from_its_subject(
        self, alice: HttpClient, path: str, join: Join, keep: Writes, dynamodb_store: Store
    ) -> None:
        bob = join()
        keep()
        session = dynamodb_store.find_session(path.split("/")[2])
        assert session is not None
        dynamodb_store.ban(session, "bob", datetime.now(UTC) + timedelta(hours=1))  # rows are left
        bob.send_json({"action": "hello", "resume": {"seq": 0}})
        bob.expect(type="closing", code="kicked", reconnect="never")
