"""All sockets of a stage are closed by one command: their clients are told why, and no row is left."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.session import Session

from deployment import sockets, stage
from deployment.aws import Aws
from deployment.errors import DeploymentError
from deployment.stage import TABLES, Stage
from pytest_sessionplugin import ConnectionClosed, Faults, Gateway
from pytest_sessionplugin.aws.tables import Tables
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.processes import ROOT


@pytest.fixture
def aws(dynamodb_tables: Tables) -> Aws:
    session = Session()
    session.set_config_variable("region", "us-east-1")
    return Aws(session)


@pytest.fixture
def dev(dynamodb_tables: Tables) -> Stage:
    names = {variable: dynamodb_tables[logical].name for logical, variable in TABLES.items()}
    read = stage.read(ROOT, "dev")
    return replace(read, environment={**read.environment, **names})


def test_each_client_is_told_and_closed(
    chalice_gateway: Gateway, jwt_tokens: Tokens, dynamodb_tables: Tables, aws: Aws, dev: Stage
) -> None:
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    rooms = [alice.post("/sessions", json={}).json()["sessionId"] for _ in range(2)]
    joined = [
        chalice_gateway.websocket("/", params={"sessionId": room}, token=jwt_tokens(name))
        for room in rooms
        for name in ("bob", "carol")
    ]
    assert sockets.close_all(aws, dev) == 4
    for one in joined:
        one.expect(type="closing", code="token_expired", reconnect="now")
        with pytest.raises(ConnectionClosed):
            one.receive_text()
    chalice_gateway.settle()
    assert dynamodb_tables["Connections"].scan()["Items"] == []
    assert sockets.close_all(aws, dev) == 0


@pytest.mark.parametrize(("code", "status"), [("ForbiddenException", 403), ("InternalServerError", 500)])
def test_a_socket_that_may_still_be_open_fails_the_command(
    chalice_gateway: Gateway, jwt_tokens: Tokens, aws_faults: Faults, aws: Aws, dev: Stage, code: str, status: int
) -> None:
    session = chalice_gateway.http(token=jwt_tokens("alice")).post("/sessions", json={}).json()
    with (
        chalice_gateway.websocket("/", params={"sessionId": session["sessionId"]}, token=jwt_tokens("bob")),
        aws_faults.failing("apigatewaymanagementapi:DeleteConnection", code=code, status=status),
        pytest.raises(DeploymentError, match="1 of 1 sockets could not be closed"),
    ):
        sockets.close_all(aws, dev)
