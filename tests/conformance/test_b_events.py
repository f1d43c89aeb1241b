"""Section B: the events that functions receive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.conformance.client import Client
from tests.conformance.websocket import lowered

ID = re.compile(r"[A-Za-z0-9_-]{15}=")
HEADERS = ("headers", "multiValueHeaders")
QUERY = ("queryStringParameters", "multiValueQueryStringParameters")
# Keys whose presence is another fact: B10, B11, B15, B18, and in the context B2 to B8, B16 and section F.
ELSEWHERE = {"body", "stageVariables", *HEADERS, *QUERY}
CONTEXT = {"routeKey", "eventType", "stage", "apiId", "connectionId", "domainName"}
CONTEXT_ELSEWHERE = {
    "authorizer",
    "connectedAt",
    "disconnectReason",
    "disconnectStatusCode",
    "extendedRequestId",
    "identity",
    "messageDirection",
    "messageId",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
}


@dataclass(frozen=True)
class Told:
    """The events of one connection that has sent one message."""

    connect: dict[str, Any]
    message: dict[str, Any]
    disconnect: dict[str, Any]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from (self.connect, self.message, self.disconnect)

    @property
    def contexts(self) -> list[dict[str, Any]]:
        return [event["requestContext"] for event in self]


def told(client: Client, *headers: str, query: str = "", host: str | None = None) -> Told:
    """`headers` are whole lines; one of them names the witness, so that the handshake can be without a query."""
    witness = client.witness()
    socket = client.connect(headers=(f"X-Witness: {witness.id}", *headers), query=query, host=host)
    connect = witness.report("connect")["event"]
    socket.say()
    message = socket.report("message")["event"]
    socket.close()
    return Told(connect, message, witness.report("disconnect")["event"])


def test_b1_events_have_the_envelope_of_version_1(whole: Client) -> None:
    """The envelope is like that of version 1, with no version, httpMethod, path, resource or pathParameters."""
    events = told(whole, query="a=1")
    assert [set(event) - ELSEWHERE for event in events] == [{"requestContext", "isBase64Encoded"}] * 3
    assert set(HEADERS) <= set(events.connect)
    assert [set(context) - CONTEXT_ELSEWHERE for context in events.contexts] == [CONTEXT] * 3
    assert [context["eventType"] for context in events.contexts] == ["CONNECT", "MESSAGE", "DISCONNECT"]


def test_b2_both_request_ids_are_the_same(whole: Client) -> None:
    """requestId and extendedRequestId are the same in one event, and others in the next."""
    contexts = told(whole).contexts
    assert [context["requestId"] for context in contexts] == [context["extendedRequestId"] for context in contexts]
    assert len({context["requestId"] for context in contexts}) == 3


def test_b3_only_a_message_has_a_message_id(whole: Client) -> None:
    """messageId is in MESSAGE, and absent from CONNECT and DISCONNECT."""
    assert ["messageId" in context for context in told(whole).contexts] == [False, True, False]


def test_b4_connected_at_is_fixed(whole: Client) -> None:
    """connectedAt is in milliseconds, the same in every event, and at most a moment before CONNECT's own time."""
    contexts = told(whole).contexts
    (connected_at,) = {context["connectedAt"] for context in contexts}
    times = [context["requestTimeEpoch"] for context in contexts]
    assert 0 <= times[0] - connected_at < 1000  # a millisecond on AWS; longer on a busy machine
    assert len(str(connected_at)) == 13


