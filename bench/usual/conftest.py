"""The usual fixtures of a team that tests a Chalice app with moto."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest
from chalice.test import Client
from moto import mock_aws

ROOT = Path(__file__).parents[2]
SECRET = "a secret of the usual tests, long enough"  # noqa: S105  made up
NAMES = {"SESSIONS_TABLE": "sessions-dev", "CONNECTIONS_TABLE": "connections-dev", "EVENTS_TABLE": "events-dev"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "JWT_SECRET": SECRET,
        "JWT_ALGORITHMS": "HS256",
        "JWT_ISSUER": "https://sessions.local",
        "JWT_AUDIENCE": "sessions",
        **NAMES,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.fixture
def table(aws: None) -> Any:
    client = boto3.client("dynamodb")
    resources = json.loads((ROOT / ".chalice" / "resources.json").read_text())["Resources"]
    copied = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
    for logical, name in zip(("Sessions", "Connections", "Events"), NAMES.values(), strict=True):
        properties = {k: v for k, v in resources[logical]["Properties"].items() if k in copied}
        client.create_table(TableName=name, **properties)
    return boto3.resource("dynamodb").Table(NAMES["SESSIONS_TABLE"])


@pytest.fixture
def client(table: Any) -> Iterator[Client]:
    from app import app, build_service

    build_service.cache_clear()  # its clients belong to another test's mock
    build_service()  # before a request sets the variables of config.json, which keep the secret in SSM
    with Client(app) as client:
        yield client


@pytest.fixture
def bearer() -> Any:
    def token(subject: str) -> dict[str, str]:
        now = int(time.time())
        claims = {"sub": subject, "iss": "https://sessions.local", "aud": "sessions", "iat": now, "exp": now + 60}
        return {
            "Authorization": f"Bearer {jwt.encode(claims, SECRET, 'HS256')}",
            "Content-Type": "application/json",
        }

    return token
