"""A key set is downloaded within a few seconds in all, and never by way of plain http."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chalicelib import issuer
from chalicelib.errors import Unauthenticated
from chalicelib.keys import keys_of
from chalicelib.settings import Tokens as ServiceTokens
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings
from tests.service.jwts import authenticate, nothing_kept

pytestmark = pytest.mark.sockets

Talk = Callable[[socket.socket, threading.Event], None]


@contextmanager
def answering(talk: Talk) -> Iterator[int]:
    """A server on a loopback port, which answers one connection after the other by `talk`."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def serve() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    client, _ = listener.accept()
                    with client, suppress(OSError):
                        client.settimeout(10)
                        talk(client, over)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join(10)


def saying(answer: bytes, asked: list[bytes]) -> Talk:
    def talk(client: socket.socket, over: threading.Event) -> None:
        asked.append(client.recv(65_536))
        client.sendall(answer)

    return talk


def dripping(first: bytes) -> Talk:
    """Sends a byte each twentieth of a second after `first`, and never ends."""

    def talk(client: socket.socket, over: threading.Event) -> None:
        client.recv(65_536)
        client.sendall(first)
        while not over.wait(0.05):
            client.sendall(b" ")

    return talk


def test_a_document_is_downloaded() -> None:
    asked: list[bytes] = []
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"keys":[]}'
    with answering(saying(answer, asked)) as port:
        assert issuer.downloaded(f"http://127.0.0.1:{port}/jwks") == {"keys": []}
    assert asked[0].startswith(b"GET /jwks HTTP/1.1\r\n")


def test_the_service_finds_the_keys_of_its_issuer_and_a_rotated_one_within_a_minute() -> None:
    settings = TokenSettings("ES256", "https://issuer.example", "sessions")
    now = datetime.now(UTC)
    with Tokens(settings) as tokens:
        expected = ServiceTokens(settings.issuer, settings.audience, ("ES256",), jwks_url=tokens.jwks_url)
        keys = keys_of(expected, nothing_kept)
        assert authenticate(tokens("alice"), expected, keys, now).subject == "alice"
        tokens.rotate()
        with pytest.raises(Unauthenticated, match="does not publish"):
            authenticate(tokens("bob"), expected, keys, now)
        assert authenticate(tokens("bob"), expected, keys, now + timedelta(minutes=1)).subject == "bob"
        late = tokens("carol", expires_in=86_400)
    assert authenticate(late, expected, keys, now + timedelta(hours=2)).subject == "carol", "the issuer is gone"


@pytest.mark.parametrize(
    "first",
    [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{"],
    ids=["status line", "header", "body"],
)
def test_an_issuer_that_sends_a_byte_now_and_then_is_given_up(first: bytes) -> None:
    with answering(dripping(first)) as port, pytest.raises(TimeoutError):
        issuer.downloaded(f"http://127.0.0.1:{port}/", patience=0.3)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", http.client.HTTPException),
        (b"SSH-2.0-OpenSSH_9.6\r\n", http.client.HTTPException),
        (b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", HTTPError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", http.client.HTTPException),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", ValueError),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 1_100_000, ValueError),
    ],
    ids=["nothing", "another protocol", "503", "cut short", "not JSON", "too large"],
)
def test_an_answer_that_is_no_document_is_an_error(answer: bytes, error: type[Exception]) -> None:
    with answering(saying(answer, [])) as port, pytest.raises(error):
        issuer.downloaded(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_plain_http_is_not_followed(status: int) -> None:
    asked: list[bytes] = []
    with answering(saying(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"keys":[]}', asked)) as there:
        answer = f"HTTP/1.1 {status} Found\r\nLocation: http://127.0.0.1:{there}/\r\nContent-Length: 0\r\n\r\n"
        with answering(saying(answer.encode(), [])) as here, pytest.raises(HTTPError):
            issuer.downloaded(f"http://127.0.0.1:{here}/")
    assert asked == []


def test_a_redirect_to_https_is_followed_and_its_certificate_checked(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))

    def talk(client: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(client, server_side=True) as wrapped:
            saying(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"keys":[]}', [])(wrapped, over)

    with answering(talk) as there:
        answer = f"HTTP/1.1 302 Found\r\nLocation: https://localhost:{there}/\r\nContent-Length: 0\r\n\r\n"
        with answering(saying(answer.encode(), [])) as here, pytest.raises(URLError, match="CERTIFICATE_VERIFY_FAILED"):
            issuer.downloaded(f"http://127.0.0.1:{here}/")


def self_signed(folder: Path) -> Path:
    """A file with a certificate of localhost, which nobody vouches for, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path
