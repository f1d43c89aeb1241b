"""Signature version 4: requests signed by botocore pass, and no others."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from pytest_sessionplugin.gateway.core.sigv4 import Signer, is_signed, verify
from pytest_sessionplugin.gateway.values import Headers, Reply, Request

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
KEYS = {"AKID": "wJalrXUtnFEMI"}
HOST = "http://127.0.0.1:8001"
ID = "VNRUSeldSwMCIRQ%3D"


@pytest.fixture(autouse=True)
def at_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signers look at a clock of their own; which one depends on their version."""
    import botocore.auth

    class Moment(datetime):
        @classmethod
        def utcnow(cls) -> Moment:
            return cls(2026, 1, 2, 3, 4, 5)

    fixed = Moment.utcnow()
    if hasattr(botocore.auth, "get_current_datetime"):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda **_: fixed)
    else:
        stand_in = type("datetime", (), {"datetime": Moment})
        monkeypatch.setattr(botocore.auth, "datetime", stand_in)


def signed(
    method: str = "POST",
    target: str = f"/api/@connections/{ID}",
    *,
    headers: Headers = (),
    body: bytes = b"",
    key: str = "AKID",
    secret: str = KEYS["AKID"],
    token: str | None = None,
    service: str = "execute-api",
    region: str = "us-east-1",
    expires: int | None = None,
) -> Request:
    """A request as it arrives, signed by botocore: in its headers, or in its URL for `expires` seconds."""
    asked = AWSRequest(method, HOST + target, data=body)
    for name, value in headers:
        asked.headers.add_header(name, value)
    credentials: Any = Credentials(key, secret, token)
    if expires is None:
        SigV4Auth(credentials, service, region).add_auth(asked)
    else:
        SigV4QueryAuth(credentials, service, region, expires).add_auth(asked)
    url = urlsplit(str(asked.url))
    sent = (("Host", url.netloc), *((name, value) for name, value in asked.headers.items()))
    return Request("1", method, url.path, url.query, sent, body)


def judge(request: Request, now: float = NOW) -> Signer | tuple[int, str, str]:
    verdict = verify(request, KEYS, "us-east-1", now)
    if isinstance(verdict, Signer):
        return verdict
    return verdict.status, dict(verdict.headers)["x-amzn-ErrorType"], json.loads(verdict.body)["message"]


GOOD = Signer("AKID")


@pytest.mark.parametrize("expires", [None, 300], ids=["header", "presigned"])
@pytest.mark.parametrize(
    "target",
    [
        f"/api/@connections/{ID}",
        "/api/%40connections/VNRUSeldSwMCIRQ%3d",
        "/api/rooms/a%2Fb/~x",
        "/",
        "/api/rooms/",
        "/api//rooms/./x/../y",
        "/api/caf%C3%A9",
        "/x?b=2&a=2&a=1&empty=&A=0",
        "/x?q=a%20b%2Bc%26d&caf%C3%A9=~",
        "/x?only",
    ],
)
def test_what_botocore_signs_is_signed(target: str, expires: int | None) -> None:
    request = signed(target=target, expires=expires, body=b"" if expires else b"hello")
    assert is_signed(request)
    assert judge(request) == GOOD


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("expires", [None, 300], ids=["header", "presigned"])
def test_a_session_token_is_signed_with_the_rest(method: str, expires: int | None) -> None:
    assert judge(signed(method, token="a/token+with=signs", expires=expires)) == GOOD


def test_a_header_counts_with_all_its_values_and_without_spare_spaces() -> None:
    request = signed(headers=(("X-Note", "  a   b "), ("X-Note", "c,d"), ("Content-Type", "text/plain")))
    assert judge(request) == GOOD
    assert "x-note" in (dict(request.headers)["Authorization"])
    other = tuple((name, "c" if value == "c,d" else value) for name, value in request.headers)
    assert judge(replace(request, headers=other)) == MISMATCH


def test_a_date_header_will_do() -> None:
    request = signed(headers=(("Date", "now"),))
    assert "X-Amz-Date" not in dict(request.headers)
    assert judge(request) == GOOD


class _Mismatch:
    """An answer that reports a wrong signature."""

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, tuple)
            and other[:2] == (403, "InvalidSignatureException")
            and other[2].startswith("The request signature we calculated does not match the signature you provided.")
        )


