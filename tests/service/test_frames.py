from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import errors, events, frames
from chalicelib.credentials import Secret
from chalicelib.events import Resumed
from chalicelib.memory import MemoryStore
from chalicelib.model import Change, Session
from chalicelib.rates import Limits
from chalicelib.sessions import END
from tests.service.fakes import ENDPOINT, FRESH, NOON, connection, new_session, write

ORIGINS = frozenset({"https://app.example"})
TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"

HEADERS = ['{ "alg":"HS256"}', '{\n"alg":"HS256"}', '\t{"alg":"HS256"}', ' \r\n { "alg":"HS256"}']
LEAKED = [f"{base64.urlsafe_b64encode(header.encode()).decode().rstrip('=')}.e30.c2ln" for header in HEADERS]
"""Tokens whose header begins with white space."""


def event(query: dict[str, list[str]] | None = None, **headers: list[str]) -> dict[str, Any]:
    """A $connect event as API Gateway sends it: without a query, it lacks the keys for one."""
    return {
        "multiValueHeaders": {name.replace("_", "-"): values for name, values in headers.items()},
        "requestContext": {"connectionId": "one=", "apiId": "abc123", "stage": "api"},
        **({"multiValueQueryStringParameters": query} if query else {}),
    }


def handshake(query: dict[str, list[str]] | None = None, **headers: list[str]) -> frames.Handshake:
    return frames.handshake(event(query, **headers), ORIGINS, "us-east-1")


JOIN = {"sessionId": ["s"]}


def test_the_token_travels_in_the_authorization_header() -> None:
    found = handshake(JOIN, Authorization=[f"Bearer {TOKEN}"])
    assert found == frames.Handshake("one=", "s", Secret(TOKEN), None, ENDPOINT)


@pytest.mark.parametrize(
    "offered", [["sessions.v1, bearer.abc"], ["sessions.v1", "bearer.abc"], ["x,sessions.v1,bearer.abc"]]
)
def test_or_in_the_subprotocol_and_the_answer_names_the_protocol_alone(offered: list[str]) -> None:
    found = handshake(JOIN, sec_websocket_protocol=offered)
    assert (found.credential.reveal(), found.subprotocol) == ("abc", "sessions.v1")


def test_the_header_decides_over_the_subprotocol() -> None:
    with pytest.raises(errors.Unauthenticated):
        handshake(JOIN, Authorization=["Basic x"], Sec_WebSocket_Protocol=["sessions.v1, bearer.abc"])


@pytest.mark.parametrize("offered", ["bearer.abc", "sessions.v2, bearer.abc", "SESSIONS.V1, bearer.abc", "x", ""])
def test_offers_without_the_protocol_are_refused(offered: str) -> None:
    for headers in ({}, {"Authorization": ["Bearer abc"]}):
        with pytest.raises(errors.InvalidRequest, match=r"sessions\.v1"):
            handshake(JOIN, Sec_WebSocket_Protocol=[offered], **headers)


@pytest.mark.parametrize("lines", [["Bearer abc", "Bearer abc"], ["Bearer abc", "Basic x"], ["Bearer abc, Bearer def"]])
def test_two_authorizations_are_refused(lines: list[str]) -> None:
    for headers in ({"Authorization": lines}, {"Authorization": lines[:1], "authorization": lines[1:] or lines}):
        with pytest.raises(errors.Unauthenticated):
            handshake(JOIN, **headers)


@pytest.mark.parametrize("query", [None, {"sessionId": [""]}, {"sessionId": ["a", "b"]}, {"session": ["a"]}])
def test_exactly_one_session_is_named(query: dict[str, list[str]] | None) -> None:
    with pytest.raises(errors.InvalidRequest):
        handshake(query, Authorization=["Bearer abc"])


@pytest.mark.parametrize(
    "leak",
    [
        {"token": [TOKEN]},
        {"access_token": ["x", TOKEN]},
        {"authorization": [f"Bearer {TOKEN}"]},
        {"protocol": [f"sessions.v1, bearer.{TOKEN}"]},
        {TOKEN: [""]},
        *({"token": [token]} for token in LEAKED),
        {"x": [f"x.{LEAKED[0]}"]},
    ],
)
def test_a_token_in_the_query_is_refused_even_beside_a_good_one(leak: dict[str, list[str]]) -> None:
    for query in ({**JOIN, **leak}, leak):
        with pytest.raises(errors.Unauthenticated, match="query"):
            handshake(query, Authorization=["Bearer abc"])


def test_the_token_is_not_in_what_a_handshake_looks_like() -> None:
    assert TOKEN not in repr(handshake(JOIN, Authorization=[f"Bearer {TOKEN}"]))


