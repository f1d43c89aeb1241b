from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import credentials, errors, http
from chalicelib.http import Request, correlation_id
from chalicelib.memory import MemoryStore
from chalicelib.model import KEEP, Draft, Page, Patch, Position, Session, Status
from tests.service.fakes import NOON, new_session


def request(body: Any = None, query: dict[str, list[str]] | None = None, **headers: str) -> http.Request:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.Request("r-1", "/api/sessions", names, query or {}, raw)


@pytest.fixture
def session() -> Session:
    return new_session(MemoryStore(), Draft(title="Standup", expires_in=timedelta(hours=1)))


def test_a_create_without_a_body_takes_the_defaults() -> None:
    assert http.draft(request()) == Draft(None, None, timedelta(days=1), False, False)


def test_a_create_takes_every_field() -> None:
    body = {"title": "t" * 200, "metadata": {"a": 1}, "expiresIn": 60.0, "durable": True, "presence": True}
    assert http.draft(request(body)) == Draft("t" * 200, {"a": 1}, timedelta(seconds=60), True, True)


@pytest.mark.parametrize(("written", "most"), [("500.0", 500), ("1", 1), ("null", None)])
def test_a_cap_may_be_written_as_a_fraction_if_it_is_whole(written: str, most: int | None) -> None:
    found = http.draft(request(f'{{"maxConnections":{written}}}'.encode())).max_connections
    assert (found, type(found)) == (most, type(most))


@pytest.mark.parametrize(
    "body",
    [
        *([], "text", 1, None),
        *({"title": 1}, {"title": "t" * 201}, {"metadata": []}, {"metadata": "x"}),
        *({"expiresIn": 59}, {"expiresIn": 86_401}, {"expiresIn": "60"}, {"expiresIn": 60.5}, {"expiresIn": True}),
        *({"durable": 1}, {"presence": "yes"}, {"ownerId": "mallory"}, {"status": "active"}, {"Title": "case"}),
    ],
)
def test_a_create_refuses_what_is_mistyped_or_unknown(body: Any) -> None:
    with pytest.raises(errors.InvalidRequest):
        http.draft(request(json.dumps(body).encode()))


@pytest.mark.parametrize("body", [{"status": "done"}, {"status": None}, {"status": 1}, {"metadata": 1}, {"version": 2}])
def test_a_patch_refuses_what_is_mistyped_or_unknown(body: Any) -> None:
    with pytest.raises(errors.InvalidRequest):
        http.patch(request(body))


def test_a_patch_tells_null_from_absent() -> None:
    assert http.patch(request({})) == Patch(KEEP, KEEP, KEEP)
    assert http.patch(request({"title": None, "metadata": None})) == Patch(KEEP, None, None)
    assert http.patch(request({"status": "paused", "metadata": {"a": None}})) == Patch(Status.PAUSED, KEEP, {"a": None})


@pytest.mark.parametrize("sent", ["text/plain", "application/xml", "application/json; charset=latin-1", ""])
def test_another_media_type_is_refused(sent: str) -> None:
    with pytest.raises(errors.UnsupportedMediaType):
        http.patch(request({}, content_type=sent))


@pytest.mark.parametrize(
    "sent",
    [
        "application/json",
        "APPLICATION/JSON; charset=UTF-8;",
        "application/json;profile=x",
        "application/merge-patch+json",
    ],
)
def test_json_and_merge_patch_are_taken(sent: str) -> None:
    assert http.patch(request({"title": "x"}, content_type=sent)).title == "x"


def test_a_body_ends_at_64_kilobytes() -> None:
    assert http.patch(request(b'{"title":"x"}' + b" " * (65_536 - 13))).title == "x"
    with pytest.raises(errors.TooLarge):
        http.patch(request(b'{"title":"x"}' + b" " * (65_536 - 12)))


