"""Gives the service's own tests a rehearsed stage's tables and functions: `pytest -p tests.rehearsal.in_pytest`.

Tests on a deployed stage skip these, as a client cannot reach them; a rehearsal owns the whole account. The tests
themselves are unchanged.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.aws.tables import Tables
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.harness.deployed import DeployedHarness
from tests.emulators.ministack.workarounds import UNLIKE_AWS
from tests.rehearsal.visitor import comes_true

PROJECT, URL = "REHEARSAL_PROJECT", "AWS_ENDPOINT_URL"
NOT_FOR_A_STAGE = {
    "test_a_bug_is_logged_and_says_nothing_of_itself": "it puts the bug into the app of this process",
    "test_health_names_no_version_locally": "a stage has a version",
    "test_a_token_that_expires_ends_its_socket_at_the_next_frame": "a client is not told its connection id",
    "test_a_token_that_expires_ends_its_socket_at_the_next_delivery": "a client is not told its connection id",
}


class Account:
    """Fixtures that override those of the plugin. `stage` is read from the project."""

    @pytest.fixture
    def dynamodb_tables(self) -> Tables:
        """The stage's tables, emptied."""
        import boto3

        from deployment import stage

        described = stage.read(Path(os.environ[PROJECT]), "dev")
        dynamodb = boto3.resource("dynamodb")
        tables = {logical: dynamodb.Table(name) for logical, name in described.tables.items()}
        for table in tables.values():
            names = [one["AttributeName"] for one in table.key_schema]
            with table.batch_writer() as batch:
                for row in table.scan(ConsistentRead=True)["Items"]:
                    batch.delete_item(Key={name: row[name] for name in names})
        return Tables(tables)

    @pytest.fixture
    def chalice_gateway(
        self, _sessionplugin: DeployedHarness, dynamodb_tables: Tables, monkeypatch: pytest.MonkeyPatch
    ) -> GatewayClient:
        """The stage's gateway, with `invoke`, and a `settle` that waits for the rows of closed connections to go."""
        import boto3

        gateway, functions = _sessionplugin.deployed().gateway, boto3.client("lambda")

        def invoke(function: str, event: Any = None) -> Any:
            answer = functions.invoke(FunctionName=f"sessions-dev-{function}", Payload=json.dumps(event).encode())
            assert "FunctionError" not in answer, answer["Payload"].read()
            return json.loads(answer["Payload"].read() or "null")

        def settle() -> None:
            comes_true(lambda: dynamodb_tables["Connections"].scan()["Count"] == 2 * len(gateway.websockets))

        monkeypatch.setattr(gateway, "invoke", invoke)
        monkeypatch.setattr(gateway, "settle", settle)
        return gateway


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Registers after all other plugins, so that its fixtures override theirs."""
    session.config.pluginmanager.register(Account(), "rehearsed account")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name = getattr(item, "originalname", item.name)
        if reason := {**NOT_FOR_A_STAGE, **UNLIKE_AWS}.get(name):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
