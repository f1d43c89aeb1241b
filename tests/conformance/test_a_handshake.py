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
    socket = whole.handshake(["hold", name], query=f"witness={witness.id.replace('=', '%3D')}")
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
