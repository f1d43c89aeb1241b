"""A refresh behind the gateway, on both rows: what it costs, what it refuses, and what goes on until the new expiry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import logs
from pytest_sessionplugin import BadToken, Clock, ConnectionClosed, Gateway, WebSocket
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.service.bad_tokens import BAD_TOKENS

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

Join = Callable[..., WebSocket]
on_sockets_too = pytest.mark.chalice(targets=["inprocess", "sockets"])


@pytest.fixture
def alice(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    """HTTP as the owner, for a day."""
    return chalice_gateway.http(token=jwt_tokens("alice", expires_in=86_400))


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens, alice: HttpClient) -> Iterator[Join]:
    """Sockets in one session, closed at the end of the test."""
    params = {"sessionId": alice.post("/sessions", json={}).json()["sessionId"]}
    with ExitStack() as stack:

        def connect(subject: str = "bob", expires_in: float = 60) -> WebSocket:
            token = jwt_tokens(subject, expires_in=expires_in)
            return stack.enter_context(chalice_gateway.websocket("/", params=params, token=token))

        yield connect


@pytest.fixture
def expiries(dynamodb_tables: Tables) -> Callable[[], list[str]]:
    """The expiries in the rows of all connections."""
    return lambda: [str(row["tokenExpiresAt"]) for row in dynamodb_tables["Connections"].scan()["Items"]]


def refresh(socket: WebSocket, token: str) -> dict[str, Any]:
    socket.send_json({"action": "refresh", "token": token, "id": "r"})
    return socket.expect(replyTo="r")


def assert_told_and_closed(socket: WebSocket, code: str) -> None:
    socket.expect(type="closing", code=code, reconnect="now")
    with pytest.raises(ConnectionClosed):
        socket.receive_json()


@on_sockets_too
def test_a_refreshed_connection_hears_and_speaks_until_its_new_expiry(
    chalice_clock: Clock, join: Join, jwt_tokens: Tokens
) -> None:
    bob, carol = join("bob"), join("carol", 86_400)
    ends = refresh(bob, jwt_tokens("bob", expires_in=300))["tokenExpiresAt"]
    chalice_clock.advance(seconds=309)
    carol.send_json({"action": "publish", "data": 1})
    carol.expect(type="ack", sent=1)
    bob.expect(type="message", data=1)
    bob.send_json({"action": "ping"})
    bob.expect(type="pong", tokenExpiresAt=ends)
    bob.send_json({"action": "hello"})
    bob.expect(type="welcome", tokenExpiresAt=ends)
    chalice_clock.advance(seconds=1)
    carol.send_json({"action": "publish", "data": 2})
    carol.expect(type="ack", sent=0)
    assert_told_and_closed(bob, "token_expired")


@on_sockets_too
def test_a_pong_tells_the_end_in_its_last_five_minutes_and_a_refresh_ends_that(
    chalice_clock: Clock, join: Join, jwt_tokens: Tokens
) -> None:
    bob = join("bob", 3600)

    def told(after: float) -> bool:
        chalice_clock.advance(seconds=after)
        bob.send_json({"action": "ping"})
        return "tokenExpiresAt" in bob.expect(type="pong")

    assert [told(after) for after in (*[500] * 6, 299, 2)] == [*[False] * 7, True]  # idle for less than ten minutes
    refresh(bob, jwt_tokens("bob", expires_in=3600))
    assert not told(after=1)


def test_a_refresh_changes_both_rows_and_makes_three_requests(
    chalice_clock: Clock, join: Join, jwt_tokens: Tokens, aws_calls: Calls, expiries: Callable[[], list[str]]
) -> None:
    bob = join()
    with aws_calls.exactly(dynamodb=3, write_units=3, read_units=0):
        answer = refresh(bob, jwt_tokens("bob", expires_in=300))
    assert expiries() == [answer["tokenExpiresAt"]] * 2
    chalice_clock.advance(seconds=1)
    with aws_calls.exactly(dynamodb=3, write_units=3, read_units=0):  # a condition that fails is a write
        assert refresh(bob, jwt_tokens("bob", expires_in=30)) == answer
    assert expiries() == [answer["tokenExpiresAt"]] * 2


def test_a_repeat_makes_good_what_a_refresh_wrote_in_one_row_alone(
    join: Join, jwt_tokens: Tokens, dynamodb_tables: Tables, expiries: Callable[[], list[str]]
) -> None:
    bob, token = join(), jwt_tokens("bob", expires_in=300)
    before = expiries()[0]
    answer = refresh(bob, token)
    dynamodb_tables["Connections"].update_item(
        Key={"place": f"connection#{bob.connection_id}", "member": "-"},
        UpdateExpression="SET tokenExpiresAt = :before",
        ExpressionAttributeValues={":before": before},
    )
    assert refresh(bob, token) == answer
    assert expiries() == [answer["tokenExpiresAt"]] * 2


@pytest.mark.parametrize("bad", BAD_TOKENS)
def test_a_token_that_this_service_refuses_refreshes_nothing(
    join: Join, jwt_tokens: Tokens, expiries: Callable[[], list[str]], bad: str
) -> None:
    refused(join(), BAD_TOKENS[bad](jwt_tokens), expiries)


def test_a_token_that_any_service_refuses_refreshes_nothing(
    join: Join, bad_jwt: BadToken, expiries: Callable[[], list[str]]
) -> None:
    refused(join(), bad_jwt, expiries)


def test_a_token_of_another_subject_refreshes_nothing(
    join: Join, jwt_tokens: Tokens, expiries: Callable[[], list[str]]
) -> None:
    refused(join(), jwt_tokens("carol", expires_in=300), expiries)


def refused(socket: WebSocket, token: str, expiries: Callable[[], list[str]]) -> None:
    before = expiries()
    answer = refresh(socket, token)
    assert (answer["type"], answer["code"]) == ("error", "unauthenticated")
    assert token not in str(answer)
    assert expiries() == before
    socket.send_json({"action": "ping"})
    socket.expect(type="pong")


@pytest.mark.parametrize("token", ["", 1, None, ["x"], {}], ids=repr)
def test_what_is_no_text_is_refused_before_it_is_verified(join: Join, token: Any) -> None:
    bob = join()
    answer = refresh(bob, token)
    assert (answer["type"], answer["code"]) == ("error", "invalid_request")
    bob.send_json({"action": "refresh"})
    bob.expect(type="error", code="invalid_request")


@on_sockets_too
def test_a_refresh_after_the_expiry_is_told_and_closed(chalice_clock: Clock, join: Join, jwt_tokens: Tokens) -> None:
    bob, carol = join("bob"), join("carol")
    chalice_clock.advance(seconds=69)
    assert refresh(bob, jwt_tokens("bob", expires_in=300))["type"] == "ack", "the service allows ten seconds"
    chalice_clock.advance(seconds=1)
    carol.send_json({"action": "refresh", "token": jwt_tokens("carol", expires_in=300)})
    assert_told_and_closed(carol, "token_expired")


@pytest.mark.parametrize("row", [0, 1], ids=["the roster's row", "the pointer"])
def test_a_refresh_whose_row_has_gone_is_told_and_writes_no_new_one(
    join: Join, jwt_tokens: Tokens, dynamodb_tables: Tables, row: int
) -> None:
    bob = join()
    table = dynamodb_tables["Connections"]
    rows = sorted(table.scan()["Items"], key=lambda item: str(item["place"]), reverse=True)
    table.delete_item(Key={name: rows[row][name] for name in ("place", "member")})
    bob.send_json({"action": "refresh", "token": jwt_tokens("bob", expires_in=300)})
    assert_told_and_closed(bob, "connection_not_found")
    assert str(rows[row]["place"]) not in {str(item["place"]) for item in table.scan()["Items"]}


def test_a_frame_is_logged_as_its_connections_subject_whatever_token_it_has(
    join: Join, jwt_tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    refresh(join("bob"), jwt_tokens("carol"))
    [record] = [record for record in caplog.records if record.getMessage() == "message refused as unauthenticated"]
    assert vars(record)["subject"] == logs.subject_hash("bob")
