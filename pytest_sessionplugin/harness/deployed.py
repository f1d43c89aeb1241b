"""Everything that one test holds of a deployed stage: tokens, and a gateway to its URLs.

Everything else of a LocalHarness is missing here: a test that asks for it is skipped with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from pytest_sessionplugin import options
from pytest_sessionplugin.account.trace import render, render_one
from pytest_sessionplugin.errors import NotOnThisTarget, SessionPluginError
from pytest_sessionplugin.gateway.client.deployed import Remote
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.values import Observed
from pytest_sessionplugin.harness import checks
from pytest_sessionplugin.options import ChaliceMark
from pytest_sessionplugin.tokens.deployed import DeployedTokens
from pytest_sessionplugin.tokens.tokens import TokenSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_sessionplugin.contract.contract import Contract, Deviation


@dataclass(frozen=True)
class DeployedStage:
    """The counterpart of a DeployedApp."""

    gateway: GatewayClient


class DeployedHarness:
    """A test's tokens and gateway for the deployed stage `target`; anything else skips the test.

    `table` is [tool.sessionplugin] of the project; `patience` is how many seconds a receive waits for a frame.
    """

    def __init__(
        self,
        target: str,
        patience: float,
        mark: ChaliceMark,
        table: Mapping[str, Any],
        project: Path,
        contract: Contract | None = None,
    ) -> None:
        self.target = target
        self.mark = mark
        self._patience = patience
        self._table, self._project = table, project
        self._stack = ExitStack()
        self._tokens: DeployedTokens | None = None
        self._deployed: DeployedStage | None = None
        self._contract, self._crossed = contract, list[Observed]()
        if mark.fresh:
            raise self.lacking("app of the test's own, for @pytest.mark.chalice(fresh=…, env=…)")
        if mark.each_its_own:
            raise self.lacking("copies of the app for this test, for @pytest.mark.chalice(isolation=…)")

    def lacking(self, what: str) -> NotOnThisTarget:
        return NotOnThisTarget(self.target, what, options.kind_of(self.target))

    def tokens(self) -> DeployedTokens:
        if self._tokens is None:
            try:
                settings = TokenSettings.of(options.section(self._table, "tokens"))
            except ValueError as error:
                raise SessionPluginError(str(error)) from None
            served = self._project if options.is_served(self.target) else None
            self._tokens = DeployedTokens(settings, os.environ, self.lacking, served=served)
        return self._tokens

    def deployed(self) -> DeployedStage:
        if self._deployed is None:
            trace: list[Observed] = []
            urls = options.urls_of(self.target)
            remote = Remote(
                urls,
                patience=self._patience,
                lacking=self.lacking,
                observe=trace.append,
                hear=self._crossed.append if self._contract is not None else None,
            )
            self._deployed = DeployedStage(GatewayClient(remote, None, trace=trace, lacking=self.lacking))
            self._stack.callback(self._deployed.gateway.close)
        return self._deployed

    def account(self) -> NoReturn:
        raise self.lacking("AWS in memory: no tables, no counts, no faults")

    tables = stack = account

    def process(self) -> NoReturn:
        raise self.lacking("app in this process")

    def load(self, name: str) -> NoReturn:
        raise self.lacking("modules in this process")

    def clock(self) -> NoReturn:
        raise self.lacking("clock of the test's own")

    @property
    def trace(self) -> str:
        """Everything that the client saw, to be read."""
        return render(self._deployed.gateway.trace) if self._deployed is not None else ""

    @property
    def sections(self) -> list[tuple[str, str]]:
        """The calls of a deployed app cannot be seen, nor its import."""
        return [("gateway", trace)] if (trace := self.trace) else []

    def problems(self) -> list[checks.Problem]:
        sockets = self._deployed.gateway.websockets if self._deployed is not None else ()
        return checks.problems(
            open_sockets=[each.connection_id for each in sockets],
            off_contract=list(self._off_contract()),
            allowed=self.mark.allow,
        )

    def _off_contract(self) -> Iterator[tuple[Deviation, str]]:
        """Deviations from the contract, each with its line of the trace."""
        if self._contract is not None:
            trace, stage = tuple(self._crossed), urlsplit(options.urls_of(self.target).http).path.strip("/")
            for deviation in self._contract.check(trace, stage, emulated=options.is_served(self.target)):
                yield deviation, render_one(deviation.seen, trace)

    def close(self) -> None:
        self._stack.close()

    def abandon(self) -> None:
        """Does nothing: handlers of a deployed stage are invisible."""

    def put_environment_back(self) -> None:
        """Does nothing: a deployed stage changes no variable here."""
