"""Tickets behind the gateway: issued over HTTP, used by handshakes in process and on real sockets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import logs
from pytest_sessionplugin import ConnectionClosed, Gateway, HandshakeRefused, WebSocket
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

if TYPE_CHECKING:
    from chalicelib.storage import Store
    from pytest_sessionplugin.account.clock import Clock
    from pytest_sessionplugin.aws.tables import Tables

HERE = "http://localhost:3000"
GUEST = "guest:ada"
BOTH = pytest.mark.chalice(targets=["inprocess", "sockets"])


@pytest.fixture
def bob(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    return chalice_gateway.http(token=jwt_tokens("bob"))


@pytest.fixture
def session_id(alice: HttpClient) -> str:
    return create(alice)


def create(alice: HttpClient, **fields: Any) -> str:
    session_id: str = alice.post("/sessions", json=fields).json()["sessionId"]
    return session_id


def ticket(client: HttpClient, session_id: str, origin: str | None = None, **fields: Any) -> dict[str, Any]:
    headers = {} if origin is None else {"Origin": origin}
    answer = client.post(f"/sessions/{session_id}/tickets", json=fields, headers=headers)
    assert answer.status_code == 201, answer.text
    issued: dict[str, Any] = answer.json()
    return issued


@pytest.fixture
def opens(chalice_gateway: Gateway) -> Callable[..., WebSocket]:
    """Opens a socket by a ticket, as a browser does."""

    def opened(session_id: str, issued: dict[str, Any], *, in_query: bool = False, **options: Any) -> WebSocket:
        params = {"sessionId": session_id, **options.pop("params", {})}
        if in_query:
            return chalice_gateway.websocket("/", params={**params, "ticket": issued["ticket"]}, **options)
        return chalice_gateway.websocket("/", params=params, subprotocols=issued["protocols"], **options)

    return opened


@pytest.fixture
def bans(dynamodb_store: Store) -> Callable[..., None]:
    """Keeps a subject out of a session for an hour."""

    def ban(session_id: str, subject: str) -> None:
        session = dynamodb_store.find_session(session_id)
        assert session is not None
        dynamodb_store.ban(session, subject, datetime.now(UTC) + timedelta(hours=1))

    return ban


def refused(opens: Callable[..., WebSocket], *args: Any, **options: Any) -> int:
    with pytest.raises(HandshakeRefused) as caught:
        opens(*args, **options)
    return caught.value.status_code


def welcomed(socket: WebSocket) -> dict[str, Any]:
    socket.send_json({"action": "hello"})
    welcome: dict[str, Any] = socket.expect(type="welcome")
    return welcome


@BOTH
class TestUse:
    @pytest.mark.parametrize("in_query", [False, True], ids=["subprotocol", "query"])
    def test_a_ticket_opens_one_socket_of_who_asked_for_it(
        self, bob: HttpClient, session_id: str, opens: Callable[..., WebSocket], in_query: bool
    ) -> None:
        issued = ticket(bob, session_id)
        assert issued["expiresIn"] == 60
        assert issued["url"].endswith(f"?sessionId={session_id}")
        with (
            opens(session_id, issued, in_query=in_query) as socket,
            opens(session_id, ticket(bob, session_id)) as other,
        ):
            assert socket.subprotocol == (None if in_query else "sessions.v1")
            assert welcomed(socket)["role"] == "participant"
            socket.send_json({"action": "publish", "data": "x"})
            socket.expect(type="ack", sent=1)
            assert other.expect(type="message")["from"] == "bob"
            assert refused(opens, session_id, issued, in_query=in_query) == 401
            assert refused(opens, session_id, issued, in_query=not in_query) == 401

    def test_a_guest_joins_with_the_role_and_time_that_the_owner_said(
        self, chalice_gateway: Gateway, alice: HttpClient, session_id: str, opens: Callable[..., WebSocket]
    ) -> None:
        issued = ticket(alice, session_id, subject=GUEST, role="viewer", expiresIn=60)
        with opens(session_id, issued) as ada:
            assert welcomed(ada)["role"] == "viewer"
            ada.send_json({"action": "publish", "data": "x"})
            ada.expect(type="error", code="not_allowed")
            ada.send_json({"action": "ping"})
            assert "tokenExpiresAt" in ada.expect(type="pong"), "it ends within five minutes"
        assert refused(opens, session_id, issued) == 401

    def test_a_ticket_beside_a_token_is_not_looked_at(
        self, bob: HttpClient, jwt_tokens: Tokens, session_id: str, opens: Callable[..., WebSocket]
    ) -> None:
        issued = ticket(bob, session_id)
        with opens(session_id, issued, token=jwt_tokens("carol")) as socket:
            socket.send_json({"action": "publish", "data": "x"})
            socket.expect(type="ack", sent=0)
        assert refused(opens, session_id, issued, token="no.good.token") == 401
        with opens(session_id, issued) as socket:
            welcomed(socket)

    def test_another_session_or_page_neither_uses_nor_spends_it(
        self, alice: HttpClient, bob: HttpClient, session_id: str, opens: Callable[..., WebSocket]
    ) -> None:
        issued = ticket(bob, session_id, HERE)
        assert refused(opens, create(alice), issued, headers={"Origin": HERE}) == 401
        assert refused(opens, session_id, issued) == 403
        assert refused(opens, session_id, issued, headers={"Origin": "https://evil.example"}) == 403
        with opens(session_id, issued, headers={"Origin": HERE}) as socket:
            assert welcomed(socket)["connectionId"] == socket.connection_id

    def test_a_ban_or_an_end_after_the_issue_refuses_the_handshake(
        self,
        alice: HttpClient,
        bob: HttpClient,
        session_id: str,
        opens: Callable[..., WebSocket],
        bans: Callable[..., None],
        dynamodb_tables: Tables,
    ) -> None:
        issued, late, guests = (
            ticket(bob, session_id),
            ticket(bob, session_id),
            ticket(alice, session_id, subject=GUEST),
        )
        bans(session_id, GUEST)
        assert refused(opens, session_id, guests) == 403
        assert alice.delete(f"/sessions/{session_id}").status_code == 204
        assert refused(opens, session_id, issued) == 410
        bans(session_id, "bob")
        assert refused(opens, session_id, late) == 403
        for one in (issued, late, guests):
            assert refused(opens, session_id, one) == 401, "it is spent"
        rows = [str(row["place"]).partition("#")[0] for row in dynamodb_tables["Connections"].scan()["Items"]]
        assert "connection" not in rows, "no row of a connection stays"


def test_a_handshake_by_a_ticket_is_logged_as_the_tickets_subject(
    alice: HttpClient,
    session_id: str,
    opens: Callable[..., WebSocket],
    bans: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    issued = ticket(alice, session_id, subject=GUEST)
    bans(session_id, GUEST)
    assert refused(opens, session_id, issued) == 403
    [record] = [record for record in caplog.records if record.getMessage() == "connect refused as banned"]
    assert vars(record)["subject"] == logs.subject_hash(GUEST)


@pytest.mark.chalice(targets=["sockets"])
def test_of_32_handshakes_at_once_with_one_ticket_one_gets_in(
    bob: HttpClient, session_id: str, opens: Callable[..., WebSocket]
) -> None:
    issued = ticket(bob, session_id)

    def attempt(number: int) -> WebSocket | int:
        try:
            return opens(session_id, issued, in_query=bool(number % 2))
        except HandshakeRefused as exc:
            return exc.status_code

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(attempt, range(32)))
    assert Counter(one for one in found if isinstance(one, int)) == {401: 31}
    [socket] = [one for one in found if not isinstance(one, int)]
    with socket:
        assert welcomed(socket)["connectionId"] == socket.connection_id


class TestLostAnswers:
    def test_a_use_whose_answer_was_lost_is_repeated_and_gets_in(
        self, bob: HttpClient, session_id: str, opens: Callable[..., WebSocket], aws_faults: Faults
    ) -> None:
        issued = ticket(bob, session_id)
        with aws_faults.answer_lost("dynamodb:UpdateItem", times=1) as lost:
            socket = opens(session_id, issued)
        assert lost.fired == 1
        with socket:
            welcomed(socket)
        assert refused(opens, session_id, issued) == 401

    def test_a_use_that_was_never_answered_has_spent_the_ticket(
        self, bob: HttpClient, session_id: str, opens: Callable[..., WebSocket], aws_faults: Faults
    ) -> None:
        issued = ticket(bob, session_id)
        with aws_faults.answer_lost("dynamodb:UpdateItem"):
            assert refused(opens, session_id, issued) == 503
        assert refused(opens, session_id, issued) == 401

    def test_an_issue_whose_answer_was_lost_is_repeated(
        self, bob: HttpClient, session_id: str, opens: Callable[..., WebSocket], aws_faults: Faults
    ) -> None:
        with aws_faults.answer_lost("dynamodb:PutItem", times=1):
            issued = ticket(bob, session_id)
        with opens(session_id, issued) as socket:
            welcomed(socket)


class TestTime:
    def test_a_ticket_is_worthless_after_a_minute(
        self, bob: HttpClient, session_id: str, opens: Callable[..., WebSocket], chalice_clock: Clock
    ) -> None:
        issued, late = ticket(bob, session_id), ticket(bob, session_id)
        chalice_clock.advance(seconds=59)
        with opens(session_id, issued) as socket:
            welcomed(socket)
        chalice_clock.advance(seconds=1)
        assert refused(opens, session_id, late) == 401

    def test_a_guests_time_counts_from_the_use(
        self, alice: HttpClient, session_id: str, opens: Callable[..., WebSocket], chalice_clock: Clock
    ) -> None:
        issued = ticket(alice, session_id, subject=GUEST, expiresIn=60)
        chalice_clock.advance(seconds=50)
        with opens(session_id, issued) as ada:
            chalice_clock.advance(seconds=69)
            ada.send_json({"action": "ping"})
            ada.expect(type="pong")
            chalice_clock.advance(seconds=1)
            ada.send_json({"action": "ping"})
            ada.expect(type="closing", code="token_expired", reconnect="now")
            with pytest.raises(ConnectionClosed):
                ada.receive_json()

    def test_a_connection_by_a_ticket_of_ones_own_ends_with_the_token(
        self,
        chalice_gateway: Gateway,
        jwt_tokens: Tokens,
        session_id: str,
        opens: Callable[..., WebSocket],
        chalice_clock: Clock,
    ) -> None:
        bob = chalice_gateway.http(token=jwt_tokens("bob", expires_in=120))
        with opens(session_id, ticket(bob, session_id)) as socket:
            chalice_clock.advance(seconds=131)
            socket.send_json({"action": "ping"})
            socket.expect(type="closing", code="token_expired", reconnect="now")


@BOTH
class TestReplaces:
    @pytest.mark.parametrize("fields", [{"duplicates": "oldest"}, {"maxConnections": 1}], ids=["duplicate", "full"])
    @pytest.mark.parametrize("bound", [True, False], ids=["in the ticket", "in the query"])
    def test_a_ghost_of_ones_own_gives_its_seat_at_once(
        self,
        alice: HttpClient,
        bob: HttpClient,
        opens: Callable[..., WebSocket],
        aws_faults: Faults,
        chalice_gateway: Gateway,
        fields: dict[str, Any],
        bound: bool,
    ) -> None:
        session_id = create(alice, **fields)
        ghost = opens(session_id, ticket(bob, session_id))
        old = welcomed(ghost)["connectionId"]
        first, second = ticket(bob, session_id, replaces=old), ticket(bob, session_id, replaces=old)
        with aws_faults.disconnect_lost(old):
            ghost.drop()
            chalice_gateway.settle()
        answer = bob.post(f"/sessions/{session_id}/tickets", json={})
        assert (answer.status_code, answer.json()["code"]) == (
            409,
            "duplicate" if "duplicates" in fields else "session_full",
        )
        params = {} if bound else {"params": {"replaces": old}}
        with opens(session_id, first if bound else second, **params) as socket:
            assert welcomed(socket)["role"] == "participant"
            welcomed(socket)

    def test_the_close_of_the_old_one_leaves_the_new_one(
        self, bob: HttpClient, session_id: str, opens: Callable[..., WebSocket], chalice_gateway: Gateway
    ) -> None:
        with opens(session_id, ticket(bob, session_id)) as old:
            issued = ticket(bob, session_id, replaces=welcomed(old)["connectionId"])
            with opens(session_id, issued) as new:
                welcomed(new)
                old.expect(type="closing", code="replaced", reconnect="never")
                with pytest.raises(ConnectionClosed):
                    old.receive_json()
                chalice_gateway.settle()
                new.send_json({"action": "ping"})
                new.expect(type="pong")


class TestIssue:
    def test_who_would_be_refused_is_told_why(
        self,
        chalice_gateway: Gateway,
        alice: HttpClient,
        bob: HttpClient,
        aws_faults: Faults,
        bans: Callable[..., None],
    ) -> None:
        well, ended, banned = (create(alice) for _ in range(3))
        alice.delete(f"/sessions/{ended}")
        bans(banned, "bob")
        evil = {"Origin": "https://evil.example"}
        for client, session_id, body, headers, refusal in (
            (bob, well, b"[]", {}, (400, "invalid_request")),
            (chalice_gateway.http(), well, b"", {}, (401, "unauthenticated")),
            (bob, well, b'{"subject":"guest:ada"}', {}, (403, "not_owner")),
            (bob, well, b"", evil, (403, "origin_refused")),
            (bob, banned, b"", {}, (403, "banned")),
            (bob, "a" * 26, b"", {}, (404, "session_not_found")),
            (bob, "nonsense", b"", {}, (404, "session_not_found")),
            (bob, ended, b"", {}, (410, "session_ended")),
            (bob, well, b"{" + b" " * 65_536 + b"}", {}, (413, "too_large")),
            (bob, well, b"{}", {"Content-Type": "text/plain"}, (415, "unsupported_media_type")),
        ):
            answer = client.post(f"/sessions/{session_id}/tickets", content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == refusal
        with aws_faults.failing("dynamodb:PutItem"):
            answer = bob.post(f"/sessions/{well}/tickets")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")

    def test_the_ticket_is_not_in_the_table(self, bob: HttpClient, session_id: str, dynamodb_tables: Tables) -> None:
        issued = ticket(bob, session_id, HERE, replaces="x=")
        [item] = dynamodb_tables["Connections"].scan()["Items"]
        assert issued["ticket"] not in str(item)
        assert len(issued["ticket"]) == 26

    def test_a_guest_has_no_http(self, chalice_gateway: Gateway, jwt_tokens: Tokens, session_id: str) -> None:
        guest = chalice_gateway.http(token=jwt_tokens("guest:ada"))
        for answer in (guest.get(f"/sessions/{session_id}"), guest.post(f"/sessions/{session_id}/tickets", json={})):
            assert answer.status_code == 401

    def test_a_ticket_is_no_token(self, chalice_gateway: Gateway, bob: HttpClient, session_id: str) -> None:
        text = ticket(bob, session_id)["ticket"]
        assert chalice_gateway.http(token=text).get(f"/sessions/{session_id}").status_code == 401
        with pytest.raises(HandshakeRefused, match="401"):
            chalice_gateway.websocket("/", params={"sessionId": session_id, "ticket": text}, token=text)

    @pytest.mark.chalice(env={"WEBSOCKET_URL": "wss://abc.example/api"})
    def test_the_answer_says_where_to_open_the_socket(self, bob: HttpClient, session_id: str) -> None:
        assert ticket(bob, session_id)["url"] == f"wss://abc.example/api?sessionId={session_id}"

    def test_issue_and_handshake_ask_as_little_as_they_can(
        self, alice: HttpClient, bob: HttpClient, session_id: str, opens: Callable[..., WebSocket], aws_calls: Calls
    ) -> None:
        with aws_calls.exactly(dynamodb=2, write_units=1, read_units=2):
            issued = ticket(bob, session_id)
        with aws_calls.exactly(dynamodb=2, write_units=1, read_units=2):
            guests = ticket(alice, session_id, subject=GUEST, role="participant")
        for seats, requests in (
            ({"duplicates": "newest"}, 2),
            ({"duplicates": "oldest"}, 3),
            ({"maxConnections": 9}, 4),
        ):
            few = create(alice, **seats)
            with aws_calls.exactly(dynamodb=requests, write_units=1):
                ticket(bob, few)
        for one in (issued, guests):
            with aws_calls.exactly(dynamodb=5, write_units=3):
                socket = opens(session_id, one)
            socket.close()
        with aws_calls.exactly(dynamodb=1, write_units=1):
            assert refused(opens, session_id, issued) == 401
        with aws_calls.exactly(dynamodb=0):
            assert refused(opens, session_id, {"protocols": ["sessions.v1", "ticket.nonsense"]}) == 401