MISMATCH: Any = _Mismatch()


@pytest.mark.parametrize("expires", [None, 300], ids=["header", "presigned"])
def test_whatever_is_changed_on_the_way_breaks_it(expires: int | None) -> None:
    good = signed(target="/api/rooms?a=1", body=b"" if expires else b"hello", expires=expires)
    assert judge(good) == GOOD
    assert judge(replace(good, body=b"hullo")) == MISMATCH
    assert judge(replace(good, method="PUT")) == MISMATCH
    assert judge(replace(good, path="/api/room")) == MISMATCH
    assert judge(replace(good, query=good.query.replace("a=1", "a=2"))) == MISMATCH
    assert judge(replace(good, headers=(("Host", "another:8001"), *good.headers[1:]))) == MISMATCH
    assert judge(signed(secret="another")) == MISMATCH


@pytest.mark.parametrize("place", [0, 31, 63])
def test_each_digit_of_it_counts(place: int) -> None:
    good = signed()
    said = dict(good.headers)["Authorization"]
    start, _, value = said.partition("Signature=")
    other = value[:place] + ("0" if value[place] != "0" else "1") + value[place + 1 :]
    for changed in (other, value[:place], f"{value}0"):
        headers = tuple((name, f"{start}Signature={changed}" if text == said else text) for name, text in good.headers)
        verdict = judge(replace(good, headers=headers))
        assert verdict == MISMATCH or (not changed and isinstance(verdict, tuple))


def test_a_mismatch_shows_what_should_have_been_signed() -> None:
    verdict = judge(signed("GET", f"/api/@connections/{ID}", secret="another"))
    assert isinstance(verdict, tuple)
    assert "GET\n/api/%40connections/VNRUSeldSwMCIRQ%253D\n\nhost:127.0.0.1:8001\n" in verdict[2]
    assert "20260102T030405Z\n20260102/us-east-1/execute-api/aws4_request\n" in verdict[2]


def test_a_body_is_hashed_whatever_a_header_says_of_it() -> None:
    request = signed(headers=(("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"),), body=b"hello")
    assert judge(request) == MISMATCH


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_either_way_are_forgiven(seconds: int) -> None:
    assert judge(signed(), NOW + seconds) == GOOD


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (301, "Signature expired: 20260102T030405Z is now earlier than 20260102T030406Z (20260102T030906Z - 5 min.)"),
        (
            -301,
            "Signature not yet current: 20260102T030405Z is still later than 20260102T030404Z"
            " (20260102T025904Z + 5 min.)",
        ),
    ],
)
def test_and_no_second_more(seconds: int, message: str) -> None:
    assert judge(signed(), NOW + seconds) == (403, "InvalidSignatureException", message)


def test_a_presigned_url_is_good_for_as_long_as_it_says() -> None:
    request = signed("GET", expires=3600)
    assert judge(request, NOW + 3600) == GOOD
    assert judge(signed("GET", expires=604_800), NOW + 604_800) == GOOD
    assert judge(request, NOW + 3601) == (
        403,
        "InvalidSignatureException",
        "Signature expired: 20260102T030405Z is now earlier than 20260102T030406Z (20260102T040406Z - 60 min.)",
    )


@pytest.mark.parametrize("expires", ["0", "604801", "-1", "x", "٣", "1" * 5000])
def test_and_no_longer_than_a_week(expires: str) -> None:
    request = signed("GET", expires=3600)
    verdict = judge(replace(request, query=request.query.replace("Expires=3600", f"Expires={expires}")))
    assert isinstance(verdict, tuple)
    assert verdict[:2] == (403, "IncompleteSignatureException")


def test_a_key_that_nobody_has_is_told_from_a_wrong_signature() -> None:
    message = "The security token included in the request is invalid."
    assert judge(signed(key="AKIDOTHER")) == (403, "UnrecognizedClientException", message)


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        ({"service": "lambda"}, "Credential should be scoped to correct service: 'execute-api'. "),
        ({"region": "eu-west-1"}, "Credential should be scoped to a valid region, not 'eu-west-1'. "),
    ],
)
def test_a_signature_is_for_one_service_in_one_region(scope: dict[str, Any], message: str) -> None:
    assert judge(signed(**scope)) == (403, "InvalidSignatureException", message)


