"""Section A: the handshake and $connect."""

from __future__ import annotations

import pytest

from tests.conformance.client import GONE, Client, new_name
from tests.conformance.websocket import lowered


@pytest.mark.parametrize("slash", ["", "/"])
def test_a1_the_url_is_the_stage(whole: Client, slash: str) -> None:
    """A client connects to the stage, with or without a slash at the end, by a URL of 4,096 characters at most."""
    assert whole.connect(path=slash).works()
    assert whole.handshake(path=slash, query=f"padding={'x' * 4096}").status >= 400


def test_a2_the_upgrade_is_pending_until_connect_has_returned(whole: Client) -> None:
    """Order is $connect, then 101: while the function runs the client has no answer."""
    witness = whole.witness()
    with whole.holding("a2") as name:
        socket = whole.handshake(["hold", name], query=f"witness={witness.quoted_id}")
        witness.report("connect")
        assert socket.is_pending()
    assert socket.status == 101


def test_a3_without_a_connect_route_everybody_is_accepted(listening: Client) -> None:
    """Without a $connect route the connection is accepted and no function runs."""
    socket = listening.connect()
    socket.text("hello")
    assert socket.read() == "hello"


def test_a4_default_is_for_messages_alone(listening: Client) -> None:
    """$default does not replace a missing $connect or $disconnect."""
    other = listening.connect()

    def runs() -> int:
        other.text("how often?")
        return int(other.read())

    before = runs()
    socket = listening.connect(query="hello=1")
    socket.text("hello")
    assert socket.read() == "hello"
    socket.close()
    assert [runs(), runs(), runs()] == [before + 2, before + 3, before + 4]  # its message and these, nothing else


@pytest.mark.parametrize("status", [200, 201, 299, 302, 400, 401, 403, 404, 418, 500, 503])
def test_a5_a_refusal_has_the_status_that_connect_returned(whole: Client, status: int) -> None:
    """A statusCode of 2xx lets a client in; any other refuses the handshake with that same HTTP status."""
    assert whole.handshake(["return", {"statusCode": status}]).status == (101 if status < 300 else status)


def test_a6_connect_returns_200_and_the_client_gets_101(whole: Client) -> None:
    """The function answers 200, and the gateway turns it into the 101."""
    assert whole.handshake(["return", {"statusCode": 200}]).status == 101


@pytest.mark.parametrize("step", [["raise", "broken"], ["exit"], ["return", {"statusCode": "many"}]])
def test_a7_a_connect_that_fails_is_502(whole: Client, step: list[object]) -> None:
    """A $connect that raises, dies or returns a malformed result refuses with 502."""
    assert whole.handshake(step).status == 502


def test_a8_a_connect_that_takes_29_seconds_is_refused(whole: Client) -> None:
    """A $connect slower than 29 s: the connection is not made."""
    witness = whole.witness()
    with whole.holding("a8") as name:
        socket = whole.handshake(["hold", name], query=f"witness={witness.quoted_id}")
        witness.report("connect")
        whole.advance(29, grace=0)
        assert socket.status >= 400  # never observed which one


def test_a18_an_authorizer_may_answer_8_kb(whole: Client) -> None:
    """The answer of a Lambda authorizer may have 8 KB; a larger one refuses the handshake."""

    def asked(size: int) -> int:
        token = f"large {size} {new_name('a18')}"
        return whole.http("GET", "/guarded/one", {"Authorization": token}).status

    assert asked(7_000) == 200
    assert asked(9_000) >= 400


def test_a19_of_what_connect_returns_only_the_subprotocol_reaches_the_client(whole: Client) -> None:
    """Only Sec-WebSocket-Protocol of a $connect's response headers is copied; others and the body are dropped."""
    headers = {"Sec-WebSocket-Protocol": "b", "X-Mine": "1", "Set-Cookie": "a=b"}
    socket = whole.connect(
        ["respond", {"body": "welcome", "headers": headers}], headers=("Sec-WebSocket-Protocol: a, b",)
    )
    assert socket.answer.header("Sec-WebSocket-Protocol") == "b"
    assert socket.answer.header("X-Mine") is None
    assert socket.answer.header("Set-Cookie") is None
    assert socket.works()  # bytes after the 101 are not a body


def test_a20_no_subprotocol_is_chosen_but_by_connect(whole: Client) -> None:
    """The offered subprotocols reach $connect, and the 101 has one only if the function returned it."""
    offer = ("Sec-WebSocket-Protocol: a, b",)
    socket, _ = whole.watched(headers=offer)
    assert lowered(socket.connect_event["headers"])["sec-websocket-protocol"] == "a, b"
    assert socket.answer.header("Sec-WebSocket-Protocol") is None
    chosen = {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "b"}}
    assert whole.connect(["return", chosen], headers=offer).answer.header("Sec-WebSocket-Protocol") == "b"


def test_a21_no_message_is_routed_before_connect_has_let_its_client_in(whole: Client) -> None:
    """Frames sent before $connect has returned reach no route, and none at all if the handshake is refused."""
    witness = whole.witness()
    with whole.holding("a21") as name:
        steps = (["hold", name], ["return", {"statusCode": 403}])
        socket = whole.handshake(*steps, query=f"witness={witness.quoted_id}")
        witness.report("connect")
        socket.say(witness=witness.id)
    assert socket.status >= 400
    assert witness.works()  # the next message is its own
    assert witness.works()


def test_a22_a_post_to_the_connecting_client_is_410(whole: Client) -> None:
    """post_to_connection to a client whose own $connect still runs is 410 GoneException."""
    socket, witness = whole.watched(["send", "self", "welcome"])
    assert witness.outcome("send") in GONE
    assert socket.works()  # and the post does not arrive later


def test_a24_too_many_handshakes_are_429(whole: Client) -> None:
    """New connections above the account's rate are refused with 429."""
    with whole.fault("throttled", "$connect", times=1):
        assert [whole.handshake().status, whole.handshake().status] == [429, 101]
