"""The arguments of a request: their form on the wire, and which of them are refused."""

from __future__ import annotations

import io
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.gateway.client.request import (
    Body,
    Fields,
    HeaderMap,
    SentRequest,
    body,
    cookie,
    override,
    pairs,
    refuse_second,
    target,
    with_defaults,
)

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


# --- the target


@pytest.mark.parametrize(
    ("path", "params", "sent"),
    [
        ("/é x", None, "/%C3%A9%20x"),
        ("/a%2Fb", None, "/a%2Fb"),
        ("/", {"a": [1, 2], "b": "c d"}, "/?a=1&a=2&b=c+d"),
        ("/?x=1", {"a": 1}, "/?x=1&a=1"),
        ("/", [("a", "1"), ("b", None), ("a", True), ("c", 1.5)], "/?a=1&b=&a=true&c=1.5"),
        ("/", {"a": (False, None)}, "/?a=false&a="),
    ],
)
def test_a_target_is_path_and_query_as_sent(path: str, params: Fields | None, sent: str) -> None:
    assert target(path, params) == sent


@pytest.mark.parametrize("path", ["health", "https://rest.example/health", ""])
def test_a_path_begins_with_a_slash(path: str) -> None:
    with pytest.raises(ValueError, match=f"a path begins with '/', '{path}' does not"):
        target(path, None)


# --- the headers


def test_a_query_that_is_a_text_stands_in_the_path() -> None:
    with pytest.raises(TypeError, match="params= takes names and values; a query that is a text stands in the path"):
        target("/rooms", "a=1")  # type: ignore[arg-type]
    assert target("/rooms?a=1", None) == "/rooms?a=1"


def test_a_header_of_the_test_replaces_a_default_in_any_spelling() -> None:
    headers = with_defaults((("user-agent", "mine"),), None, {"Accept": "*/*"})
    assert headers == (("Accept", "*/*"), ("user-agent", "mine"))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (None, ()),
        ({"A": "1"}, (("A", "1"),)),
        ([("A", "1"), ("a", "2")], (("A", "1"), ("a", "2"))),
        (HeaderMap((("A", "1"), ("a", "2"))), (("A", "1"), ("a", "2"))),
    ],
)
def test_headers_are_given_by_name_or_as_pairs(headers: Any, expected: object) -> None:
    assert pairs(headers) == expected
    assert override((("x", "1"), ("a", "0"), ("a", "9")), pairs(headers)) == (
        (("x", "1"), *expected) if headers else (("x", "1"), ("a", "0"), ("a", "9"))
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("X-A", "a\nb", "cannot have the value"),
        ("X A", "a", "cannot have the value"),
        ("X-A", "€", "cannot have the value"),
        ("Transfer-Encoding", "chunked", "leave it out"),
        ("Content-Length", "2", "the body has 1 bytes"),
    ],
)
def test_a_header_that_cannot_be_sent_is_an_error(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        with_defaults(((name, value),), None, {}, b"x")


@pytest.mark.parametrize("value", [5, None, ["a", "b"]])
def test_a_header_takes_text(value: Any) -> None:
    with pytest.raises(
        TypeError, match=rf"^header 'X-A' takes text, not {type(value).__name__}; several values are given as pairs$"
    ):
        with_defaults((("X-A", value),), None, {})


def test_an_argument_and_its_header_exclude_each_other() -> None:
    refuse_second((("Cookie", "a=b"),), {"Cookie": "", "Content-Type": "files"})
    with pytest.raises(ValueError, match="header 'Cookie' cannot be given beside cookies=, which makes it"):
        refuse_second((("cookie", "a=b"),), {"Cookie": "cookies"})


def test_cookies_are_one_header() -> None:
    assert cookie({"a": "1", "b": "x=y z"}) == "a=1; b=x=y z"


@pytest.mark.parametrize("cookies", [{"a": "1; admin=1"}, {"a;b": "1"}, {"a=b": "1"}, {"a": "1\n"}, {"": "1"}])
def test_a_cookie_that_would_be_another_one_is_refused(cookies: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        cookie(cookies)


def test_headers_are_found_in_any_spelling_and_repeated_ones_are_joined_or_listed() -> None:
    headers = HeaderMap((("X-A", "1"), ("x-a", "2"), ("B", "3")))
    assert (headers["x-A"], list(headers), len(headers)) == ("1, 2", ["x-a", "b"], 2)
    assert (headers.get_list("X-a"), headers.get_list("b"), headers.get_list("c")) == (["1", "2"], ["3"], [])
    assert headers.multi_items() == [("X-A", "1"), ("x-a", "2"), ("B", "3")]


def test_a_request_shows_no_token() -> None:
    sent = SentRequest("GET", f"https://rest.example/?token={JWT}", f"/?token={JWT}", HeaderMap(()), JWT.encode())
    assert (str(sent), repr(sent)) == ("GET /?token=eyJ…", "<SentRequest GET /?token=eyJ…>")


# --- the body


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, Body()),
        ({"content": "é"}, Body("é".encode())),
        ({"content": b"\xff"}, Body(b"\xff")),
        ({"json": {"a": [1]}}, Body(b'{"a": [1]}', "application/json")),
        ({"json": False}, Body(b"false", "application/json")),
        (
            {"data": {"a": ["1", 2], "b": "x y&z", "c": True}},
            Body(b"a=1&a=2&b=x+y%26z&c=true", "application/x-www-form-urlencoded"),
        ),
        ({"data": [("a", "1"), ("a", "2")]}, Body(b"a=1&a=2", "application/x-www-form-urlencoded")),
    ],
)
def test_a_body_has_its_bytes_and_its_type(arguments: dict[str, Any], expected: Body) -> None:
    assert made(**arguments) == expected