def test_a_scope_of_another_day_is_refused() -> None:
    good = signed()
    headers = tuple((name, value.replace("/20260102/", "/20260101/")) for name, value in good.headers)
    verdict = judge(replace(good, headers=headers))
    assert isinstance(verdict, tuple)
    assert verdict[1] == "InvalidSignatureException"
    assert verdict[2].startswith("Date in Credential scope does not match")


def test_who_signs_nothing_has_no_token() -> None:
    request = Request("1", "GET", "/", headers=(("Host", "127.0.0.1"),))
    assert not is_signed(request)
    assert judge(request) == (403, "MissingAuthenticationTokenException", "Missing Authentication Token")


NAMELESS = (
    "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
    "Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a "
    "'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) Authorization=%s"
)
UNEQUAL = (
    "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with "
    "Base64): 'w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY='."
)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Bearer abc", UNEQUAL),
        ("Basic YTpi=", NAMELESS % "tfPysZrU720W7KcwExDE4oLWa7sgFT8KOS3YneReoec="),
        ("eyJhbGci", NAMELESS % "Vf7FmdcEnEFlcMQUVgWmYRU+3PQYdTrgkAI2YkPhe48="),
    ],
)
def test_a_header_of_another_kind_is_an_incomplete_signature(header: str, message: str) -> None:
    """The credential is never repeated: it may be a password or token for something else."""
    request = Request("1", "GET", "/", headers=(("Host", "127.0.0.1"), ("Authorization", header)))
    assert not is_signed(request)
    assert judge(request) == (403, "IncompleteSignatureException", message)


@pytest.mark.parametrize(
    ("found", "put"),
    [
        ("Credential=AKID/20260102/us-east-1/execute-api/aws4_request", "Credential=AKID"),
        ("Credential=AKID/20260102/us-east-1/execute-api/aws4_request", "Credential=AKID/1/2/3/4/5"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=x-amz-date"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders="),
        ("20260102T030405Z", "2026-01-02"),
        ("20260102T030405Z", "20260102T0304Z"),
        ("20260102T030405Z", ""),
        (", SignedHeaders", " SignedHeaders"),
    ],
)
def test_what_lacks_a_part_is_incomplete(found: str, put: str) -> None:
    good = signed()
    headers = tuple((name, value.replace(found, put)) for name, value in good.headers)
    assert headers != good.headers
    verdict = judge(replace(good, headers=headers))
    assert isinstance(verdict, tuple)
    assert verdict[:2] == (403, "IncompleteSignatureException")


def test_a_signature_of_strange_signs_is_no_crash() -> None:
    good = signed()
    headers = tuple((name, value.replace("Signature=", "Signature=\xe9\udcff")) for name, value in good.headers)
    assert isinstance(verify(replace(good, headers=headers), KEYS, "us-east-1", NOW), Reply)


def test_a_signature_of_another_kind_is_none() -> None:
    good = signed()
    headers = tuple((name, value.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")) for name, value in good.headers)
    assert judge(replace(good, headers=headers)) == judge(Request("1", "GET", "/"))


@pytest.mark.parametrize(
    ("day", "date"),
    [
        ("99991231", ("X-Amz-Date", "99991231T235959Z")),
        ("00010101", ("X-Amz-Date", "00010101T000000Z")),
        ("20260102", ("Date", "Fri, 31 Dec 9999 23:59:59 -0500")),
        ("20260102", ("Date", "Mon, 01 Jan 99999999999999 00:00:00 GMT")),
        ("20260102", ("Date", "Fri, 02 Jan 2026 03:04:05 +99999999999999999999")),
    ],
)
def test_a_date_at_the_end_of_the_calendar_is_no_crash(day: str, date: tuple[str, str]) -> None:
    said = f"AWS4-HMAC-SHA256 Credential=AKID/{day}/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature=0"
    verdict = judge(Request("1", "GET", "/", headers=(("Host", "a"), ("Authorization", said), date)))
    assert isinstance(verdict, tuple)
    assert verdict[:2] in [(403, "InvalidSignatureException"), (403, "IncompleteSignatureException")]


def test_nor_is_a_path_that_cannot_be_written() -> None:
    good = signed()
    assert judge(replace(good, path="/\ud800", query="\ud800=\ud800")) == MISMATCH
