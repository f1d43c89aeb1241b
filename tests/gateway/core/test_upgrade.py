"""The opening handshake of RFC 6455."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.gateway.core import upgrade
from pytest_sessionplugin.gateway.values import Headers

OFFER = upgrade.offer(b"x" * 16)


def test_the_accept_key_is_the_one_of_the_rfc() -> None:
    assert upgrade.accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_what_a_client_offers_a_server_takes() -> None:
    assert upgrade.reject("GET", OFFER) is None
    assert ("Sec-WebSocket-Protocol", "v1") in upgrade.answer(OFFER, "v1")
    assert "Sec-WebSocket-Protocol" not in dict(upgrade.answer(OFFER, None))


@pytest.mark.parametrize(
    ("method", "headers", "version", "status"),
    [
        ("GET", (), b"1.1", 426),
        ("HEAD", OFFER, b"1.1", 426),
        ("GET", OFFER, b"1.0", 426),
        ("GET", OFFER[1:], b"1.1", 426),
        ("GET", OFFER[:1] + OFFER[2:], b"1.1", 426),
        ("GET", (*OFFER[:2], OFFER[3]), b"1.1", 426),
        ("GET", OFFER[:3], b"1.1", 400),
        ("GET", (*OFFER[:3], ("Sec-WebSocket-Key", "é")), b"1.1", 400),
        ("GET", (*OFFER[:3], ("Sec-WebSocket-Key", "AAAA")), b"1.1", 400),
        ("GET", (*OFFER, OFFER[3]), b"1.1", 400),
    ],
)
def test_anything_less_is_rejected(method: str, headers: Headers, version: bytes, status: int) -> None:
    reply = upgrade.reject(method, headers, version)
    assert reply is not None
    assert reply.status == status
