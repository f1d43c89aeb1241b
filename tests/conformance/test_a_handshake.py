"""Section A: the handshake and $connect."""

from __future__ import annotations

import pytest

from tests.conformance.client import Client, new_name


@pytest.mark.parametrize("slash", ["", "/"])
def test_a1_the_url_is_the_stage(whole: Client, slash: str) -> None:
    """A client connects to the stage, with or without a slash at the end."""
    assert whole.connect(path=slash).works()


def test_a2_the_upgrade_is_pending_until_connect_has_returned(whole: Client) -> None:
    """Order is $connect, then 101: while the function runs the client has no answer."""
    witness, name = whole.witness(), new_name("a2")
    socket = whole.handshake(["hold", name], query=f"witness={witness.quoted_id}")
    assert witness.report("connect")["event"]["requestContext"]["eventType"] == "CONNECT"
    assert socket.is_pending()
    whole.go(name)
    assert socket.status == 101


def test_a3_without_a_connect_route_everybody_is_accepted(listening: Client) -> None:
    """Without a $connect route the connection is accepted, and no function runs."""
    socket = listening.connect()
    socket.text("hello")
    assert socket.read() == "hello"


def test_a4_default_is_for_messages_alone(listening: Client) -> None:
    """$default stands in for no missing $connect or $disconnect."""
    others, socket = listening.connect(), listening.connect(query="hello=1")
    socket.text("first")
    assert socket.read() == "first"  # and not what $default would have made of CONNECT
    socket.close()
    others.text("still here")
    assert others.read() == "still here"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 500, 503])
def test_a5_a_refusal_has_the_status_that_connect_returned(whole: Client, status: int) -> None:
    """A statusCode that is not 2xx refuses the handshake with that same HTTP status."""
    assert whole.handshake(["return", {"statusCode": status}]).status == status


def test_a6_connect_returns_200_and_the_client_gets_101(whole: Client) -> None:
    """The function answers 200, and the gateway makes the 101 of it."""
    assert whole.handshake(["return", {"statusCode": 200}]).status == 101


@pytest.mark.parametrize("steps", [[["raise", "broken"]], [["return", {"statusCode": 200, "more": 1}]]])
def test_a7_a_connect_that_fails_is_502(whole: Client, steps: list[list[object]]) -> None:
    """A $connect that raises or returns what is no proxy result refuses with 502."""
    assert whole.handshake(*steps).status == 502


def test_a8_a_connect_that_takes_29_seconds_is_refused(whole: Client) -> None:
    """A $connect slower than 29 s: the connection is not made."""
    witness, name = whole.witness(), new_name("a8")
    socket = whole.handshake(["hold", name], query=f"witness={witness.quoted_id}")
    witness.report("connect")
    whole.advance(29, grace=0)
    assert socket.status == 504
    whole.go(name)


def test_a18_an_authorizer_may_answer_8_kb(whole: Client) -> None:
    """The answer of a Lambda authorizer may have 8 KB, and no more."""

    def asked(size: int) -> int:
        token = f"large {size} {new_name('a18')}"
        return whole.http("GET", "/guarded/one", {"Authorization": token}).status

    assert [asked(7_000), asked(9_000)] == [200, 500]


def test_a19_of_what_connect_returns_only_the_subprotocol_reaches_the_client(whole: Client) -> None:
    """Of a $connect's response headers only Sec-WebSocket-Protocol is copied; others and the body are dropped."""
    headers = {"Sec-WebSocket-Protocol": "b", "X-Mine": "1", "Set-Cookie": "a=b"}
    answer = whole.connect(
        ["respond", {"body": "welcome", "headers": headers}], headers=("Sec-WebSocket-Protocol: a, b",)
    ).answer
    assert answer.header("Sec-WebSocket-Protocol") == "b"
    assert answer.header("X-Mine") is None
    assert answer.header("Set-Cookie") is None
    assert answer.body == b""


def test_a20_no_subprotocol_is_chosen_but_by_connect(whole: Client) -> None:
    """The offered subprotocols reach $connect, and the 101 has one only if the function returned it."""
    socket, _ = whole.watched(headers=("Sec-WebSocket-Protocol: a, b",))
    assert socket.connect_event["headers"]["Sec-WebSocket-Protocol"] == "a, b"
    assert socket.answer.header("Sec-WebSocket-Protocol") is None


def test_a21_no_message_is_routed_before_connect_has_let_its_client_in(whole: Client) -> None:
    """What a client sends before $connect has returned reaches no route, and none at all if it is refused."""
    witness, name = whole.witness(), new_name("a21")
    steps = (["hold", name], ["return", {"statusCode": 403}])
    socket = whole.handshake(*steps, query=f"witness={witness.quoted_id}")
    witness.report("connect")
    socket.say(witness=witness.id)
    whole.go(name)
    assert socket.status == 403
    assert witness.works()  # the next thing it hears is its own


def test_a22_a_post_to_the_connecting_client_is_410(whole: Client) -> None:
    """post_to_connection to the client whose own $connect runs is 410 GoneException."""
    socket, witness = whole.watched(["send", "self", "welcome"], ["info", "self"], ["close", "self"])
    assert [witness.outcome(step) for step in ("send", "info", "close")] == ["WebsocketDisconnectedError"] * 3
    assert socket.works()


def test_a24_too_many_handshakes_are_429(whole: Client) -> None:
    """New connections above the rate of the account are refused with 429."""
    with whole.fault("throttled", "$connect", times=1):
        assert [whole.handshake().status, whole.handshake().status] == [429, 101]
