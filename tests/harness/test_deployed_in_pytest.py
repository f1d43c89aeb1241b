"""A run against a deployed stage, from a stranger's project: here the stage is on loopback, and knows no test."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import forks
from tests.forks import Fork
from tests.processes import sessionplugin_serve
from tests.strangers import REPOSITORY, Stranger

pytest.importorskip("h11")
pytest.importorskip("websockets")

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"

INTEGRATION = "tests/service/test_http_websocket_integration.py"
WAITING_IN_VAIN = "publishes or paused_session or of_a_change or never_hear"

WHAT_A_CLIENT_CAN_DO = """
    import os, sys
    import pytest
    from pytest_sessionplugin import ConnectionClosed

    before = dict(os.environ)

    def test_its_checkouts_key_signs_all_tokens(jwt_tokens):
        assert jwt_tokens("bob", scope="write").startswith("eyJ")

    def test_http_and_websocket(chalice_gateway, jwt_tokens):
        assert chalice_gateway.http(token=jwt_tokens("alice")).post("/rooms/a").json()["people"] == 1
        with chalice_gateway.websocket() as ws:
            ws.send_text("hi")
            assert ws.receive_text() == "echo hi"
            ws.send_bytes(b"binary")
            with pytest.raises(ConnectionClosed):
                ws.receive_text()

    @pytest.mark.chalice(targets=["inprocess", "deployed"])
    def test_marked_for_it(chalice_gateway):
        assert chalice_gateway.urls.http.startswith("http://127.0.0.1:")

    def test_nothing_here_was_touched(chalice_gateway):
        assert not {"app", "moto", "boto3", "botocore", "chalice"} & set(sys.modules)
        assert {**os.environ, "PYTEST_CURRENT_TEST": ""} == {**before, "PYTEST_CURRENT_TEST": ""}
"""

WHAT_IT_CANNOT = """
    import pytest

    def test_tables(dynamodb_tables): pass
    def test_calls(aws_calls): pass
    def test_faults(aws_faults): pass
    def test_app(chalice_app): pass
    def test_clock(chalice_clock): pass
    def test_load(chalice_load): pass
    def test_rotation(jwt_tokens): jwt_tokens.rotate()
    def test_jwks(jwt_tokens): jwt_tokens.jwks_url
    def test_invoke(chalice_gateway): chalice_gateway.invoke("sweep")
    def test_runtime(chalice_gateway): chalice_gateway.runtime

    @pytest.mark.chalice(fresh=True)
    def test_fresh(chalice_gateway): pass

    @pytest.mark.chalice(isolation="function")
    def test_isolation(chalice_gateway): pass

    @pytest.mark.chalice(isolation="app")
    def test_one_app_for_all_functions_is_no_wish(chalice_gateway): pass

    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_marked_for_others(chalice_gateway): pass
"""

WHAT_FAILS = """
    import pytest
    from pytest_sessionplugin import HandshakeRefused

    def test_a_failure(chalice_gateway, jwt_tokens):
        alice = chalice_gateway.http(token=jwt_tokens("alice"))
        alice.get("/nowhere")
        chalice_gateway.websocket("/nowhere", token=jwt_tokens("alice"))

    def test_a_header(chalice_gateway, jwt_tokens):
        sent = {"Authorization": f"Bearer {jwt_tokens('alice')}"}
        assert chalice_gateway.get("/nowhere", headers=sent).is_success

    def test_a_difference(jwt_tokens):
        assert {"token": str(jwt_tokens("alice"))} == {}

    def test_two_texts(jwt_tokens):
        token = str(jwt_tokens("alice"))
        assert token == token[:50]

    def test_an_open_socket(chalice_gateway):
        chalice_gateway.websocket()
