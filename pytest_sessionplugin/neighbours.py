"""Other projects of the repository in the same test, each with its own app, APIs and tables in the AWS of the first.

Knows no pytest. What fixtures and marks say of the environment is said of the first project; the others are what their
own files say.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_sessionplugin.apart import View
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.errors import TemplateError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_sessionplugin.aws.moto_internals import Aws
    from pytest_sessionplugin.aws.tables import Tables
    from pytest_sessionplugin.gateway.client import Gateway
    from pytest_sessionplugin.gateway.values import Api, Manage, Reply
    from pytest_sessionplugin.kit import Kit, World, Worlds
    from pytest_sessionplugin.tokens import Tokens


class Neighbour:
    """Another project in the test of `kit`: each property opens what it names, and the test's end closes it."""

    def __init__(self, kit: Kit, world: World, name: str, number: int) -> None:
        self._kit = kit
        self.world = world
        self.name = name
        self._number = number

    @cached_property
    def tokens(self) -> Tokens:
        return self._kit.introduce(self.world.memory.tokens)

    @cached_property
    def aws(self) -> Aws:
        memory, first = self.world.memory, self._kit.aws
        self._kit.neighbours.claim(self.world)
        aws = first.beside(memory.specs, memory.region)
        aws.tables.neighbours = first.tables.neighbours
        return aws

    @property
    def tables(self) -> Tables:
        return self.aws.tables

    @cached_property
    def gateway(self) -> Gateway:
        first = self._kit.gateway
        self.aws  # noqa: B018 - opens it: an app may look at its tables when it is imported
        process = self._kit.processes.new(self.world.project, self.name, self._view)
        return self._kit.open_gateway(self, process, self._number, beside=first, view=self._view)

    @cached_property
    def _view(self) -> View:
        """What its functions see of os.environ: nothing that only the first project is told."""
        variables = self.world.memory.variables
        machine = {
            name: value
            for name, value in self._kit.before.items()
            if name in self._kit.told and not environment.leads_elsewhere(name)
        }
        return View({**machine, **variables}, self._kit.told - machine.keys() - variables.keys())


class Neighbours:
    """All projects of a test besides its first, each opened when it is first asked for."""

    def __init__(self, kit: Kit, worlds: Worlds) -> None:
        self._kit = kit
        self._worlds = worlds
        self._opened: dict[Path, Neighbour] = {}
        self._claimed: dict[tuple[str, str], str] = {}  # region and name of a table -> whose it is

    def __call__(self, path: str | os.PathLike[str]) -> Kit | Neighbour:
        """The project in this folder, absolute or from the rootdir; that of the test itself is its kit."""
        root = self._worlds.find(path)
        if root == self._kit.world.project.root:
            return self._kit
        if root not in self._opened:
            world = self._worlds.neighbour(root)
            names = [self._kit.name, *(each.name for each in self._opened.values())]
            name, number = world.project.name, len(names)
            self._opened[root] = Neighbour(self._kit, world, f"{name}-{number}" if name in names else name, number)
        return self._opened[root]

    def claim(self, world: World) -> None:
        """Raises TemplateError if a table of the project is one of another project's, too."""
        for logical, spec in world.memory.specs.items():
            table = (world.memory.region, str(spec["TableName"]))
            claimed = f"{logical} of {world.project.root}"
            if table in self._claimed:
                raise TemplateError(
                    f"a table name used twice: {table[1]} is {self._claimed[table]} and {claimed}. "
                    "Both are in one account here: give one of them another TableName."
                )
            self._claimed[table] = claimed


class Hosts:
    """Several gateways as one: the host of a call of @connections says whose API it is."""

    def __init__(self) -> None:
        self._gateways: dict[str, Gateway] = {}

    def add(self, api: Api, gateway: Gateway) -> None:
        self._gateways[api.host(api.websocket_api_id)] = gateway

    def manage(self, call: Manage) -> Reply:
        """A host that is nobody's is for the first one to refuse."""
        first = next(iter(self._gateways.values()))
        return self._gateways.get(call.host.split(":")[0].lower(), first).manage(call)
