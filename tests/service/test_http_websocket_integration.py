"""The service as its users meet it: HTTP, WebSocket, JWT and DynamoDB together, behind the gateway.

The HTTP half runs in process; each scenario of the WebSocket half runs in process and on real sockets, from one body.
With the URLs of a deployed stage as the target, the tests that need nothing but a client run there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin import BadToken, ConnectionClosed, Gateway, HandshakeRefused, WebSocket
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.lambdas.schedules import scheduled_event
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.service.bad_tokens import BAD_TOKENS

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

Join = Callable[..., WebSocket]


@pytest.fixture
def mallory(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    """HTTP as somebody else."""
    return chalice_gateway.http(token=jwt_tokens("mallory"))


@pytest.fixture
def stored(dynamodb_tables: Tables) -> Callable[[str], Any]:
    """The item of a session in the table."""
    return lambda session_id: dynamodb_tables["Sessions"].get_item(Key={"sessionId": session_id}).get("Item")


@pytest.fixture
def rows(dynamodb_tables: Tables) -> Callable[[], list[str]]:
    """The places of all connections in the table."""
    return lambda: sorted(str(row["place"]) for row in dynamodb_tables["Connections"].scan()["Items"])


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens) -> Join:
    """Opens a socket in a session."""

    def connect(session: dict[str, Any], subject: str = "bob", **options: Any) -> WebSocket:
        params = {"sessionId": session["sessionId"]}
        return chalice_gateway.websocket("/", params=params, **{"token": jwt_tokens(subject), **options})

    return connect


@pytest.fixture
def session(alice: HttpClient) -> dict[str, Any]:
    created: dict[str, Any] = alice.post("/sessions", json={"title": "Standup", "metadata": {"room": 7}}).json()
    return created


class TestHTTPSessionLifecycle:
    def test_create_and_retrieve_session(
        self, alice: HttpClient, mallory: HttpClient, stored: Callable[[str], Any]
    ) -> None:
        body = {"title": "Standup", "metadata": {"room": 7}, "expiresIn": 600}
        created = alice.post("/sessions", json=body)
        assert created.status_code == 201
        session = created.json()
        assert created.headers["Location"] == f"/api/sessions/{session['sessionId']}"
        assert created.headers["ETag"] == '"1"'
        assert (session["ownerId"], session["status"], session["version"]) == ("alice", "active", 1)

        item = stored(session["sessionId"])
        for name in ("ownerId", "status", "title", "version", "createdAt", "expiresAt"):
            assert item[name] == session[name], name
        assert (item["metadata"], item["seq"]) == ('{"room":7}', 0)

        found = alice.get(f"/sessions/{session['sessionId']}")
        assert (found.status_code, found.json(), found.headers["ETag"]) == (200, session, '"1"')
        assert alice.get(created.headers["Location"]).json() == session
        assert mallory.get(f"/sessions/{session['sessionId']}").json() == session, "its id is the invitation"

    def test_get_nonexistent_session_returns_404(self, alice: HttpClient, dynamodb_tables: Tables) -> None:
        answer = alice.get("/sessions/" + "a" * 26)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "session_not_found"
        assert dynamodb_tables["Sessions"].scan()["Count"] == 0

    def test_delete_session_marks_as_ended(
        self, alice: HttpClient, session: dict[str, Any], stored: Callable[[str], Any]
    ) -> None:
        path = f"/sessions/{session['sessionId']}"
        ended = alice.delete(path)
        assert (ended.status_code, ended.text) == (204, "")
        item = stored(session["sessionId"])
        assert (item["status"], item["version"], item["seq"]) == ("ended", 2, 1)
        assert item["endedAt"] == item["updatedAt"]

        found = alice.get(path).json()
        assert (found["status"], found["endedAt"]) == ("ended", item["endedAt"])
        assert alice.delete(path).status_code == 204, "a repeat is the same"
        assert stored(session["sessionId"]) == item, "and writes nothing"
        refused = alice.patch(path, json={"title": "Too late"})
        assert (refused.status_code, refused.json()["code"]) == (409, "session_ended")

    def test_update_session_status(
        self, alice: HttpClient, session: dict[str, Any], stored: Callable[[str], Any]
    ) -> None:
        path = f"/sessions/{session['sessionId']}"
        for version, status in enumerate(("paused", "active", "ended"), start=2):
            answer = alice.patch(path, json={"status": status})
            assert (answer.status_code, answer.json()["status"]) == (200, status)
            assert answer.headers["ETag"] == f'"{version}"'
            item = stored(session["sessionId"])
            assert (item["status"], item["version"], item["seq"]) == (status, version, version - 1)
        assert (item["title"], item["metadata"]) == ("Standup", '{"room":7}'), "the rest is as it was"


class TestJWTAuthentication:
    def test_request_without_token_fails(self, chalice_gateway: Gateway, dynamodb_tables: Tables) -> None:
        nobody = chalice_gateway.http()
        for answer in (
            nobody.post("/sessions", json={}),
            nobody.get("/sessions"),
            nobody.get("/sessions/" + "a" * 26),
            nobody.patch("/sessions/" + "a" * 26, json={}),
            nobody.delete("/sessions/" + "a" * 26),
        ):
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert answer.headers["x-amzn-Remapped-WWW-Authenticate"] == "Bearer"
        assert dynamodb_tables["Sessions"].scan()["Count"] == 0

    def test_request_with_valid_token_succeeds(
        self, chalice_gateway: Gateway, jwt_tokens: Tokens, stored: Callable[[str], Any]
    ) -> None:
        created = chalice_gateway.http(token=jwt_tokens("carol")).post("/sessions", json={"title": "Mine"})
        assert (created.status_code, created.json()["ownerId"]) == (201, "carol")
        assert stored(created.json()["sessionId"])["ownerId"] == "carol"

    def test_update_with_wrong_user_returns_403(
        self, mallory: HttpClient, session: dict[str, Any], stored: Callable[[str], Any]
    ) -> None:
        before = stored(session["sessionId"])
        for patch in ({"status": "paused"}, {"title": "Mine"}, {"metadata": {"room": 8}}, {"status": "active"}, {}):
            answer = mallory.patch(f"/sessions/{session['sessionId']}", json=patch)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_owner"), patch
        assert stored(session["sessionId"]) == before

    def test_delete_with_wrong_user_returns_403(
        self, mallory: HttpClient, session: dict[str, Any], stored: Callable[[str], Any]
    ) -> None:
        before = stored(session["sessionId"])
        answer = mallory.delete(f"/sessions/{session['sessionId']}")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_owner")
        assert stored(session["sessionId"]) == before

    def test_request_with_a_bad_token_fails(
        self, chalice_gateway: Gateway, bad_jwt: BadToken, dynamodb_tables: Tables
    ) -> None:
        self.refused(chalice_gateway, bad_jwt, dynamodb_tables)

    @pytest.mark.parametrize("name", BAD_TOKENS)
    def test_request_with_a_token_that_this_service_refuses_fails(
        self, chalice_gateway: Gateway, jwt_tokens: Tokens, dynamodb_tables: Tables, name: str
    ) -> None:
        self.refused(chalice_gateway, BAD_TOKENS[name](jwt_tokens), dynamodb_tables)

    def refused(self, chalice_gateway: Gateway, token: str, dynamodb_tables: Tables) -> None:
        answer = chalice_gateway.http(token=token).post("/sessions", json={})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert token not in answer.text
        assert dynamodb_tables["Sessions"].scan()["Count"] == 0


@pytest.mark.chalice(targets=["inprocess", "sockets", "deployed"])
class TestWebSocketConnection:
    def test_a_session_is_created_over_http_and_joined_over_websocket(
        self, session: dict[str, Any], join: Join, rows: Callable[[], list[str]]
    ) -> None:
        with join(session, "alice") as owner, join(session, "bob") as guest:
            owner.send_json({"action": "hello", "id": 1})
            welcome = owner.expect(type="welcome", role="owner", replyTo=1, seq=0)
            assert welcome["session"] == session
            guest.send_json({"action": "hello"})
            guest.expect(type="welcome", role="participant")
            assert len(rows()) == 4
            assert rows()[2:] == [f"session#{session['sessionId']}"] * 2

    def test_what_one_publishes_everyone_else_hears(self, session: dict[str, Any], join: Join) -> None:
        with join(session, "alice") as alice, join(session, "bob") as bob, join(session, "carol") as carol:
            for seq, data in enumerate(({"text": "héllo"}, ["a", 1, None], "plain"), start=1):
                bob.send_json({"action": "publish", "id": f"p{seq}", "data": data})
                bob.expect(type="ack", seq=seq, replyTo=f"p{seq}")
                for other in (alice, carol):
                    heard = other.expect(type="message", seq=seq, data=data)
                    assert heard["from"] == "bob"
            for socket in (alice, bob, carol):
                socket.receive_nothing()

    def test_a_closed_socket_leaves_no_row(
        self, chalice_gateway: Gateway, session: dict[str, Any], join: Join, rows: Callable[[], list[str]]
    ) -> None:
        with join(session) as bob:
            bob.close(1000, "bye")
        chalice_gateway.settle()
        assert rows() == []

    def test_a_dropped_line_leaves_no_row_either(
        self, chalice_gateway: Gateway, session: dict[str, Any], join: Join, rows: Callable[[], list[str]]
    ) -> None:
        with join(session) as bob:
            bob.drop()
        chalice_gateway.settle()
        assert rows() == []

    def test_a_session_that_does_not_exist_is_not_joined(
        self, session: dict[str, Any], join: Join, rows: Callable[[], list[str]]
    ) -> None:
        for session_id in ("a" * 26, "nonsense", "a/b#c d", "é" * 26, "a" * 2000):
            with pytest.raises(HandshakeRefused) as refused:
                join({"sessionId": session_id})
            assert refused.value.status_code == 404, session_id
        assert rows() == []

    def test_an_ended_session_is_not_joined(
        self, alice: HttpClient, session: dict[str, Any], join: Join, rows: Callable[[], list[str]]
    ) -> None:
        alice.delete(f"/sessions/{session['sessionId']}")
        with pytest.raises(HandshakeRefused) as refused:
            join(session)
        assert refused.value.status_code == 410
        assert rows() == []

    def test_an_expired_session_is_not_joined(
        self, session: dict[str, Any], join: Join, rows: Callable[[], list[str]], expire: Callable[[str], None]
    ) -> None:
        expire(session["sessionId"])
        with pytest.raises(HandshakeRefused) as refused:
            join(session)
        assert refused.value.status_code == 410
        assert rows() == []

    def test_a_paused_session_is_joined_and_nothing_is_published_in_it(
        self, alice: HttpClient, session: dict[str, Any], join: Join
    ) -> None:
        alice.patch(f"/sessions/{session['sessionId']}", json={"status": "paused"})
        with join(session) as bob, join(session, "carol") as carol:
            bob.send_json({"action": "publish", "id": 1, "data": "x"})
            bob.expect(type="error", code="session_paused", replyTo=1)
            carol.receive_nothing()
            alice.patch(f"/sessions/{session['sessionId']}", json={"status": "active"})
            bob.expect(type="session.updated", seq=2)
            carol.expect(type="session.updated", seq=2)
            bob.send_json({"action": "publish", "data": "x"})
            bob.expect(type="ack", seq=3)
            carol.expect(type="message", seq=3)


@pytest.mark.chalice(targets=["inprocess", "sockets", "deployed"])
class TestSessionUpdateWhileConnected:
    def test_everyone_connected_is_told_of_a_change(
        self, alice: HttpClient, session: dict[str, Any], join: Join
    ) -> None:
        with join(session, "alice") as owner, join(session, "bob") as guest:
            changed = alice.patch(f"/sessions/{session['sessionId']}", json={"status": "paused", "title": "Break"})
            for socket in (owner, guest):
                socket.expect(type="session.updated", seq=1, session=changed.json())
            alice.patch(f"/sessions/{session['sessionId']}", json={"status": "paused"})
            for socket in (owner, guest):
                socket.receive_nothing()

    @pytest.mark.parametrize("how", ["delete", "patch"])
    def test_everyone_connected_is_told_of_the_end_and_closed(
        self,
        chalice_gateway: Gateway,
        alice: HttpClient,
        session: dict[str, Any],
        join: Join,
        rows: Callable[[], list[str]],
        how: str,
    ) -> None:
        path = f"/sessions/{session['sessionId']}"
        with join(session, "alice") as owner, join(session, "bob") as guest:
            answer = alice.delete(path) if how == "delete" else alice.patch(path, json={"status": "ended"})
            assert answer.status_code in (200, 204)
            for socket in (owner, guest):
                assert socket.receive_json() == {
                    "type": "session.ended",
                    "seq": 1,
                    "reason": "ended",
                    "correlationId": answer.headers["X-Correlation-Id"],
                }
                with pytest.raises(ConnectionClosed) as closed:
                    socket.receive_json()
                assert closed.value.code == 1000
        chalice_gateway.settle()
        assert rows() == []

    def test_what_expires_is_ended_by_the_sweep(
        self,
        chalice_gateway: Gateway,
        session: dict[str, Any],
        join: Join,
        stored: Callable[[str], Any],
        expire: Callable[[str], None],
    ) -> None:
        with join(session) as bob:
            expire(session["sessionId"])
            bob.send_json({"action": "publish", "data": "too late"})
            bob.expect(type="error", code="session_ended")
            event = scheduled_event("sweep", "us-east-1", datetime.now(UTC))
            chalice_gateway.invoke("sweep", event)
            assert bob.receive_json() == {
                "type": "session.ended",
                "seq": 1,
                "reason": "expired",
                "correlationId": event["id"],
            }
            with pytest.raises(ConnectionClosed):
                bob.receive_json()
        item = stored(session["sessionId"])
        assert (item["status"], item["endedAt"]) == ("ended", item["expiresAt"])

    def test_a_reader_sees_an_expired_session_as_ended_before_the_sweep(
        self, alice: HttpClient, session: dict[str, Any], expire: Callable[[str], None]
    ) -> None:
        expire(session["sessionId"])
        found = alice.get(f"/sessions/{session['sessionId']}", headers={"If-None-Match": '"1"'})
        assert (found.status_code, found.json()["status"]) == (200, "ended")
        assert found.headers["ETag"] == '"1-ended"'
        assert [one["status"] for one in alice.get("/sessions").json()["sessions"]] == ["ended"]

    def test_two_owners_sessions_never_hear_each_other(
        self, chalice_gateway: Gateway, jwt_tokens: Tokens, alice: HttpClient, session: dict[str, Any], join: Join
    ) -> None:
        dave = chalice_gateway.http(token=jwt_tokens("dave"))
        other = dave.post("/sessions", json={"title": "Other"}).json()
        with join(session, "bob") as bob, join(other, "bob") as elsewhere, join(session) as friend:
            bob.send_json({"action": "publish", "data": "here"})
            bob.expect(type="ack", seq=1)
            friend.expect(type="message", seq=1)
            dave.patch(f"/sessions/{other['sessionId']}", json={"title": "Renamed"})
            elsewhere.expect(type="session.updated", seq=1)
            dave.delete(f"/sessions/{other['sessionId']}")
            elsewhere.expect(type="session.ended")
            for socket in (bob, friend):
                socket.receive_nothing()
            alice.patch(f"/sessions/{session['sessionId']}", json={"title": "Still here"})
            bob.expect(type="session.updated", seq=2)
            friend.expect(type="session.updated", seq=2)


@pytest.mark.chalice(targets=["inprocess", "sockets", "deployed"])
class TestWebSocketAuthentication:
    def refused(self, connect: Callable[..., Any], *args: Any, **options: Any) -> int:
        with pytest.raises(HandshakeRefused) as refused:
            connect(*args, **options)
        return refused.value.status_code

    def test_a_handshake_without_a_token_fails(self, session: dict[str, Any], join: Join) -> None:
        assert self.refused(join, session, token=None) == 401
        assert self.refused(join, session, token=None, subprotocols=["sessions.v1"]) == 401

    def test_the_token_may_travel_in_the_subprotocol(
        self, session: dict[str, Any], join: Join, jwt_tokens: Tokens
    ) -> None:
        offered = ["sessions.v1", f"bearer.{jwt_tokens('bob')}"]
        with join(session, token=None, subprotocols=offered) as bob:
            assert bob.subprotocol == "sessions.v1"
            bob.send_json({"action": "ping", "id": "a"})
            bob.expect(type="pong", replyTo="a")

    def test_a_handshake_with_a_bad_token_fails(
        self, session: dict[str, Any], join: Join, rows: Callable[[], list[str]], bad_jwt: BadToken
    ) -> None:
        self.refused_however_it_travels(session, join, rows, bad_jwt)

    @pytest.mark.parametrize("name", BAD_TOKENS)
    def test_a_handshake_with_a_token_that_this_service_refuses_fails(
        self, session: dict[str, Any], join: Join, jwt_tokens: Tokens, rows: Callable[[], list[str]], name: str
    ) -> None:
        self.refused_however_it_travels(session, join, rows, BAD_TOKENS[name](jwt_tokens))

    def refused_however_it_travels(
        self, session: dict[str, Any], join: Join, rows: Callable[[], list[str]], token: str
    ) -> None:
        assert self.refused(join, session, token=token) == 401
        assert self.refused(join, session, token=None, subprotocols=["sessions.v1", f"bearer.{token}"]) == 401
        assert rows() == []

    def test_a_token_in_the_query_fails_even_beside_a_good_one(
        self, chalice_gateway: Gateway, session: dict[str, Any], jwt_tokens: Tokens
    ) -> None:
        params = {"sessionId": session["sessionId"], "token": jwt_tokens("bob")}
        assert self.refused(chalice_gateway.websocket, "/", params=params, token=jwt_tokens("bob")) == 401

    def test_exactly_one_session_is_named(
        self, chalice_gateway: Gateway, session: dict[str, Any], jwt_tokens: Tokens
    ) -> None:
        one = session["sessionId"]
        for query in ("", "?sessionId=", f"?sessionId={one}&sessionId={one}"):
            assert self.refused(chalice_gateway.websocket, f"/{query}", token=jwt_tokens("bob")) == 400, query

    def test_a_page_of_another_origin_fails(self, session: dict[str, Any], join: Join) -> None:
        assert self.refused(join, session, headers={"Origin": "https://evil.example"}) == 403
        assert self.refused(join, session, headers={"Origin": "null"}) == 403
        with join(session, headers={"Origin": "http://localhost:3000"}):
            pass

    def test_a_token_that_expires_ends_its_socket_at_the_next_frame(
        self, session: dict[str, Any], join: Join, outlive: Callable[[WebSocket], None]
    ) -> None:
        with join(session) as bob, join(session, "carol") as carol:
            outlive(bob)
            bob.send_json({"action": "publish", "data": "too late"})
            bob.expect(type="closing", code="token_expired", reconnect="now")
            with pytest.raises(ConnectionClosed):
                bob.receive_json()
            carol.receive_nothing()

    def test_a_token_that_expires_ends_its_socket_at_the_next_delivery(
        self, session: dict[str, Any], join: Join, outlive: Callable[[WebSocket], None]
    ) -> None:
        with join(session) as bob, join(session, "carol") as carol:
            outlive(bob)
            carol.send_json({"action": "publish", "data": "x"})
            carol.expect(type="ack", seq=1)
            bob.expect(type="closing", code="token_expired")
            with pytest.raises(ConnectionClosed):
                bob.receive_json()
            carol.send_json({"action": "publish", "data": "y"})
            carol.expect(type="ack", seq=2)

    def test_an_open_socket_is_not_asked_for_its_token_again(
        self, session: dict[str, Any], join: Join, chalice_gateway: Gateway
    ) -> None:
        with join(session) as bob:
            for n in range(3):
                bob.send_json({"action": "ping", "id": n})
                bob.expect(type="pong", replyTo=n)


@pytest.fixture
def expire(dynamodb_tables: Tables) -> Callable[[str], None]:
    """Time passes for one session: it expired a minute ago."""

    def pass_by(session_id: str) -> None:
        past = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        dynamodb_tables["Sessions"].update_item(
            Key={"sessionId": session_id},
            UpdateExpression="SET expiresAt = :past, dueAt = :past",
            ExpressionAttributeValues={":past": past},
        )

    return pass_by


@pytest.fixture
def outlive(dynamodb_tables: Tables) -> Callable[[WebSocket], None]:
    """Time passes for one connection: its token has expired."""

    def pass_by(socket: WebSocket) -> None:
        rows = dynamodb_tables["Connections"].scan()["Items"]
        for row in rows:
            if socket.connection_id in (str(row["place"]).partition("#")[2], str(row["member"]).partition("#")[2]):
                dynamodb_tables["Connections"].update_item(
                    Key={"place": row["place"], "member": row["member"]},
                    UpdateExpression="SET tokenExpiresAt = :past",
                    ExpressionAttributeValues={":past": "2026-01-01T00:00:00.000Z"},
                )

    return pass_by
