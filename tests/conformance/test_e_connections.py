"""Section E: the @connections API."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.conformance.client import Client

if TYPE_CHECKING:
    from types_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient

NOBODY = "AAAAAAAAAAAAAAA="


def url(client: Client, connection: str, at: str = "@") -> str:
    return f"{client.deployed.connections}/{at}connections/{connection}"


def flood(client: ApiGatewayManagementApiClient, connection: str) -> None:
    """Sends 50 MB, unless a post is refused."""
    for _ in range(500):
        client.post_to_connection(ConnectionId=connection, Data=b"x" * 100_000)


def at_second(text: str) -> datetime:
    """An ISO 8601 time in UTC, to the whole second. Raises ValueError for any other text."""
    return datetime.fromisoformat(re.sub(r"(\.\d+)?(Z|\+00:?00)$", "+00:00", text))


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_e1_the_path_has_the_stage_and_the_connection(whole: Client, method: str) -> None:
    """POST, GET and DELETE of {stage}/@connections/{connectionId}."""
    socket, _ = whole.watched()
    answer = whole.signed(method, url(whole, socket.quoted_id), b"hello" if method == "POST" else b"")
    assert answer.status // 100 == 2


@pytest.mark.parametrize("at", ["@", "%40"])
def test_e2_the_at_sign_may_be_escaped_and_the_id_is(whole: Client, at: str) -> None:
    """boto3 sends @ as it is and = as %3D; %40connections is accepted as well; text is sent as UTF-8."""
    socket, _ = whole.watched()
    assert whole.signed("POST", url(whole, socket.quoted_id, at), "grüße".encode()).status == 200
    assert socket.read() == "grüße"
    whole.connections().post_to_connection(ConnectionId=socket.id, Data="grüße")
    assert socket.read() == "grüße"


def test_e3_an_unsigned_call_is_403(whole: Client) -> None:
    """A call without a signature is 403, Missing Authentication Token."""
    socket, _ = whole.watched()
    target = url(whole, socket.quoted_id).removeprefix(whole.deployed.connections)
    answer = whole.http_at(whole.deployed.connections, "POST", target, body=b"hello")
    assert answer.status == 403
    assert answer.json()["message"] == "Missing Authentication Token"
    assert socket.works()  # nothing was posted


def test_e4_a_post_is_answered_with_200_and_no_body(whole: Client) -> None:
    """A post that is delivered: 200, no body."""
    socket, _ = whole.watched()
    answer = whole.signed("POST", url(whole, socket.quoted_id), b"hello")
    assert (answer.status, answer.body) == (200, b"")
    assert socket.read() == "hello"


def test_e5_get_says_since_when_and_who_in_camel_case(whole: Client) -> None:
    """GET: 200, camelCase JSON with ISO 8601 times, which boto3 returns as ConnectedAt, LastActiveAt and Identity."""
    socket, _ = whole.watched(headers=("User-Agent: conformance",))
    answer = whole.signed("GET", url(whole, socket.quoted_id))
    body = answer.json()
    assert answer.status == 200
    assert set(body) == {"connectedAt", "lastActiveAt", "identity"}
    source = socket.connect_event["requestContext"]["identity"]["sourceIp"]
    assert body["identity"] == {"sourceIp": source, "userAgent": "conformance"}
    read = whole.connections().get_connection(ConnectionId=socket.id)
    assert [at_second(body[name]) for name in ("connectedAt", "lastActiveAt")] == [
        read[name].replace(microsecond=0) for name in ("ConnectedAt", "LastActiveAt")
    ]
    assert read["LastActiveAt"] >= read["ConnectedAt"]
    assert read["Identity"] == {"SourceIp": source, "UserAgent": "conformance"}


def test_e6_delete_is_answered_with_204_and_no_body(whole: Client) -> None:
    """DELETE: 204, no body."""
    socket, _ = whole.watched()
    answer = whole.signed("DELETE", url(whole, socket.quoted_id))
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_e7_a_connection_that_is_not_there_is_410(whole: Client, method: str) -> None:
    """An unknown or closed connection is 410 for all three."""
    socket, witness = whole.watched()
    socket.close()
    witness.report("disconnect")
    for connection in (socket.quoted_id, NOBODY.replace("=", "%3D")):
        assert whole.signed(method, url(whole, connection), b"x" if method == "POST" else b"").status == 410


def test_e8_a_410_says_what_it_is_in_a_header_and_has_no_body(whole: Client) -> None:
    """The 410 has x-amzn-ErrorType: GoneException, and no body."""
    answer = whole.signed("POST", url(whole, NOBODY.replace("=", "%3D")), b"hello")
    assert (answer.status, answer.error_type) == (410, "GoneException")
    assert answer.body == b""


def test_e9_boto3_raises_a_typed_gone_exception(whole: Client) -> None:
    """boto3 raises GoneException for it, in all three calls."""
    client = whole.connections()
    with pytest.raises(client.exceptions.GoneException):
        client.post_to_connection(ConnectionId=NOBODY, Data=b"hello")
    with pytest.raises(client.exceptions.GoneException):
        client.get_connection(ConnectionId=NOBODY)
    with pytest.raises(client.exceptions.GoneException):
        client.delete_connection(ConnectionId=NOBODY)


def test_e11_another_api_is_403(whole: Client) -> None:
    """A call to the host of another API is 403 ForbiddenException."""
    socket, _ = whole.watched()
    host = f"0therapi00.execute-api.{whole.deployed.region}.amazonaws.com"
    own, target = socket.connect_event["requestContext"]["apiId"], url(whole, socket.quoted_id)
    if own in whole.deployed.connections:  # on AWS in the host, elsewhere perhaps in the path
        answer = whole.signed("POST", target.replace(own, "0therapi00"), b"hello")
    else:
        answer = whole.signed("POST", target, b"hello", host=host)
    assert (answer.status, answer.error_type) == (403, "ForbiddenException")
    assert socket.works()


def test_e12_a_signed_call_to_no_route_is_404(whole: Client) -> None:
    """A signed call to a path without a route, as with the stage twice: 404, No method found matching route."""
    stage = whole.deployed.connections.rpartition("/")[2]
    answer = whole.signed("POST", f"{whole.deployed.connections}/{stage}/@connections/{NOBODY}", b"hello")
    assert answer.status == 404
    assert answer.json()["message"].startswith(f"No method found matching route {stage}/@connections/")
    assert answer.json()["message"].endswith(" for http method POST.")


def test_e13_a_413_is_typed_and_has_a_message(whole: Client) -> None:
    """Too large a post is 413 PayloadTooLargeException with a message."""
    socket, _ = whole.watched()
    answer = whole.signed("POST", url(whole, socket.quoted_id), b"x" * 131_073)
    assert (answer.status, answer.error_type) == (413, "PayloadTooLargeException")
    assert answer.json()["message"]


def test_e14_a_client_that_does_not_read_is_429(whole: Client) -> None:
    """A post is 429 LimitExceededException above the rate, or while its client does not read."""
    socket, _ = whole.watched()
    client = whole.connections()
    with (
        whole.fault("throttled", "apigatewaymanagementapi:PostToConnection", socket.id),
        pytest.raises(client.exceptions.LimitExceededException) as raised,
    ):
        client.post_to_connection(ConnectionId=socket.id, Data=b"hello")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    with whole.fault("slow", socket.id), pytest.raises(client.exceptions.LimitExceededException):
        flood(client, socket.id)


def test_e15_delete_takes_no_code_and_no_reason(whole: Client) -> None:
    """DELETE always closes the same way, whatever is sent with it."""
    codes = []
    for suffix, body in (("", b""), ("?code=4000&reason=mine", b'{"code": 4000}')):
        socket, _ = whole.watched()
        assert whole.signed("DELETE", url(whole, socket.quoted_id) + suffix, body).status // 100 == 2
        codes.append(socket.closed())
    assert len(set(codes)) == 1
    assert codes[0] in (1000, 1005)


def test_e16_disconnect_reports_1000_after_a_delete(whole: Client) -> None:
    """After DELETE, $disconnect reports 1000, Connection Closed Normally."""
    socket, witness = whole.watched()
    whole.connections().delete_connection(ConnectionId=socket.id)
    context = witness.report("disconnect")["event"]["requestContext"]
    assert context["disconnectStatusCode"] == 1000
    assert context["disconnectReason"] == "Connection Closed Normally"
