"""`sessionplugin serve`, a process for each app."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.adapters import Deployed
from tests.processes import sessionplugin_serve


class SessionPlugin:
    name = "sessionplugin"

    @contextlib.contextmanager
    def deploy(self, project: Path) -> Iterator[Deployed]:
        with sessionplugin_serve(project, "--isolation", "function", "--control-port", "0") as served:
            websocket = f"{served.websocket}/api"
            connections = websocket.replace("ws://", "http://", 1)
            yield Deployed(
                f"{served.http}/api",
                websocket,
                connections,
                served.control,
                region=served.aws["AWS_DEFAULT_REGION"],
                access_key=served.aws["AWS_ACCESS_KEY_ID"],
                secret_key=served.aws["AWS_SECRET_ACCESS_KEY"],
                api_key="conformance-key",
            )