"""


@pytest.mark.interpreter
def test_a_stage_gives_what_a_client_can_do_and_skips_the_rest_with_the_reason(
    stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSIONPLUGIN_TOKEN_ALICE", JWT)
    with sessionplugin_serve(stranger.root, start=Fork) as served:
        target = f"{served.http},{served.websocket}"
        result = stranger.test(
            "-rs", f"--sessionplugin-target={target}", "--sessionplugin-timeout=20",
            test_can=WHAT_A_CLIENT_CAN_DO, test_cannot=WHAT_IT_CANNOT, test_fails=WHAT_FAILS,
        )  # fmt: skip
    result.assert_outcomes(passed=6, skipped=14, failed=4, errors=1)
    stage = f"*the served app {target} has no "
    for what in (
        "AWS in memory: no tables, no counts, no faults; run this test with --sessionplugin-target=inprocess",
        "app in this process;*",
        "app of the test's own, for @pytest.mark.chalice(fresh=*",
        "key that a test could rotate;*",
        "JWKS of this process;*",
        "copies of the app for this test, for @pytest.mark.chalice(isolation=*",
        "way to invoke its functions;*",
        "runtime in this process;*",
        "clock of the test's own;*",
    ):
        result.stdout.fnmatch_lines([f"SKIPPED {stage}{what}"])
    result.stdout.fnmatch_lines(["SKIPPED *: this test is not for the served app *: it is marked for sockets"])
    result.stdout.fnmatch_lines(["*http   GET /nowhere*", "*http   -> 403*", "*socket #2 asks for /nowhere*"])
    result.stdout.fnmatch_lines(["1 WebSocket still open. Close what a test opens*"])
    for part in JWT.split(".")[1:]:
        assert part not in result.stdout.str()


def test_a_test_for_a_deployed_stage_alone_is_skipped_where_there_is_none(stranger: Stranger) -> None:
    body = """
        import pytest
        @pytest.mark.chalice(targets=["deployed"])
        def test_it(chalice_gateway): pass
        @pytest.mark.chalice(targets=["deployed", "inprocess"])
        def test_both(chalice_gateway, request): assert request.node.name == "test_both[inprocess]"
    """
    result = stranger.test("-rs", test_it=body)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED *: this test is for a deployed stage: name one with --sessionplugin-target=*"]
    )


def test_the_services_own_integration_tests_pass_on_a_stage(tmp_path: Path) -> None:
    """Its tokens are signed with the key of the checkout, which nobody named.

    Tests that need more than a client sees are skipped. Tests that wait in vain are left out: each takes the timeout.
    """
    with sessionplugin_serve(start=Fork) as served:
        environment = {
            **os.environ,
            "SESSIONPLUGIN_TARGET": f"{served.http},{served.websocket}",
            "SESSIONPLUGIN_TIMEOUT": "20",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path}"]
        command += [INTEGRATION, "-k", f"deployed and not ({WAITING_IN_VAIN})"]
        run = forks.run(command, cwd=REPOSITORY, env=environment, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"\b6 passed, \d+ skipped", run.stdout), run.stdout


OVER_TLS = """
    import pytest
    from pytest_sessionplugin import Unreachable

    def test_http(chalice_gateway):
        assert chalice_gateway.http().get("/hello").text == "hello"
        assert chalice_gateway.http().get("/again").text == "hello"

    def test_websocket(chalice_gateway):
        with chalice_gateway.websocket(params={"a": "1"}) as ws:
            ws.send_text("x" * 100_000)
            assert ws.receive_text() == "x" * 100_000
            ws.drop()
"""


def test_tls_is_verified_and_no_app_is_needed(
    stranger: Stranger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stranger.root / "app.py").unlink()
    certificate = tmp_path / "certificate.pem"
    with over_tls(certificate) as netloc:
        target = f"--sessionplugin-target=https://{netloc},wss://{netloc}"
        refused = stranger.test(target, test_it=OVER_TLS)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        trusted = stranger.test(target)
    refused.assert_outcomes(failed=2)
    refused.stdout.fnmatch_lines(
        [f"E *Unreachable: the certificate of {netloc} cannot be verified: self-signed certificate. SSL_CERT_FILE*"] * 2
    )
    trusted.assert_outcomes(passed=2)


@contextmanager
def over_tls(certificate: Path) -> Iterator[str]:
    """A server on loopback that greets over HTTP and echoes over WebSocket; writes its self-signed certificate."""
    from websockets.datastructures import Headers
    from websockets.http11 import Request, Response
    from websockets.sync.server import ServerConnection, serve

    def greet(connection: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        return Response(200, "OK", Headers({"Content-Length": "5", "Connection": "close"}), b"hello")

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(certificate))
    with serve(echo, "127.0.0.1", 0, ssl=context, process_request=greet, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(10)


def self_signed(path: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + built.public_bytes(serialization.Encoding.PEM))
    return path