def test_b5_the_time_is_in_the_common_log_format_and_in_milliseconds(whole: Client) -> None:
    """requestTime is in the common log format and UTC, 16/Mar/2025:00:46:22 +0000; requestTimeEpoch in milliseconds."""
    for context in told(whole).contexts:
        assert isinstance(context["requestTimeEpoch"], int)
        at = datetime.fromtimestamp(context["requestTimeEpoch"] // 1000, UTC)
        assert context["requestTime"] == at.strftime("%d/%b/%Y:%H:%M:%S +0000")


def test_b6_the_direction_is_in(whole: Client) -> None:
    """messageDirection is "IN" in all three."""
    assert [context["messageDirection"] for context in told(whole).contexts] == ["IN"] * 3


def test_b7_the_identity_is_the_address_and_the_user_agent_if_there_is_one(whole: Client) -> None:
    """identity is sourceIp, and userAgent only if the client sent one, in every event."""
    nameless, named = told(whole), told(whole, "User-Agent: conformance")
    (address,) = {context["identity"]["sourceIp"] for context in nameless.contexts}
    assert [context["identity"] for context in nameless.contexts] == [{"sourceIp": address}] * 3
    identity = {"sourceIp": address, "userAgent": "conformance"}
    assert [context["identity"] for context in named.contexts] == [identity] * 3


def test_b8_ids_are_15_characters_and_an_equals_sign(whole: Client) -> None:
    """connectionId and requestId are 15 characters of URL-safe base64 and "="; the first is the same in all events."""
    contexts = told(whole).contexts
    (connection,) = {context["connectionId"] for context in contexts}
    ids = [connection, *(context["requestId"] for context in contexts)]
    assert [each for each in ids if not ID.fullmatch(each)] == []


def test_b9_the_domain_is_the_host_that_the_client_used(whole: Client) -> None:
    """domainName is the host that the client used: here the API's own, {apiId}.execute-api.{region}.amazonaws.com."""
    context = told(whole).connect["requestContext"]
    host = f"{context['apiId']}.execute-api.{whole.deployed.region}.amazonaws.com"
    events = told(whole, host=host)
    assert lowered(events.connect["headers"])["host"] == host
    assert [context["domainName"] for context in events.contexts] == [host] * 3


def test_b10_only_a_message_has_a_body_and_it_has_no_headers(whole: Client) -> None:
    """CONNECT and DISCONNECT have no body; MESSAGE has no headers and no query."""
    events = told(whole, query="a=1")
    assert ["body" in event for event in events] == [False, True, False]
    assert [name for name in events.message if "eaders" in name or "uery" in name] == []


def test_b11_without_a_query_its_keys_are_absent(whole: Client) -> None:
    """Without a query string both of its keys are absent, and not null."""
    assert [name for name in QUERY if name in told(whole).connect] == []


def test_b12_a_single_map_has_one_value_and_the_other_has_all(whole: Client) -> None:
    """Maps of single values have one value a name, the others a list for every name; only CONNECT has the query."""
    events = told(whole, "X-Twice: one", "X-Twice: two", query="a=1&a=2&b=3")
    connect = events.connect
    assert connect["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": ["3"]}
    assert set(lowered(connect["multiValueHeaders"])["x-twice"]) == {"one", "two"}
    for single, multiple in (QUERY, HEADERS):
        assert set(connect[single]) == set(connect[multiple])
        assert all(connect[single][name] in values for name, values in connect[multiple].items())
    assert [name for event in (events.message, events.disconnect) for name in QUERY if event.get(name)] == []


def test_b13_header_names_keep_their_spelling_and_four_are_added(whole: Client) -> None:
    """Names of headers keep the client's spelling; X-Amzn-Trace-Id and X-Forwarded-For, -Port and -Proto are added."""
    connect = told(whole, "x-lower: a", "X-UPPER: B").connect
    headers = connect["headers"]
    names = {"Host", "Sec-WebSocket-Version", "Sec-WebSocket-Key", "X-Witness", "x-lower", "X-UPPER"}
    added = {"X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"}
    assert (names | added) - set(headers) == set()
    assert headers["X-Amzn-Trace-Id"].startswith("Root=1-")
    assert headers["X-Forwarded-For"] == connect["requestContext"]["identity"]["sourceIp"]
    assert (headers["X-Forwarded-Port"], headers["X-Forwarded-Proto"]) == ("443", "https")


def test_b14_connect_is_not_told_of_the_upgrade(whole: Client) -> None:
    """The event of $connect lacks Connection and Upgrade, which an authorizer's would have."""
    connect = told(whole).connect
    assert [name for key in HEADERS for name in connect[key] if name.lower() in ("connection", "upgrade")] == []


def test_b15_disconnect_has_four_headers(whole: Client) -> None:
    """DISCONNECT has a fixed set of headers: Host, x-api-key, X-Forwarded-For and x-restapi, two of them empty."""
    event = told(whole, "X-Mine: 1").disconnect
    source = event["requestContext"]["identity"]["sourceIp"]
    host = event["headers"]["Host"]
    assert event["headers"] == {"Host": host, "x-api-key": "", "X-Forwarded-For": source, "x-restapi": ""}
    assert host
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}


def test_b16_without_an_authorizer_there_is_no_key_for_it(whole: Client) -> None:
    """requestContext.authorizer is there only if an authorizer ran, which Chalice deploys for no WebSocket API."""
    assert ["authorizer" in context for context in told(whole, "Authorization: Bearer x").contexts] == [False] * 3


def test_b17_no_event_is_encoded(whole: Client) -> None:
    """isBase64Encoded is false in all three."""
    assert [event["isBase64Encoded"] for event in told(whole, query="a=1")] == [False] * 3


def test_b18_without_stage_variables_there_is_no_key_for_them(whole: Client) -> None:
    """stageVariables is in no event of a stage that has none."""
    assert ["stageVariables" in event for event in told(whole)] == [False] * 3