@pytest.mark.parametrize(
    "headers", [{}, {"Sec_WebSocket_Protocol": ["sessions.v1"]}, {"Sec_WebSocket_Protocol": ["sessions.v1, bearer."]}]
)
def test_a_handshake_without_a_credential_is_refused(headers: dict[str, list[str]]) -> None:
    with pytest.raises(errors.Unauthenticated):
        handshake(JOIN, **headers)


@pytest.mark.parametrize(
    "origin", ["https://app.example.evil", "http://app.example", "null", "https://APP.example", ""]
)
def test_an_origin_is_one_of_the_list_to_the_letter(origin: str) -> None:
    with pytest.raises(errors.OriginRefused):
        handshake(JOIN, Origin=[origin], Authorization=["Bearer abc"])


@pytest.mark.parametrize("origin", ["capacitor://localhost", "https://localhost", "ionic://localhost"])
def test_the_origin_of_a_native_app_may_be_listed(origin: str) -> None:
    headers = {"Origin": [origin], "Authorization": ["Bearer abc"]}
    assert frames.handshake(event(JOIN, **headers), frozenset({origin}), "us-east-1").session_id == "s"
    with pytest.raises(errors.OriginRefused):
        handshake(JOIN, **headers)


def test_no_origin_and_a_listed_one_are_let_in() -> None:
    for headers in ({}, {"Origin": ["https://app.example"]}):
        assert handshake(JOIN, Authorization=["Bearer abc"], **headers).session_id == "s"


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ('{"action":"hello"}', frames.Hello()),
        ('{"action":"hello","resume":{"seq":3}}', frames.Hello(3)),
        ('{"action":"hello","resume":{"seq":3.0}}', frames.Hello(3)),
        ('{"action":"publish","data":null}', frames.Publish(None)),
        ('{"action":"publish","data":{"a":[1]}}', frames.Publish({"a": [1]})),
        ('{"action":"send","to":"guest:ada","data":null}', frames.Send("guest:ada", None)),
        ('{"action":"refresh","token":"a.b.c"}', frames.Refresh(Secret("a.b.c"))),
        ('{"action":"ping"}', frames.Ping()),
    ],
)
def test_a_frame_is_an_action(text: str, action: frames.Action) -> None:
    assert frames.action(frames.envelope(text)) == action


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        '"hello"',
        "1",
        "null",
        "NaN",
        '{"action":"ping","id":true}',
        '{"id":1.5}',
        '{"id":"' + "a" * 129 + '"}',
        '{"id":[]}',
    ],
)
def test_a_text_that_is_not_an_envelope_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        frames.action(frames.envelope(text))


@pytest.mark.parametrize(
    "fields",
    [
        *({}, {"action": None}, {"action": "shout"}, {"action": ["ping"]}, {"action": "shout", "data": 1}),
        *({"action": "send", "data": 1}, {"action": "send", "to": "x"}, {"action": "send", "to": "", "data": 1}),
        *({"action": "send", "to": "x", "data": 1, "token": "x"}, {"action": "send", "to": "x" * 256, "data": 1}),
        *({"action": "refresh"}, {"action": "refresh", "token": ""}, {"action": "refresh", "token": "x", "to": "x"}),
        *({"action": "publish"}, {"action": "publish", "data": 1, "to": "x"}, {"action": "ping", "data": 1}),
        *(
            {"action": "hello", "resume": seq}
            for seq in (1, {}, {"seq": "1"}, {"seq": -1}, {"seq": True}, {"seq": 1, "x": 1})
        ),
    ],
)
def test_an_envelope_with_anything_else_in_it_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRequest):
        frames.action(frames.envelope(json.dumps(fields)))


@pytest.mark.parametrize("reply_to", ["a", "a" * 128, 7, None])
def test_an_answer_repeats_the_id(reply_to: str | int | None) -> None:
    envelope = frames.envelope(json.dumps({"action": "ping", **({} if reply_to is None else {"id": reply_to})}))
    expected = {"type": "pong"} if reply_to is None else {"type": "pong", "replyTo": reply_to}
    assert frames.replying({"type": "pong"}, envelope.reply_to) == expected


@pytest.mark.parametrize(("text", "reply_to"), [("7.0", 7), ("-0.0", 0), ("1e2", 100), ("1e125", 10**125)])
def test_an_id_that_is_whole_is_repeated_as_an_integer(text: str, reply_to: int) -> None:
    told = frames.envelope(f'{{"action":"ping","id":{text}}}').reply_to
    assert (type(told), float(str(told))) == (int, float(reply_to))


