"""Compressed requests and answers, in the pure core."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import pytest

from pytest_sessionplugin.gateway.core import routing
from pytest_sessionplugin.gateway.core.compression import NotEncoded, decompressed
from pytest_sessionplugin.gateway.values import Authorizer, AuthorizerKind, Invoke, Reply, Request, Respond, Route
from tests.gateway.client.fakes import response
from tests.gateway.core.desk import API, Desk, only

TEXT = b"a room with a view " * 10
GZIPPED = gzip.compress(TEXT, mtime=0)
DEFLATED = zlib.compress(TEXT)
SHORT = 100_000  # bytes, in the place of 10 MB


def sent(body: bytes, coding: str | None, content_type: str = "text/plain") -> Request:
    headers = (("Content-Type", content_type), *((("content-ENCODING", coding),) if coding is not None else ()))
    return Request("r1", "POST", "/rooms", headers=headers, body=body)


class TestRequest:
    @pytest.mark.parametrize(
        ("body", "coding"),
        [(GZIPPED, "gzip"), (GZIPPED, " GZip "), (DEFLATED, "deflate"), (TEXT, "identity"), (TEXT, "")],
        ids=range(5),
    )
    def test_reaches_the_function_plain_with_its_headers(self, body: bytes, coding: str) -> None:
        event = only(Desk().receive(sent(body, coding)), Invoke).event
        assert (event["body"], event["isBase64Encoded"]) == (TEXT.decode(), False)
        assert event["headers"]["content-ENCODING"] == coding

    def test_that_is_binary_is_decompressed_before_it_becomes_base64(self) -> None:
        event = only(Desk().receive(sent(gzip.compress(b"\xff\x00"), "gzip", "image/png")), Invoke).event
        assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)

    @pytest.mark.parametrize("coding", ["gzip", "deflate", None])
    def test_without_a_body_has_none(self, coding: str | None) -> None:
        assert only(Desk().receive(sent(b"", coding)), Invoke).event["body"] is None

    @pytest.mark.parametrize(
        ("body", "coding"),
        [
            (TEXT, "br"),
            (b"", "br"),
            (TEXT, "gzip"),
            (TEXT, "deflate"),
            (DEFLATED, "gzip"),
            (GZIPPED, "deflate"),
            (GZIPPED[:-1], "gzip"),
            (GZIPPED[:-5] + b"\0" + GZIPPED[-4:], "gzip"),
            (GZIPPED + b"more", "gzip"),
            (GZIPPED + GZIPPED, "gzip"),
            (zlib.compress(DEFLATED), "deflate, deflate"),
        ],
        ids=range(11),
    )
    def test_in_no_coding_or_not_in_the_one_it_names_is_415(self, body: bytes, coding: str) -> None:
        assert only(Desk().receive(sent(body, coding)), Respond).reply.status == 415

    @pytest.mark.parametrize(("size", "is_answered"), [(SHORT, False), (SHORT + 1, True)])
    def test_counts_as_long_as_it_is_decompressed(
        self, size: int, is_answered: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The limit itself has a test on each target."""
        monkeypatch.setattr(routing, "MAX_BODY", SHORT)
        (effect,) = Desk().receive(sent(gzip.compress(bytes(size), 1), "gzip", "image/png"))
        if is_answered:
            assert isinstance(effect, Respond)
            assert effect.reply.status == 413
        else:
            assert isinstance(effect, Invoke)

    def test_is_decompressed_no_further_than_it_may_be_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(routing, "MAX_BODY", SHORT)
        bomb = gzip.compress(bytes(20 * SHORT), 1)
        desk = Desk()
        tracemalloc.start()
        try:
            reply = only(desk.receive(sent(bomb, "gzip")), Respond).reply
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert reply.status == 413
        assert peak < 5 * SHORT

    def test_reaches_it_plain_past_an_authorizer_too(self) -> None:
        guard = Authorizer(AuthorizerKind.BUILT_IN, "guard")
        desk = Desk(replace(API, routes=(Route("/rooms", frozenset({"POST"}), authorizers={"POST": guard}),)))
        request = sent(GZIPPED, "gzip")
        asked = only(desk.receive(replace(request, headers=(*request.headers, ("Authorization", "t")))), Invoke)
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        policy = {"principalId": "alice", "policyDocument": {"Statement": statement}}
        assert only(desk.answer(asked, policy), Invoke).event["body"] == TEXT.decode()

    def test_to_nowhere_is_not_read(self) -> None:
        request = replace(sent(TEXT, "gzip"), path="/nowhere")
        assert only(Desk().receive(request), Respond).reply.status == 403


