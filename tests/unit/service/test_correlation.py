"""Which correlation id a request gets: the client's if it is harmless, else its own."""

from __future__ import annotations

import pytest

from chalicelib.correlation import correlation_id
from chalicelib.http import Request


@pytest.mark.parametrize("sent", ["a", "9f1c-22", "JKJaXmPLvHcESHA=", "Root=1-67891233-abcdef", "x" * 128])
def test_what_the_client_sent_is_kept(sent: str) -> None:
    assert correlation_id(sent, "own") == sent


JWT = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"


@pytest.mark.parametrize("sent", [None, "", "x" * 129, "a b", "a\nb", "a\x1b[31m", "é", 'a"b', "a\n", JWT, f"x:{JWT}"])
def test_what_is_not_harmless_is_left_for_the_id_of_the_request(sent: str | None) -> None:
    assert correlation_id(sent, "own") == "own"


def test_it_is_a_header_of_the_request() -> None:
    assert Request("own", "/", {"x-correlation-id": "theirs"}, {}, b"").correlation_id == "theirs"
    assert Request("own", "/", {}, {}, b"").correlation_id == "own"