def made(content: Any = None, data: Any = None, files: Any = None, json: Any = None) -> Body:
    return body(content, data, files, json)


def parts(sent: Body) -> list[tuple[str, str | None, str, bytes]]:
    """Disposition, file name, media type and content, as a parser of other people's reads them."""
    message: Any = message_from_bytes(f"Content-Type: {sent.media_type}\r\n\r\n".encode() + sent.content)
    return [
        (str(part["Content-Disposition"]), part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
        for part in message.get_payload()
    ]


def test_files_and_fields_are_multipart(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("from a file")
    with (tmp_path / "notes.txt").open("rb") as notes:
        sent = made(
            data={"title": "é", "tag": ["a", "b"]},
            files={
                "notes": notes,
                "raw": b"\x00\xff\r\n",
                "picture": ("a.png", b"png"),
                "table": ("a.bin", io.BytesIO(b"1,2"), "text/csv"),
                "part": (None, "no file"),
            },
        )
    assert parts(sent) == [
        ('form-data; name="title"', None, "text/plain", "é".encode()),
        ('form-data; name="tag"', None, "text/plain", b"a"),
        ('form-data; name="tag"', None, "text/plain", b"b"),
        ('form-data; name="notes"; filename="notes.txt"', "notes.txt", "text/plain", b"from a file"),
        ('form-data; name="raw"; filename="upload"', "upload", "application/octet-stream", b"\x00\xff\r\n"),
        ('form-data; name="picture"; filename="a.png"', "a.png", "image/png", b"png"),
        ('form-data; name="table"; filename="a.bin"', "a.bin", "text/csv", b"1,2"),
        ('form-data; name="part"', None, "text/plain", b"no file"),
    ]


def test_several_files_of_one_name_are_pairs_and_quotes_are_escaped() -> None:
    sent = made(files=[("f", b"1"), ("f", ('a"\r\n.txt', b"2"))])
    assert [disposition for disposition, *_ in parts(sent)] == [
        'form-data; name="f"; filename="upload"',
        'form-data; name="f"; filename="a%22%0D%0A.txt"',
    ]


def test_a_boundary_is_the_same_for_the_same_parts_alone() -> None:
    assert made(files={"f": b"1"}) == made(files={"f": b"1"})
    assert made(files={"f": b"1"}).media_type != made(files={"f": b"2"}).media_type


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"json": 1, "content": "1"}, "json or content, not both"),
        ({"json": 1, "data": {}}, "json or data, not both"),
        ({"content": "", "files": {}}, "content or files, not both"),
        ({"json": {"at": object()}}, "json= takes what json.dumps takes: Object of type object is not JSON"),
        ({"data": "a=1", "files": {}}, "data= takes the fields of a form"),
        ({"data": "a=1"}, "data= takes the fields of a form; content= sends str as it is"),
        ({"content": {"a": 1}}, "content= takes str or bytes, not dict; json= sends JSON"),
        ({"files": {"f": 5}}, "files= 'f' takes str or bytes, not int"),
        ({"data": {"f": b"1"}}, "the field 'f' takes text, a number or a boolean, not bytes"),
        ({"data": {"f": {"a": 1}}}, "the field 'f' takes text, a number or a boolean, not dict"),
    ],
)
def test_a_body_that_is_not_one_is_refused(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        made(**arguments)