def answer(result: Any, accept: str | None, minimum: int | None = len(TEXT), method: str = "GET") -> Reply:
    desk = Desk(replace(API, minimum_compression=minimum))
    headers = () if accept is None else (("ACCEPT-encoding", accept),)
    invoke = only(desk.receive(Request("r1", method, "/rooms", headers=headers)), Invoke)
    return only(desk.answer(invoke, result), Respond).reply


OK = {"statusCode": 200, "body": TEXT.decode()}


class TestAnswer:
    @pytest.mark.parametrize(
        ("accept", "coding"),
        [
            ("gzip", "gzip"),
            ("deflate", "deflate"),
            ("deflate, gzip", "gzip"),
            ("br, GZIP;q=0.5, deflate;q=0.9", "deflate"),
            ("gzip;q=0, deflate", "deflate"),
            ("gzip;q=0.5, identity;q=0.1", "gzip"),
        ],
    )
    def test_is_compressed_as_its_client_likes_it(self, accept: str, coding: str) -> None:
        reply = answer(OK, accept)
        assert dict(reply.headers)["Content-Encoding"] == coding
        assert len(reply.body) < len(TEXT)
        assert decompressed(reply.body, coding) == TEXT

    def test_has_no_time_in_it(self) -> None:
        assert answer(OK, "gzip").body[4:8] == bytes(4)  # RFC 1952, 2.3

    @pytest.mark.parametrize(
        "accept", [None, "", "*", "br", "identity", "gzip;q=0", "gzip;q=0.1, identity", "gzip;q=x"]
    )
    def test_stays_plain_for_a_client_that_names_no_coding(self, accept: str | None) -> None:
        reply = answer(OK, accept)
        assert reply.body == TEXT
        assert "Content-Encoding" not in dict(reply.headers)

    def test_stays_plain_if_the_api_compresses_nothing(self) -> None:
        assert answer(OK, "gzip", minimum=None).body == TEXT

    def test_stays_plain_if_it_is_too_short(self) -> None:
        assert answer(OK, "gzip", minimum=len(TEXT) + 1).body == TEXT
        assert answer({"statusCode": 200}, "gzip", minimum=0).body == b""

    def test_stays_as_it_is_if_the_function_names_its_coding(self) -> None:
        reply = answer({**OK, "headers": {"content-encoding": "identity"}}, "gzip")
        assert reply.body == TEXT

    def test_of_the_gateway_itself_stays_plain(self) -> None:
        assert answer(None, "gzip", minimum=0).body == b'{"message": "Internal server error"}'


class TestClient:
    @pytest.mark.parametrize(
        ("body", "coding"), [(GZIPPED, "gzip"), (DEFLATED, "deflate"), (TEXT, "identity")], ids=range(3)
    )
    def test_reads_what_was_compressed(self, body: bytes, coding: str) -> None:
        shown = response(Reply(200, (("content-encoding", coding),), body))
        assert (shown.content, shown.headers["Content-Encoding"]) == (TEXT, coding)

    @pytest.mark.parametrize("body", [TEXT, b""], ids=range(2))
    def test_shows_what_is_not_what_it_says_as_it_came(self, body: bytes) -> None:
        assert response(Reply(200, (("content-encoding", "gzip"),), body)).content == body

    def test_decompresses_only_what_is_whole(self) -> None:
        with pytest.raises(NotEncoded, match="too early"):
            decompressed(GZIPPED[:-1], "gzip")
