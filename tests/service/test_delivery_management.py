"""One contract for the management API, by botocore, and for its fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.delivery import AGAIN, FIRST, Answer, Management, ManagementApi, _management_client
from chalicelib.members import Endpoint
from pytest_sessionplugin import Gateway, WebSocket
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.service.fakes import Management as FakeManagement

ENDPOINT = Endpoint("w3bs0cket0", "api", "us-east-1")


@pytest.fixture
def socket(chalice_gateway: Gateway, jwt_tokens: Tokens) -> Iterator[WebSocket]:
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    params = {"sessionId": alice.post("/sessions", json={}).json()["sessionId"]}
    with chalice_gateway.websocket("/", params=params, token=jwt_tokens("bob")) as socket:
        yield socket


@pytest.fixture(params=["real", "fake"])
def management(request: pytest.FixtureRequest, socket: WebSocket) -> Management:
    if request.param == "real":
        return ManagementApi()
    fake = FakeManagement()
    fake.answer = lambda connection_id: (
        Answer.DONE if connection_id == socket.connection_id and not fake.closes[:-1] else Answer.GONE
    )
    return fake


@pytest.mark.chalice(allow="off_contract")  # its texts are not frames of the service
def test_an_open_socket_is_posted_to_and_closed_once(management: Management, socket: WebSocket) -> None:
    connection_id = str(socket.connection_id)
    assert management.post(ENDPOINT, connection_id, "é", FIRST) is Answer.DONE
    assert management.close(ENDPOINT, connection_id, FIRST) is Answer.DONE
    assert management.close(ENDPOINT, connection_id, FIRST) is Answer.GONE
    assert management.post(ENDPOINT, connection_id, "é", FIRST) is Answer.GONE


def test_a_socket_that_never_was_is_gone(management: Management) -> None:
    assert management.post(ENDPOINT, "AAAAAAAAAAAAAAA=", "x", FIRST) is Answer.GONE
    assert management.close(ENDPOINT, "AAAAAAAAAAAAAAA=", FIRST) is Answer.GONE


@pytest.mark.chalice(allow="off_contract")  # its texts are not frames of the service
def test_what_else_api_gateway_says_is_throttled_broken_or_failed(socket: WebSocket, aws_faults: Faults) -> None:
    real, connection_id = ManagementApi(), str(socket.connection_id)
    with aws_faults.throttled("apigatewaymanagementapi", connection_id):
        assert real.post(ENDPOINT, connection_id, "x", FIRST) is Answer.THROTTLED
    with aws_faults.unreachable("apigatewaymanagementapi"):
        assert real.post(ENDPOINT, connection_id, "x", FIRST) is Answer.BROKEN
    with aws_faults.answer_lost("apigatewaymanagementapi", times=1):
        assert real.post(ENDPOINT, connection_id, "lost", FIRST) is Answer.BROKEN
    assert socket.receive_text() == "lost"
    for status in (500, 502, 503, 504):
        with aws_faults.failing("apigatewaymanagementapi", code="InternalServerError", status=status):
            assert real.close(ENDPOINT, connection_id, FIRST) is Answer.BROKEN
    with aws_faults.failing("apigatewaymanagementapi", code="ForbiddenException", status=403):
        assert real.post(ENDPOINT, connection_id, "x", FIRST) is Answer.FAILED
    assert real.post(ENDPOINT, connection_id, "x" * 131_073, FIRST) is Answer.FAILED
    elsewhere = Endpoint("0therap1id", "api", "us-east-1")
    assert real.post(elsewhere, connection_id, "x", FIRST) is Answer.FAILED
    socket.receive_nothing()


def test_a_post_that_fails_is_not_sent_again(socket: WebSocket, aws_faults: Faults) -> None:
    fault = aws_faults.throttled("apigatewaymanagementapi", times=1)
    with fault:
        assert ManagementApi().post(ENDPOINT, str(socket.connection_id), "x", FIRST) is Answer.THROTTLED


@pytest.mark.parametrize("within", [FIRST, AGAIN])
def test_a_call_ends_in_its_time(within: float) -> None:
    """Connecting and reading together; a first call makes its client beforehand."""
    config: Any = _management_client(ENDPOINT, within).meta.config
    assert config.connect_timeout + config.read_timeout == pytest.approx(within)
    assert config.connect_timeout >= 0.2  # a TLS handshake in the same region takes some 10 ms
    assert config.retries["total_max_attempts"] == 1
