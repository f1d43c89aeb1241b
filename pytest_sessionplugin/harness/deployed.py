"""What one test has of a deployed stage, in the place of a Kit. Imports no app and no emulator, opens no door.

Whatever else a Kit has, this lacks: the test is skipped with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import Any, NoReturn

from pytest_sessionplugin import options
from pytest_sessionplugin.account.trace import render
from pytest_sessionplugin.errors import NotOnThisTarget, SessionPluginError
from pytest_sessionplugin.gateway.client.deployed import Remote
from pytest_sessionplugin.gateway.client.gateway import Gateway
from pytest_sessionplugin.gateway.values import Observed
from pytest_sessionplugin.harness import checks
from pytest_sessionplugin.options import ChaliceMark
from pytest_sessionplugin.tokens.deployed import DeployedTokens
from pytest_sessionplugin.tokens.tokens import TokenSettings

LACKING = {
    "aws": "AWS in memory: no tables, no counts, no faults",
    "app": "app in this process",
    "load": "modules in this process",
    "clock": "clock of the test's own",
}


class DeployedHarness:
    """`table` is [tool.sessionplugin]; `patience`, seconds that a receive waits for a frame."""

    def __init__(self, target: str, patience: float, mark: ChaliceMark, table: Mapping[str, Any]) -> None:
        self.target = target
        self.mark = mark
        self._patience = patience
        self._table = table
        self._stack = ExitStack()
        if mark.fresh:
            raise self.lacking("app of the test's own, for @pytest.mark.chalice(fresh=…, env=…)")

    def lacking(self, what: str) -> NotOnThisTarget:
        return NotOnThisTarget(self.target, what)

    @cached_property
    def tokens(self) -> DeployedTokens:
        try:
            settings = TokenSettings.of(options.section(self._table, "tokens"))
        except ValueError as error:
            raise SessionPluginError(str(error)) from None
        return DeployedTokens(settings, os.environ, self.lacking)

    @cached_property
    def gateway(self) -> Gateway:
        trace: list[Observed] = []
        urls = options.urls_of(self.target)
        remote = Remote(urls, patience=self._patience, lacking=self.lacking, observe=trace.append)
        gateway = StageGateway(remote, trace, self.lacking)
        self._stack.callback(gateway.close)
        return gateway

    @property
    def trace(self) -> str:
        """What the client saw, to be read."""
        gateway: Gateway | None = self.__dict__.get("gateway")
        return render(gateway.trace) if gateway is not None else ""

    denied = ""  # of what it asks of AWS nothing is seen here

    def problems(self) -> list[checks.Problem]:
        gateway: Gateway | None = self.__dict__.get("gateway")
        sockets = [websocket.connection_id for websocket in gateway.websockets] if gateway is not None else []
        return checks.problems(open_sockets=sockets, allowed=self.mark.allow)

    def close(self) -> None:
        self._stack.close()

    def put_environment_back(self) -> None:
        """Nothing was put into it."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(name)
        raise self.lacking(LACKING.get(name, f"{name} in this process"))


class StageGateway(Gateway):
    """A gateway without what only one in this process has."""

    def __init__(self, remote: Remote, trace: list[Observed], lacking: Callable[[str], Exception]) -> None:
        super().__init__(remote, trace=trace)
        self._lacking = lacking

    def of(self, path: object) -> NoReturn:
        raise self._lacking("other app beside it")

    def deliver_events(self, *, schedules: bool | str | Collection[str] = False) -> NoReturn:
        raise self._lacking("event sources in this process")

    @property
    def retries(self) -> NoReturn:
        raise self._lacking("retries that could be seen")
