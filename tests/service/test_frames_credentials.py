"""The credential of a handshake: the first that is there counts, alone."""

from __future__ import annotations

import pytest

from chalicelib import errors, frames
from tests.service.test_frames import JOIN, TOKEN, handshake

TICKET = "A" * 26


def credential(found: frames.Handshake) -> tuple[str, bool]:
    return found.credential.reveal(), found.by_ticket


@pytest.mark.parametrize(
    "offered",
    [
        f"sessions.v1, ticket.{TICKET}",
        f"ticket.{TICKET},sessions.v1",
        f"sessions.v1, ticket.{TICKET}, bearer.abc",
        f"sessions.v1, bearer., ticket.{TICKET}",
    ],
)
def test_a_ticket_travels_in_a_subprotocol(offered: str) -> None:
    found = handshake({**JOIN, "ticket": ["another"]}, sec_websocket_protocol=[offered])
    assert (credential(found), found.subprotocol) == ((TICKET, True), "sessions.v1")


def test_a_token_that_is_offered_before_a_ticket_counts() -> None:
    found = handshake(JOIN, sec_websocket_protocol=["sessions.v1, bearer.abc", f"ticket.{TICKET}"])
    assert credential(found) == ("abc", False)


def test_a_ticket_travels_in_the_query_of_who_can_set_nothing_else() -> None:
    query = {**JOIN, "ticket": [TICKET]}
    assert credential(handshake(query)) == (TICKET, True)
    found = handshake(query, sec_websocket_protocol=["sessions.v1"])
    assert (credential(found), found.subprotocol) == ((TICKET, True), "sessions.v1")


def test_the_header_counts_over_each_ticket() -> None:
    query, offered = {**JOIN, "ticket": [TICKET]}, [f"sessions.v1, ticket.{TICKET}"]
    found = handshake(query, Authorization=["Bearer abc"], sec_websocket_protocol=offered)
    assert credential(found) == ("abc", False)
    with pytest.raises(errors.Unauthenticated):
        handshake(query, Authorization=["Basic abc"], sec_websocket_protocol=offered)
    assert credential(handshake(JOIN, Authorization=[f"Bearer {TICKET}"])) == (TICKET, False), "never a ticket"


@pytest.mark.parametrize("sent", [[""], [TICKET, TICKET], [TICKET, ""]])
def test_exactly_one_ticket_is_in_the_query(sent: list[str]) -> None:
    with pytest.raises(errors.Unauthenticated):
        handshake({**JOIN, "ticket": sent})


def test_a_token_in_the_place_of_a_ticket_has_leaked() -> None:
    with pytest.raises(errors.Unauthenticated, match="query"):
        handshake({**JOIN, "ticket": [TOKEN]})


def test_the_ticket_is_not_in_what_a_handshake_looks_like() -> None:
    assert TICKET not in repr(handshake({**JOIN, "ticket": [TICKET]}))


def test_a_handshake_names_what_it_replaces() -> None:
    assert handshake({**JOIN, "replaces": ["Zm1xbfzZoAMCJUw="]}, Authorization=["Bearer abc"]).replaces is not None
    assert handshake(JOIN, Authorization=["Bearer abc"]).replaces is None
    for named in ([""], ["a=", "b="], ["x" * 129], ["a b"], ["é"], ["a\n"]):
        with pytest.raises(errors.InvalidRequest, match="replaces"):
            handshake({**JOIN, "replaces": named}, Authorization=["Bearer abc"])


def test_a_handshake_knows_its_page() -> None:
    authorization = ["Bearer abc"]
    page = "https://app.example"
    assert handshake(JOIN, Authorization=authorization).origin is None
    assert handshake(JOIN, Authorization=authorization, Origin=[page]).origin == page
    assert handshake(JOIN, Authorization=authorization, Origin=[page, page]).origin != page, "two pages are none"
