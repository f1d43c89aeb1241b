"""What brings an app of this suite up behind an implementation of API Gateway. One class an implementation."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

APPS = Path(__file__).parents[1] / "apps"


@dataclass(frozen=True)
class Deployed:
    """An app that is up. The URLs have the stage in them, and no slash at the end."""

    http: str
    websocket: str
    connections: str  # what boto3's apigatewaymanagementapi takes for its endpoint_url
    control: str | None = None  # its clock and faults; None: it has none
    region: str = "us-east-1"
    access_key: str = "testing"
    secret_key: str = "testing"
    session_token: str | None = None
    api_key: str | None = None  # one that GET /keyed accepts; None: it has none
    seconds: float = 20.0  # how long a test waits for what does not come


class Adapter(Protocol):
    """An implementation."""

    name: str

    def deploy(self, project: Path) -> AbstractContextManager[Deployed | None]:
        """Brings up the Chalice app of a folder, until the block ends; None: it is not there."""