@pytest.mark.parametrize("key", ["", "a b", "é", "k" * 256, "k, k"])
def test_an_idempotency_key_is_visible_ascii(key: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        http.idempotency_key(request(idempotency_key=key))


@pytest.mark.parametrize(
    ("sent", "versions"),
    [
        (None, None),
        ("*", None),
        ('"7"', {7}),
        ('"7", "8"', {7, 8}),
        ('W/"7"', set()),
        ('x"7"y', set()),
        ('"7", W/"8"', {7}),
        ('"7-ended"', set()),
        *((f'"{text}"', set()) for text in ("07", "7 ", "+7", "7.0", "0", "\u0667", "")),
        ('"7", *', {7}),
        ("7", set()),
        ('"x"', set()),
        ('"9999999999999999999999"', set()),
    ],
)
def test_if_match_names_the_versions_that_may_be_changed(sent: str | None, versions: set[int] | None) -> None:
    headers = {} if sent is None else {"if-match": sent}
    assert http.versions(http.Request("r-1", "/", headers, {}, b"")) == versions


def test_a_change_of_what_must_not_be_there_is_allowed_for_no_version() -> None:
    assert http.versions(request(if_none_match=" * ")) == frozenset()
    assert http.versions(request(if_none_match="*", if_match="*")) == frozenset()
    assert http.versions(request(if_none_match="*, *")) == frozenset(), "the header twice"


@pytest.mark.parametrize("sent", ['"1"', 'W/"1", "2"', "", "x"])
def test_a_change_ignores_no_tag_of_if_none_match(sent: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="If-None-Match"):
        http.versions(request(if_none_match=sent, if_match="*"))


@pytest.mark.parametrize("names", [("If-Match", "If-Match"), ("If-Match", "if-match")])
def test_the_lines_of_one_header_are_one_list(names: tuple[str, str]) -> None:
    lines: dict[str, list[str]] = {}
    for name, value in zip(names, ('"7"', '"8"'), strict=True):
        lines.setdefault(name, []).append(value)
    event = {"requestContext": {}, "headers": {"If-Match": '"8"'}, "multiValueHeaders": lines}
    assert http.versions(http.request(event, b"", "r-1")) == frozenset({7, 8})


def test_an_unchanged_session_is_not_sent_again(session: Session) -> None:
    reply = http.found(request(if_none_match='"0", W/"1"'), session, NOON)
    assert (reply.status, reply.body, reply.headers["ETag"]) == (304, "", '"1"')
    assert http.found(request(if_none_match='"2"'), session, NOON).status == 200
    assert http.found(request(if_none_match="*"), session, NOON).status == 304


def test_expiry_changes_the_etag_before_anything_is_written(session: Session) -> None:
    assert http.etag(session, session.expires_at) == '"1-ended"'
    late = http.found(request(if_none_match='"1"'), session, session.expires_at)
    assert (late.status, json.loads(late.body)["status"]) == (200, "ended")


def test_location_is_below_what_was_called_stage_and_all(session: Session) -> None:
    reply = http.created(request(), session, NOON, replayed=False)
    assert reply.headers["Location"] == f"/api/sessions/{session.session_id}"
    assert "Idempotency-Replayed" not in reply.headers
    assert http.created(request(), session, NOON, replayed=True).headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    "query",
    [
        *(
            {"limit": ["0"]},
            {"limit": ["-1"]},
            {"limit": ["x"]},
            {"limit": ["101"]},
            {"limit": ["1", "2"]},
            {"limit": [""]},
        ),
        *({"status": ["done"]}, {"status": ["active", "ended"]}),
        *({"cursor": ["x"]}, {"cursor": [""]}, {"cursor": ["\u2603"]}, {"cursor": ["A" * 300]}),
    ],
)
def test_a_list_refuses_what_it_cannot_mean(query: dict[str, list[str]]) -> None:
    with pytest.raises(errors.InvalidRequest):
        http.page_request(request(query=query), "alice")


def cursor_of(session: Session, owner: str) -> str:
    position = Position(session.created_at, session.session_id)
    cursor: str = json.loads(http.listed(Page((), position), owner, NOON).body)["nextCursor"]
    return cursor


def test_a_cursor_leads_back_to_where_it_came_from(session: Session) -> None:
    cursor = cursor_of(session, "alice")
    status, limit, after = http.page_request(request(query={"cursor": [cursor], "limit": ["7"]}), "alice")
    assert (status, limit, after) == (None, 7, Position(session.created_at, session.session_id))


