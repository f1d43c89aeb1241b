"""docs/api.md says who comes back after each close and each refused handshake."""

from __future__ import annotations

import re

import pytest

from chalicelib import errors
from tests.contracts.documents import CONTRACTS, load
from tests.contracts.test_catalogue import NONE
from tests.contracts.test_catalogue import ROWS as CODES
from tests.contracts.test_openapi import subclasses
from tests.sources import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
CLOSES = re.findall(r"^\| (?:`([\w.]+)`(?: `(\w+)`)?|any other) \| (\d+|other) \| .*? \| (.*?) \|$", PAGE, re.MULTILINE)
CLOSINGS = {code: who for frame, code, _, who in CLOSES if frame == "closing"}
REFUSED = re.findall(r"^\| (\d{3}[^|]*) \| (`[^|]*`) \| .*? \|$", PAGE, re.MULTILINE)
GROUPED = {"throttled", "internal_error", "unavailable"}
"""Codes of one row, each with one of its statuses."""
BY_ITSELF = {"now": "the client, now", "after": "the client, when `afterMs` is over", "never": "nobody"}


def test_the_table_has_each_code_of_closing_and_no_other() -> None:
    assert set(CLOSINGS) == set(load(CONTRACTS / "schemas" / "closing.json")["properties"]["code"]["enum"])


@pytest.mark.parametrize("kind", sorted(subclasses(errors.NotConnected), key=str))
def test_a_client_comes_back_when_the_frame_says(kind: type[errors.NotConnected]) -> None:
    assert CLOSINGS[kind.code].startswith(BY_ITSELF[kind.reconnect])


def test_the_table_ends_a_session_and_has_each_code_of_api_gateway() -> None:
    assert ("session.ended", "", "1000", "nobody") in CLOSES
    assert [code for frame, _, code, _ in CLOSES if not frame] == [
        *("1000", "1001", "1003", "1005", "1006", "1009", "other"),
    ]


def test_the_second_table_has_each_status_and_code_of_a_refused_handshake() -> None:
    told = {
        (status, code)
        for statuses, codes in REFUSED
        for status in re.findall(r"\d{3}", statuses)
        for code in re.findall(r"`(\w+)`", codes)
    }
    expected = {(handshake, code) for code, (_, handshake, _) in CODES.items() if handshake != NONE}
    assert expected <= told
    assert {status for status, _ in told} == {status for status, _ in expected}
    assert {code for _, code in told - expected} == {"not_owner", *GROUPED}  # the first is of tickets alone
