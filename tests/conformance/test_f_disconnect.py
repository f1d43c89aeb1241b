"""Section F: $disconnect. F5 to F11 are its codes, by the cause of the close."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.client import GONE, Client
from tests.conformance.websocket import BINARY, Socket


def at_disconnect(client: Client, socket: Socket, *steps: Any) -> None:
    """Sets the orders of this connection's $disconnect."""
    assert client.http("PUT", f"/leave/{socket.quoted_id}", body=json.dumps(steps)).status == 200


def reported(witness: Socket) -> tuple[int, str]:
    context = witness.report("disconnect")["event"]["requestContext"]
    return context["disconnectStatusCode"], context["disconnectReason"]


@pytest.mark.parametrize("by", ["client", "server"])
def test_f1_disconnect_runs_after_the_socket_is_closed(whole: Client, by: str) -> None:
    """$disconnect runs after the socket is closed, by either side; it may be lost."""
    socket, witness = whole.watched()
    with whole.holding("f1") as name:
        at_disconnect(whole, socket, ["hold", name])
        if by == "client":
            socket.close()
        else:
            whole.connections().delete_connection(ConnectionId=socket.id)
            socket.closed()
        assert witness.report("disconnect")["event"]["requestContext"]["connectionId"] == socket.id


@pytest.mark.parametrize("steps", [[["return", {"statusCode": 500, "body": "no"}]], [["raise", "broken"]]])
def test_f2_what_disconnect_returns_is_seen_by_nobody(whole: Client, steps: list[Any]) -> None:
    """Neither the result nor an error of $disconnect affects any client."""
    socket, witness = whole.watched()
    at_disconnect(whole, socket, *steps)
    socket.close()
    witness.report("disconnect")
    assert socket.wire.rest() == b""
    assert witness.works()


def test_f3_a_connection_is_gone_in_its_own_disconnect(whole: Client) -> None:
    """A call of @connections for the id inside its $disconnect is 410."""
    socket, witness = whole.watched()
    at_disconnect(whole, socket, ["send", "self", "goodbye"], ["info", "self"], ["close", "self"])
    socket.close()
    witness.report("disconnect")
    assert [witness.outcome(step) in GONE for step in ("send", "info", "close")] == [True] * 3


def test_f4_a_refused_connection_has_no_disconnect(whole: Client) -> None:
    """$disconnect does not run for a connection that $connect refused."""
    witness = whole.witness()
    socket = whole.handshake(["return", {"statusCode": 403}], query=f"witness={witness.quoted_id}")
    witness.report("connect")
    assert socket.status >= 400
    whole.connect(query=f"witness={witness.quoted_id}").close()
    of = witness.report("connect")["event"]["requestContext"]["connectionId"]
    assert witness.report("disconnect")["event"]["requestContext"]["connectionId"] == of  # its first event


def test_f5_a_close_without_a_code_is_1005(whole: Client) -> None:
    """A client's close frame without a code: 1005, Client-side close frame status not set."""
    socket, witness = whole.watched()
    socket.close()
    assert reported(witness) == (1005, "Client-side close frame status not set")


def test_f6_a_page_that_is_left_is_1001(whole: Client) -> None:
    """A browser that leaves the page: 1001, no reason."""
    socket, witness = whole.watched()
    socket.close(1001)
    assert reported(witness) == (1001, "")


def test_f8_a_delete_is_1000(whole: Client) -> None:
    """DeleteConnection: 1000, Connection Closed Normally."""
    socket, witness = whole.watched()
    whole.connections().delete_connection(ConnectionId=socket.id)
    assert reported(witness) == (1000, "Connection Closed Normally")


def test_f11_what_is_not_allowed_closes_the_socket_and_runs_disconnect(whole: Client) -> None:
    """A binary frame closes the socket with 1003, too large a frame with 1009, and $disconnect runs."""
    for frame, code in (((b"\0\1", BINARY), 1003), ((b"x" * 33_000, 1), 1009)):
        socket, witness = whole.watched()
        socket.wire.frame(*frame)
        assert socket.closed() == code  # see C13 and D1
        assert witness.report("disconnect")["event"]["requestContext"]["connectionId"] == socket.id