@pytest.mark.parametrize("text", ["7.5", "true", "null", "[]", "{}"])
def test_an_id_that_is_neither_text_nor_whole_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="id is text or a whole number"):
        frames.action(frames.envelope(f'{{"action":"ping","id":{text}}}'))


def test_a_frame_larger_than_api_gateway_carries_is_never_sent() -> None:
    fits = frames.message(1, "bob", "", NOON, "c")
    room = 131_072 - len(frames.text(fits))
    assert len(frames.text(frames.message(1, "bob", "x" * room, NOON, "c"))) == 131_072
    with pytest.raises(errors.TooLarge):
        frames.text(frames.message(1, "bob", "x" * (room - 1) + "é", NOON, "c"))


@pytest.fixture
def session() -> Session:
    return new_session(MemoryStore())


def test_welcome_says_who_one_is_and_until_when(session: Session) -> None:
    told = frames.welcome(connection(session.session_id, subject="alice"), session, FRESH, Limits())
    assert (told["role"], told["session"]["sessionId"], told["seq"]) == ("owner", session.session_id, 0)
    assert told["tokenExpiresAt"] == "2026-03-01T13:00:00.000Z"
    assert told["limits"] == {
        "messageBytes": 131_072,
        "frameBytes": 32_768,
        "idleSeconds": 600,
        "connectionSeconds": 7200,
        "pingSeconds": 45,
        "gapSeconds": 5,
        "framesPerSecond": 10,
        "sessionPublishesPerSecond": 50,
    }
    assert "2026-03-01T13:45" <= told["reconnectAt"] <= "2026-03-01T13:50:00.000Z"
    assert frames.welcome(connection(session.session_id), session, FRESH, Limits())["role"] == "participant"


def test_reconnects_of_one_moment_are_spread(session: Session) -> None:
    times = {frames.welcome(connection("s", f"{i}="), session, FRESH, Limits())["reconnectAt"] for i in range(100)}
    assert len(times) > 50


def test_waits_of_one_moment_are_spread() -> None:
    after, ids = timedelta(seconds=4.1), [f"request-{i}" for i in range(100)]
    waits = {frames.refusal(errors.RateLimited(after), one)["retryAfter"] for one in ids}
    assert waits == {5, 6, 7, 8, 9}, "the least wait, in whole seconds, and up to four more"
    pauses = {frames.closing(errors.TooFast("one=", after), one)["afterMs"] for one in ids}
    assert len(pauses) > 90
    assert 4_100 <= min(pauses) <= max(pauses) < 8_200
    assert frames.refusal(errors.RateLimited(timedelta()), "request-0")["retryAfter"] >= 1


def test_welcome_brings_what_was_missed_as_it_was_told(session: Session) -> None:
    kept = [events.message(replace(session, seq=seq), "bob", {"é": seq}, NOON, f"c-{seq}") for seq in (3, 5)]
    told = frames.welcome(connection("s"), session, Resumed(6, kept, recovered=True), Limits())
    missed = [frames.message(seq, "bob", {"é": seq}, NOON, f"c-{seq}") for seq in (3, 5)]
    assert (told["seq"], told["events"], told["recovered"]) == (6, missed, True)


def test_an_end_says_whether_anybody_wanted_it(session: Session) -> None:
    assert frames.session_ended(session.at(session.expires_at), "c")["reason"] == "expired"
    store = MemoryStore()
    ended = new_session(store)
    assert frames.session_ended(store.change_session(ended.session_id, END, write()).session, "c")["reason"] == "ended"


def test_a_change_is_told_under_its_own_seq_however_late() -> None:
    store = MemoryStore()
    session_id = new_session(store).session_id
    store.change_session(session_id, Change(title="Later"), write())
    store.take_seq(session_id, NOON)
    told = frames.change(store.take_seq(session_id, NOON), "c")
    assert (told["type"], told["seq"], told["session"]["title"]) == ("session.updated", 1, "Later")
    store.change_session(session_id, END, write())
    ended = store.find_session(session_id)
    assert ended is not None
    assert [frames.change(ended, "c")[name] for name in ("type", "seq")] == ["session.ended", 4]


def test_closing_tells_the_client_whether_to_come_back() -> None:
    assert frames.closing(errors.TokenExpired("one="), "c") == {
        "type": "closing",
        "code": "token_expired",
        "reason": "The token that opened this connection has expired; connect again with a new one.",
        "reconnect": "now",
        "correlationId": "c",
    }


def test_times_in_frames_are_of_the_millisecond() -> None:
    assert frames.message(1, "bob", 1, NOON + timedelta(microseconds=1999), "c")["at"] == "2026-03-01T12:00:00.001Z"
