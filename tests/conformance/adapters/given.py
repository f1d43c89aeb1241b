"""Apps that are already running elsewhere, known only by their URLs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.conformance.adapters import APPS, Deployed


class Given:
    """`apps` maps the name of an app to its URLs. Credentials come from the environment."""

    name = "given"

    def __init__(self, apps: Mapping[str, Deployed]) -> None:
        self._apps = apps

    @classmethod
    def read(cls, options: list[str]) -> Given:
        """Each argument is NAME=HTTP_URL,WEBSOCKET_URL[,CONTROL_URL]. Raises ValueError with a sentence."""
        return cls(dict(_read(option) for option in options))

    @contextlib.contextmanager
    def deploy(self, project: Path) -> Iterator[Deployed | None]:
        yield self._apps.get(project.name)


def _read(option: str) -> tuple[str, Deployed]:
    name, _, urls = option.partition("=")
    parts = [url.rstrip("/") for url in urls.split(",")]
    if not (APPS / name / "app.py").is_file() or len(parts) not in (2, 3):
        known = ", ".join(sorted(path.parent.name for path in APPS.glob("*/app.py")))
        raise ValueError(f"{option!r}: it must be NAME=HTTP_URL,WEBSOCKET_URL[,CONTROL_URL], with a NAME of {known}")
    http, websocket, control = (*parts, None)[:3]
    assert http is not None
    assert websocket is not None
    scheme, rest = websocket.split("://", 1)
    connections = f"{'https' if scheme == 'wss' else 'http'}://{rest}"
    environment = os.environ
    return name, Deployed(
        http,
        websocket,
        connections,
        control,
        region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
        access_key=environment.get("AWS_ACCESS_KEY_ID", "testing"),
        secret_key=environment.get("AWS_SECRET_ACCESS_KEY", "testing"),
        session_token=environment.get("AWS_SESSION_TOKEN"),
        api_key=environment.get("CONFORMANCE_API_KEY"),
    )
