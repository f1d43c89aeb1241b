"""An app on its ports, whichever it is at the moment: gateway, schedules and Lambda together. It loads none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.aws.dynamodb import TimeToLive
from pytest_sessionplugin.gateway.runtime import new_id
from pytest_sessionplugin.gateway.server.server import Server
from pytest_sessionplugin.lambdas.schedules import Rota, Timer
from pytest_sessionplugin.lambdas.service import Beat, LambdaService
from pytest_sessionplugin.serving.console import tell
from pytest_sessionplugin.serving.control import refused

if TYPE_CHECKING:
    from pytest_sessionplugin.account.clock import Agenda, MovedTime
    from pytest_sessionplugin.aws.faults import Faults
    from pytest_sessionplugin.aws.moto.emulator import Aws
    from pytest_sessionplugin.lambdas.threads import LeftThreads
    from pytest_sessionplugin.serving.reload import LoadedApp


GRACE = 1.0  # seconds that handlers have to end when it stops


class Deployment:
    """Takes another app at any time, from the thread that made it; whose time is moved, from any."""

    def __init__(
        self,
        app: LoadedApp,
        aws: Aws,
        faults: Faults,
        threads: LeftThreads,
        time: MovedTime,
        host: str,
        http_port: int,
        websocket_port: int,
    ) -> None:
        self._app, self._aws, self._time = app, aws, time
        self._began = datetime.fromtimestamp(time(), UTC)
        self.server = Server(
            app.api,
            app.functions,
            host=host,
            http_port=http_port,
            websocket_port=websocket_port,
            clock=time,
            grace=GRACE,
            throttles=faults.throttles_handshake,
            fault=refused(faults),
        )
        self._lambdas = LambdaService(clock=time, warn=tell)
        self._prefix = f"{app.project.name}-{app.project.stage}"
        self._timer = Timer(app.schedules, app.functions, aws.region, prefix=self._prefix)
        self._deploy(app)
        aws.door.gateway, aws.door.functions, aws.door.threads = self.server, self._lambdas, threads

    @contextmanager
    def up(self) -> Iterator[None]:
        """Raises OSError if a port cannot be had, and NotQuiet at the end if a handler goes on."""
        with self.server, self._timer, Beat(self._lambdas.retries):
            yield

    def redeploy(self, app: LoadedApp, asked_anew: bool) -> None:
        """`asked_anew`: its authorizers may answer otherwise than those before them."""
        self.server.redeploy(app.api, app.functions, asked_anew=asked_anew)
        self._timer.redeploy(app.schedules, app.functions)
        self._deploy(app)

    @property
    def function_names(self) -> Mapping[str, str]:
        """Each name that a function may be called by -> its name in the app."""
        return self._app.names

    def agendas(self, schedules: bool) -> list[Agenda]:
        """What moved time stops for besides the gateway; the app's schedules if they are asked for."""
        agendas: list[Agenda] = [self._lambdas.retries]
        if schedules:
            rota = (self._app.schedules, self._run, self._aws.region, self._began, self._time)
            agendas.insert(0, Rota(*rota, prefix=self._prefix))
        if self._app.memory.endpoint is None:
            agendas.append(TimeToLive(self._aws.rows, clock=self._time))
        return agendas

    def _deploy(self, app: LoadedApp) -> None:
        self._app = app
        self._lambdas.deploy(app.healthy, app.api, self.server.invoke, self.server.invoke_later)

    def _run(self, function: str, event: Mapping[str, Any]) -> None:
        """EventBridge waits for nobody. What the function raises is shown where it runs."""
        self.server.invoke_later(function, event, new_id(), lambda error: None)
