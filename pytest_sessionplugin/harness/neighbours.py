"""Other projects of the repository in the same test, each with its own app, APIs and tables in the AWS of the first.

Knows no pytest. What fixtures and marks say of the environment is said of the first project; the others are what their
own files say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_sessionplugin.app.isolation import View
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.errors import TemplateError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_sessionplugin.aws.moto.emulator import Aws
    from pytest_sessionplugin.aws.tables import Tables
    from pytest_sessionplugin.gateway.client.gateway import Gateway
    from pytest_sessionplugin.gateway.values import Api, Manage, Reply
    from pytest_sessionplugin.harness.local import LocalHarness
    from pytest_sessionplugin.harness.projects import ProjectCache, Setup
    from pytest_sessionplugin.tokens.tokens import Tokens


class Neighbour:
    """Another project in the test of `kit`: each property opens what it names, and the test's end closes it."""

    def __init__(self, kit: LocalHarness, setup: Setup, name: str, number: int) -> None:
        self._kit = kit
        self.setup = setup
        self.name = name
        self._number = number

    @cached_property
    def tokens(self) -> Tokens:
        return self._kit.introduce(self.setup.memory.tokens)

    @cached_property
    def aws(self) -> Aws:
        memory, first = self.setup.memory, self._kit.aws
        self._kit.neighbours.claim(self.setup)
        return first.beside(memory.specs, memory.region)

    @property
    def tables(self) -> Tables:
        return self.aws.tables

    @cached_property
    def gateway(self) -> Gateway:
        first = self._kit.gateway
        self.aws  # noqa: B018 - opens it: an app may look at its tables when it is imported
        process = self._kit.processes.new(self.setup.project, self.name, self._view)
        return self._kit.open_gateway(self, process, self._number, beside=first, view=self._view)

    @cached_property
    def _view(self) -> View:
        """What its functions see of os.environ: nothing that only the first project is told."""
        variables = self.setup.memory.variables
        machine = {
            name: value
            for name, value in self._kit.before.items()
            if name in self._kit.told and not environment.leads_elsewhere(name)
        }
        return View({**machine, **variables}, self._kit.told - machine.keys() - variables.keys())


class Neighbours:
    """All projects of a test besides its first, each opened when it is first asked for."""

    def __init__(self, kit: LocalHarness, setups: ProjectCache) -> None:
        self._kit = kit
        self._setups = setups
        self._opened: dict[Path, Neighbour] = {}
        self._claimed: dict[tuple[str, str], str] = {}  # region and name of a table -> whose it is

    def __call__(self, path: str | os.PathLike[str]) -> LocalHarness | Neighbour:
        """The project in this folder, absolute or from the rootdir; that of the test itself is its kit."""
        root = self._setups.find(path)
        if root == self._kit.setup.project.root:
            return self._kit
        if root not in self._opened:
            setup = self._setups.neighbour(root)
            names = [self._kit.name, *(each.name for each in self._opened.values())]
            name, number = setup.project.name, len(names)
            self._opened[root] = Neighbour(self._kit, setup, f"{name}-{number}" if name in names else name, number)
        return self._opened[root]

    def claim(self, setup: Setup) -> None:
        """Raises TemplateError if a table of the project is one of another project's, too."""
        for logical, spec in setup.memory.specs.items():
            table = (setup.memory.region, str(spec["TableName"]))
            claimed = f"{logical} of {setup.project.root}"
            if table in self._claimed:
                raise TemplateError(
                    f"a table name used twice: {table[1]} is {self._claimed[table]} and {claimed}. "
                    "Both are in one account here: give one of them another TableName."
                )
            self._claimed[table] = claimed


@dataclass(frozen=True)
class Host:
    """An app behind its gateway, as AWS knows it."""

    prefix: str  # of the names of its functions; empty for the first app
    api: Api
    gateway: Gateway
    names: Mapping[str, str]  # function in the app -> in config.json
    function_names: Mapping[str, str]  # what each may be called -> its name in the app


class Hosts:
    """Several gateways as one, for the door and for faults: whose API, connection or function it is."""

    def __init__(self) -> None:
        self._hosts: list[Host] = []
        self._slow: dict[str, Gateway] = {}  # connection -> its gateway

    def add(self, host: Host) -> None:
        self._hosts.append(host)

    @property
    def functions(self) -> frozenset[str]:
        """The names of all: those of the first app as in config.json, those of another as `orders:api_handler`."""
        return frozenset(host.prefix + name for host in self._hosts for name in host.names.values())

    @property
    def function_names(self) -> dict[str, str]:
        """What a function may be called -> its name, both with the prefix of its app."""
        return {
            host.prefix + called: host.prefix + name
            for host in self._hosts
            for called, name in host.function_names.items()
        }

    def manage(self, call: Manage) -> Reply:
        """A host that is nobody's is for the first one to refuse."""
        asked = call.host.split(":")[0].lower()
        found = (host.gateway for host in self._hosts if host.api.host(host.api.websocket_api_id) == asked)
        return next(found, self._hosts[0].gateway).manage(call)

    def stall(self, connection_id: str, held: Callable[[], None]) -> None:
        gateways = (host.gateway for host in self._hosts)
        found = (each for each in gateways if connection_id in {ws.connection_id for ws in each.websockets})
        self._slow[connection_id] = next(found, self._hosts[0].gateway)
        self._slow[connection_id].stall(connection_id, held)

    def resume(self, connection_id: str) -> None:
        self._slow[connection_id].resume(connection_id)