def test_a_cursor_that_was_changed_or_lent_is_refused(session: Session) -> None:
    cursor = cursor_of(session, "alice")
    changed = [cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1 :] for i in range(len(cursor))]
    lent = [("mallory", cursor)]
    for owner, sent in [*lent, *(("alice", one) for one in [*changed, cursor[:-1], cursor + "A", cursor + "="])]:
        with pytest.raises(errors.InvalidRequest):
            http.page_request(request(query={"cursor": [sent]}), owner)


def test_a_request_reads_header_names_in_any_case_and_needs_no_request_id() -> None:
    event = {
        "requestContext": {"path": "/api/x"},
        "headers": {"If-Match": "1"},
        "multiValueQueryStringParameters": None,
    }
    assert http.request(event, b"", "made-up") == http.Request("made-up", "/api/x", {"if-match": "1"}, {}, b"")


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer ", "Basic abc", "abc", "Bearer a b", "Bearer a, Bearer a"])
def test_an_authorization_other_than_bearer_is_refused(sent: str) -> None:
    with pytest.raises(errors.Unauthenticated):
        credentials.bearer(sent)
    assert credentials.bearer("bearer  abc ").reveal() == "abc"


def test_neither_body_nor_token_are_in_what_a_request_looks_like() -> None:
    sent = replace(request(authorization="Bearer top secret"), body=b"top secret")
    assert "top secret" not in repr(sent)


def test_if_match_names_as_many_versions_as_dynamodb_compares_with() -> None:
    tags = [f'"{number}"' for number in range(1, 102)]
    assert len(http.versions(request(if_match=", ".join(tags[:100]))) or ()) == 100
    with pytest.raises(errors.InvalidRequest):
        http.versions(request(if_match=", ".join(tags)))


def test_a_merge_patch_creates_nothing() -> None:
    with pytest.raises(errors.UnsupportedMediaType):
        http.draft(request({}, content_type="application/merge-patch+json"))


def test_a_page_is_of_fifty_unless_another_limit_is_named() -> None:
    assert http.page_request(request(), "alice") == (None, 50, None)


def test_a_body_that_is_not_utf_8_is_refused() -> None:
    event = {"requestContext": {"requestId": "r-1"}, "path": "/sessions"}
    for body in (b'{"title": "\xff"}', '{"title": "x"}'.encode("utf-16"), b'{"title": "\xc0\xaf"}'):
        with pytest.raises(errors.InvalidRequest, match="not UTF-8"):
            http.draft(http.request(event, body, "made-up"))


def test_a_body_with_a_lone_surrogate_is_refused_like_any_other() -> None:
    event = {"requestContext": {"requestId": "r-1"}, "path": "/sessions"}
    with pytest.raises(errors.InvalidRequest):
        http.draft(http.request(event, '{"title": "\ud800"}', "made-up"))


@pytest.mark.parametrize(
    "sent", ["a", "9f1c-22", "JKJaXmPLvHcESHA=", "Root=1-67891233-abcdef", "x" * 128, "01JDZ4X3WVQ8R5T6Y7A2B3C4D5"]
)
def test_a_safe_correlation_id_is_kept(sent: str) -> None:
    assert correlation_id(sent, "own") == sent


JWT = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln"


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "x" * 129,
        "eyAiYWxnIjoiSFMyNTYifQ.e30.c2ln",
        "a b",
        "a\nb",
        "a\x1b[31m",
        "é",
        'a"b',
        "a\n",
        JWT,
        f"x:{JWT}",
        "JVGCV74RJVGCV74RJVGCV74R22",  # a ticket
        "of_JVGCV74RJVGCV74RJVGCV74R22",
        "ticket.JVGCV74RJVGCV74RJVGCV74R22",
    ],
)
def test_an_unsafe_correlation_id_is_replaced_by_the_id_of_the_request(sent: str | None) -> None:
    assert correlation_id(sent, "own") == "own"


def test_the_correlation_id_is_a_header_of_the_request() -> None:
    assert Request("own", "/", {"x-correlation-id": "theirs"}, {}, b"").correlation_id == "theirs"
    assert Request("own", "/", {}, {}, b"").correlation_id == "own"
