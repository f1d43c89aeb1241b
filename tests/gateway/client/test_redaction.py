"""A failing test shows no credentials, and sends them unchanged."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.gateway.client.http import Response, with_defaults
from pytest_sessionplugin.gateway.client.redaction import Masked, masked, masked_bytes, masked_header
from pytest_sessionplugin.gateway.client.websocket import Exchanged
from pytest_sessionplugin.gateway.values import Reply

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."


def test_a_jwt_is_masked_wherever_it_stands() -> None:
    assert masked(f'{{"token":"{JWT}"}}') == '{"token":"eyJ…"}'
    assert masked_bytes(b"\xff" + JWT.encode() + b" x") == b"\xff" + "eyJ… x".encode()
    assert masked("eyJ is not a token, nor is a.b.c") == "eyJ is not a token, nor is a.b.c"
    assert str(Exchanged("sent", f"refresh {JWT}x")).endswith("sent  refresh eyJ…")
    assert JWT not in repr(Response.of(Reply(401), f"GET /?token={JWT}"))


@pytest.mark.parametrize(("name", "value"), [("authorization", "Basic x"), ("Cookie", "x"), ("X-Api-Key", "x")])
def test_a_header_with_a_credential_is_masked_whole(name: str, value: str) -> None:
    assert masked_header(name, value) == "…"
    with pytest.raises(ValueError, match="…") as refused:
        with_defaults({name: f"{value}\n"}, None, {})
    assert value not in str(refused.value).partition("value")[2]


@pytest.mark.parametrize("wrong", ["opaque s3cret\n", "opaque s3cret \N{SNOWMAN}"])
def test_a_header_that_cannot_be_sent_names_itself_and_shows_no_frame_with_its_value(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"^header 'Authorization' cannot have the value '…'$") as refused:
        with_defaults({}, wrong, {})
    assert all(entry.ishidden(refused) for entry in refused.traceback[1:])


def test_what_is_not_a_jwt_and_was_masked_once_is_masked_wherever_it_stands() -> None:
    secret = Masked("opaque/s3cret value")
    assert masked(f"?token={secret}&again=opaque%2Fs3cret+value") == "?token=opa…&again=opa…"
    assert secret not in repr(Response.of(Reply(200, (), secret.encode())))
    assert "s3cret" not in repr(Response.of(Reply(200), "GET /?token=opaque%2Fs3cret+value"))
    Masked("word")
    assert masked("a word") == "a word"


def test_an_encrypted_token_is_masked_whole() -> None:
    header = "eyJhbGciOiJkaXIifQ"
    assert masked(f"x {header}..aXY.Y2lwaGVy.dGFn y") == "x eyJ… y"


def test_nothing_that_a_failed_assertion_shows_has_a_jwt_in_it() -> None:
    response = Response.of(Reply(200, (("Set-Cookie", "x=y"), ("X-Token", JWT)), b"x" * 480 + JWT.encode()))
    for shown in (response, response.headers, Exchanged("received", JWT), Exchanged("sent", JWT.encode())):
        assert JWT[:30] not in repr(shown)
    assert "x=y" not in repr(response.headers)
    assert JWT[:30] not in str(Exchanged("sent", "x" * 480 + JWT))


def test_a_masked_text_is_the_same_text() -> None:
    text = Masked(JWT)
    assert text == JWT
    assert f"Bearer {text}" == f"Bearer {JWT}"
    assert repr(text) == "'eyJ…'"
