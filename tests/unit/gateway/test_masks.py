"""What a failing test shows has no credentials in it; what is sent is as it was."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.gateway.http_client import with_defaults
from pytest_sessionplugin.gateway.masks import Masked, masked, masked_bytes, masked_header
from pytest_sessionplugin.gateway.responses import Response
from pytest_sessionplugin.gateway.values import Reply
from pytest_sessionplugin.gateway.websocket import Exchanged

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."


def test_a_jwt_is_masked_wherever_it_stands() -> None:
    assert masked(f'{{"token":"{JWT}"}}') == '{"token":"eyJ…"}'
    assert masked_bytes(b"\xff" + JWT.encode() + b" x") == b"\xff" + "eyJ… x".encode()
    assert masked("eyJ is no token, and neither is a.b.c") == "eyJ is no token, and neither is a.b.c"
    assert str(Exchanged("sent", f"refresh {JWT}x")).endswith("sent  refresh eyJ…")
    assert JWT not in repr(Response.of(Reply(401), f"GET /?token={JWT}"))


@pytest.mark.parametrize(("name", "value"), [("authorization", "Basic x"), ("Cookie", "x"), ("X-Api-Key", "x")])
def test_a_header_with_a_credential_is_masked_whole(name: str, value: str) -> None:
    assert masked_header(name, value) == "…"
    with pytest.raises(ValueError, match="…") as refused:
        with_defaults({name: f"{value}\n"}, None, {})
    assert value not in str(refused.value).partition("value")[2]


def test_a_masked_text_is_the_same_text() -> None:
    text = Masked(JWT)
    assert text == JWT
    assert f"Bearer {text}" == f"Bearer {JWT}"
    assert repr(text) == "'eyJ…'"
