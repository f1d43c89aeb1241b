"""A failing test shows no credentials, and sends them unchanged."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from pytest_sessionplugin.gateway import redaction
from pytest_sessionplugin.gateway.client.request import with_defaults
from pytest_sessionplugin.gateway.client.websocket import Frame
from pytest_sessionplugin.gateway.redaction import RedactedText, brief, redacted, redacted_bytes, redacted_header
from pytest_sessionplugin.gateway.values import (
    Accept,
    Handshake,
    Invoke,
    Manage,
    Message,
    Observed,
    Reply,
    Request,
    Respond,
    Returned,
    Send,
)
from tests.gateway.client.fakes import response

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9."


def test_a_jwt_is_redacted_wherever_it_stands() -> None:
    assert redacted(f'{{"token":"{JWT}"}}') == '{"token":"eyJ…"}'
    assert redacted_bytes(b"\xff" + JWT.encode() + b" x") == b"\xff" + "eyJ… x".encode()
    assert redacted("eyJ is not a token, nor is a.b.c") == "eyJ is not a token, nor is a.b.c"
    assert str(Frame("sent", f"refresh {JWT}x")).endswith("sent  refresh eyJ…")
    assert JWT not in repr(response(Reply(401), f"/?token={JWT}"))


@pytest.mark.process
@pytest.mark.parametrize("part", ["a-", "a.", "token-"])
def test_a_long_text_is_read_once_and_not_again_from_each_of_its_words(part: str) -> None:
    """Read again, it would take hours."""
    script = f"from pytest_sessionplugin.gateway.redaction import redacted; redacted({part!r} * 50_000)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize(
    ("pattern", "part"), [(redaction._JWT, "eyJ"), (redaction._SUBPROTOCOL, "ticket.")], ids=["jwt", "ticket"]
)
def test_a_long_word_without_a_credential_is_one_match(pattern: re.Pattern[str], part: str) -> None:
    """A search that failed would read the word again from each of its parts."""
    text = part * 50
    assert [found[0] for found in pattern.finditer(text)] == [text]
    assert redacted(text) == text


def test_the_name_of_a_subprotocol_is_looked_for_from_its_first_letter_alone() -> None:
    text = f"{'a' * 50}token.x"
    assert [at for at in range(len(text)) if redaction._OFFERED.match(text, at)] == [0]


def test_a_long_part_is_a_ticket_without_any_digit() -> None:
    long = "abcdefghijklmnopqrstuv"
    assert redacted(f"ticket.bearer.{long}.x ticket.{long}") == "ticket.bearer.abc….x ticket.abc…"
    assert redacted("eyJhbGci.eyJhbGci.c") == "eyJ…"


@pytest.mark.parametrize(("name", "value"), [("authorization", "Basic x"), ("Cookie", "x"), ("X-Api-Key", "x")])
def test_a_header_with_a_credential_is_redacted_whole(name: str, value: str) -> None:
    assert redacted_header(name, value) == "…"
    with pytest.raises(ValueError, match="…") as refused:
        with_defaults(((name, f"{value}\n"),), None, {})
    assert value not in str(refused.value).partition("value")[2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("chat, ticket.open-sesame,x", "chat, ticket.…,x"),
        ("Bearer.sesame", "Bearer.…"),
        ("access_token.a.b, chat.v1", "access_token.…, chat.v1"),
    ],
)
def test_a_subprotocol_with_a_credential_is_redacted_whatever_it_is(value: str, expected: str) -> None:
    assert redacted_header("sec-websocket-protocol", value) == expected
    assert "sesame" not in repr(Handshake("c", "/", "", (("Sec-WebSocket-Protocol", value),)))


@pytest.mark.parametrize("wrong", ["opaque s3cret\n", "opaque s3cret \N{SNOWMAN}"])
def test_a_header_that_cannot_be_sent_names_itself_and_shows_no_frame_with_its_value(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"^header 'Authorization' cannot have the value '…'$") as refused:
        with_defaults((), wrong, {})
    assert all(entry.ishidden(refused) for entry in refused.traceback[1:])


def test_what_is_not_a_jwt_and_was_redacted_once_is_redacted_wherever_it_stands() -> None:
    secret = RedactedText("opaque/s3cret value")
    assert redacted(f"?token={secret}&again=opaque%2Fs3cret+value") == "?token=opa…&again=opa…"
    assert secret not in repr(response(Reply(200, (), secret.encode())))
    assert "s3cret" not in repr(response(Reply(200), "/?token=opaque%2Fs3cret+value"))
    RedactedText("word")
    assert redacted("a word") == "a word"


def test_an_encrypted_token_is_redacted_whole() -> None:
    header = "eyJhbGciOiJkaXIifQ"
    assert redacted(f"x {header}..aXY.Y2lwaGVy.dGFn y") == "x eyJ… y"


def test_nothing_that_a_failed_assertion_shows_has_a_jwt_in_it() -> None:
    shown_whole = response(Reply(200, (("Set-Cookie", "x=y"), ("X-Token", JWT)), b"x" * 480 + JWT.encode()))
    for shown in (shown_whole, shown_whole.headers, Frame("received", JWT), Frame("sent", JWT.encode())):
        assert JWT[:30] not in repr(shown)
    assert "x=y" not in repr(shown_whole.headers)
    assert JWT[:30] not in str(Frame("sent", "x" * 480 + JWT))


def test_a_redacted_text_is_the_same_text() -> None:
    text = RedactedText(JWT)
    assert text == JWT
    assert f"Bearer {text}" == f"Bearer {JWT}"
    assert repr(text) == "'eyJ…'"


OPAQUE = "s3cr3t-0123456789"
TICKET = "qQvWvHTmyTyTysXcKAbNdR"  # no digit, as one of forty
BODY = f'{{"password": "{OPAQUE}"}}'.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"/login?access_token={OPAQUE}&x=1", "/login?access_token=s3c…&x=1"),
        (f"ticket={OPAQUE}", "ticket=s3c…"),
        (f'{{"apiKey": "{OPAQUE}", "name": "a long enough name"}}', '{"apiKey": "s3c…", "name": "a long enough name"}'),
        (f"{{'password': '{OPAQUE}'}}", "{'password': 's3c…'}"),
        (f"Bearer {OPAQUE} is refused", "Bearer … is refused"),
        (f'["sessions.v1", "ticket.{TICKET}"]', '["sessions.v1", "ticket.qQv…"]'),
        (f"sessions.v1, bearer.{OPAQUE}.{OPAQUE}", "sessions.v1, bearer.s3c…"),
        (f"/rooms?id=1&ticket={TICKET}", "/rooms?id=1&ticket=qQv…"),
        ("ticket.py, app.ticket.TicketUsed, bearer.scheme", "ticket.py, app.ticket.TicketUsed, bearer.scheme"),
        ("a bearer token is missing: token: none", "a bearer token is missing: token: none"),
        ('{"token_use": "an access token"}', '{"token_use": "an access token"}'),
    ],
)
def test_a_value_whose_name_says_that_it_is_secret_is_redacted(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "what",
    [
        Request("r", "POST", "/", f"token={OPAQUE}", (("Authorization", OPAQUE),), BODY),
        Request("r", "GET", "/", claims={"token": OPAQUE}),
        Handshake("c", "/", f"ticket={OPAQUE}", (("Cookie", OPAQUE),)),
        Invoke("i", "f", {"headers": {"authorization": OPAQUE}, "multiValueHeaders": {"Authorization": [OPAQUE]}}),
        Invoke("i", "f", {"type": "TOKEN", "authorizationToken": OPAQUE}),
        Returned("i", {"body": f'{{"token": "{OPAQUE}"}}'}),
        Respond("r", Reply(200, (("Set-Cookie", OPAQUE),), f'{{"token": "{OPAQUE}"}}'.encode())),
        Message("c", f'{{"type": "auth", "token": "{OPAQUE}"}}'),
        Send("c", f'{{"token": "{OPAQUE}"}}'),
        Manage("POST", "host", "/api/@connections/c", f'{{"token": "{OPAQUE}"}}'.encode()),
        Accept("c", JWT),
        Accept("c", f"ticket.{OPAQUE}"),
        Handshake("c", "/", "", (("Sec-WebSocket-Protocol", f"chat, ticket.{OPAQUE}"),)),
        Invoke("i", "f", {"multiValueHeaders": {"Sec-WebSocket-Protocol": [f"chat, Bearer.{OPAQUE}"]}}),
    ],
    ids=lambda what: type(what).__name__,
)  # fmt: skip
def test_an_element_of_the_trace_is_printed_without_credentials(what: Any) -> None:
    printed = f"{what} {Observed(1.0, what, error=ValueError(f'Bearer {OPAQUE}'))!r} {[what]}"
    assert OPAQUE not in printed
    assert JWT[:30] not in printed
    assert f"{type(what).__name__}(" in printed


def test_the_rest_of_an_element_is_printed_as_it_is() -> None:
    request = Request("r", "GET", "/rooms", "x=1", (("Accept", "a/b"),), b"{}")
    assert repr(request) == (
        "Request(id='r', method='GET', path='/rooms', query='x=1', headers=(('Accept', 'a/b'),), body=b'{}', "
        "source_ip='127.0.0.1', claims=None)"
    )


def test_a_value_is_shown_in_brief_and_without_credentials() -> None:
    class Held:
        def __repr__(self) -> str:
            return f"Held({JWT})"

    assert brief({"token": "0123456789"}) == "{'token': '…'}"
    assert brief("x" * 500) == f"'{'x' * 199}…"
    assert brief(Held()) == "Held(eyJ…)"
    assert brief(10**5000) == "a number that is too long"
