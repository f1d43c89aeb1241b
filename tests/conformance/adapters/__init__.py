"""Adapters that deploy the suite's apps to an implementation of API Gateway, one class for each."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

APPS = Path(__file__).parents[1] / "apps"


@dataclass(frozen=True)
class Deployed:
    """A running app. Its URLs include the stage and do not end in a slash."""

    http: str
    websocket: str
    connections: str  # boto3's endpoint_url for apigatewaymanagementapi
    control: str | None = None  # its clock and faults; None if it has none
    region: str = "us-east-1"
    access_key: str = "testing"
    secret_key: str = "testing"
    session_token: str | None = None
    api_key: str | None = None  # a key that GET /keyed accepts; None if it has none
    seconds: float = 20.0  # longest wait of a test, in seconds


class Adapter(Protocol):
    """An implementation."""

    name: str

    def deploy(self, project: Path) -> AbstractContextManager[Deployed | None]:
        """Runs the Chalice app of a folder until the block ends; None if it is not available."""
