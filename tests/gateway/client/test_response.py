"""A response, and the two errors that carry one."""

from __future__ import annotations

import gzip
from datetime import timedelta

import pytest

from pytest_sessionplugin.gateway.client.request import HeaderMap, SentRequest
from pytest_sessionplugin.gateway.client.response import HandshakeRefused, HTTPStatusError, Response
from pytest_sessionplugin.gateway.values import Reply
from tests.gateway.client.fakes import response

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


def test_it_is_decompressed_and_its_repr_has_no_token() -> None:
    packed = gzip.compress(f'{{"token": "{JWT}"}}'.encode())
    shown = response(Reply(200, (("Content-Encoding", "gzip"),), packed), "/token")
    assert shown.json() == {"token": JWT}
    assert repr(shown) == '<Response 200 OK of GET /token: {"token": "eyJ…"}>'


@pytest.mark.parametrize(
    ("status", "phrase", "is_success", "is_error"),
    [
        (200, "OK", True, False),
        (299, "", True, False),
        (304, "Not Modified", False, False),
        (404, "Not Found", False, True),
        (502, "Bad Gateway", False, True),
        (600, "", False, False),
    ],
)
def test_a_status_is_a_success_or_an_error_or_neither(
    status: int, phrase: str, is_success: bool, is_error: bool
) -> None:
    shown = response(Reply(status))
    assert (shown.reason_phrase, shown.is_success, shown.is_error) == (phrase, is_success, is_error)
    if is_success:
        assert shown.raise_for_status() is shown
    else:
        with pytest.raises(HTTPStatusError):
            shown.raise_for_status()


def test_the_error_of_a_status_has_the_evidence_and_no_token() -> None:
    refused = response(Reply(403, (), f'{{"message": "no {JWT}"}}'.encode()), f"/rooms?token={JWT}")
    with pytest.raises(HTTPStatusError) as raised:
        refused.raise_for_status()
    assert str(raised.value) == '403 Forbidden of GET /rooms?token=eyJ…: {"message": "no eyJ…"}'
    assert raised.value.response is refused
    assert raised.value.request is refused.request


def test_a_long_body_is_cut_and_an_empty_one_is_said() -> None:
    assert repr(response(Reply(200, (), b"x" * 501))).endswith(f": {'x' * 500}… (501 characters)>")
    assert repr(response(Reply(204))) == "<Response 204 No Content of GET /: no body>"


def test_a_body_that_is_not_json_is_shown() -> None:
    with pytest.raises(ValueError, match=r"^not JSON: 502 Bad Gateway of GET /: <html>$"):
        response(Reply(502, (), b"<html>")).json()


def test_cookies_are_those_that_it_sets() -> None:
    cookies = (("Set-Cookie", 'a="1"; Path=/; Secure'), ("set-cookie", "b=x=y"), ("Set-Cookie", "c=; Max-Age=0"))
    shown = response(Reply(200, cookies))
    assert shown.cookies == {"a": "1", "b": "x=y", "c": ""}
    assert shown.headers.get_list("set-cookie")[2] == "c=; Max-Age=0"


def test_a_refused_handshake_is_a_response_with_its_body_in_its_text() -> None:
    request = SentRequest("GET", f"wss://socket.example/api/?token={JWT}", f"/?token={JWT}", HeaderMap(()))
    reply = Reply(401, (("Content-Type", "application/json"),), b'{"message": "Unauthorized"}')
    refused = HandshakeRefused(reply, request, timedelta(seconds=1))
    assert isinstance(refused, Response)
    assert str(refused) == (
        'the handshake was refused: 401 Unauthorized of GET /?token=eyJ…: {"message": "Unauthorized"}'
    )
    assert repr(refused) == '<HandshakeRefused 401 Unauthorized of GET /?token=eyJ…: {"message": "Unauthorized"}>'
    assert (refused.status_code, refused.json()["message"], refused.is_error) == (401, "Unauthorized", True)
    assert (refused.headers["content-type"], refused.elapsed.total_seconds()) == ("application/json", 1)
    with pytest.raises(HTTPStatusError):
        refused.raise_for_status()
