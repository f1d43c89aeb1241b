"""Section F: $disconnect."""

from __future__ import annotations

from tests.conformance.client import Client


def test_f5_a_close_without_a_code_is_1005(whole: Client) -> None:
    """A client's close frame without a code is reported as 1005, with the reason that says so."""
    socket, witness = whole.watched()
    socket.close()
    context = witness.report("disconnect")["event"]["requestContext"]
    assert context["disconnectStatusCode"] == 1005
    assert context["disconnectReason"] == "Client-side close frame status not set"
