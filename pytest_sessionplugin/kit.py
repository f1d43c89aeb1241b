"""What one test has of the kit: opened as it asks, closed in reverse at its end. Knows no pytest.

A Worlds lasts for the session, and holds what is costly: projects with their imported apps, keys, tables. A Kit is
one test's view of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_sessionplugin import strict, targets
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.aws.memory import Memory
from pytest_sessionplugin.aws.race import Races
from pytest_sessionplugin.copies import Copies
from pytest_sessionplugin.errors import TemplateError
from pytest_sessionplugin.event_sources import EventSources
from pytest_sessionplugin.invocations import FaultyFunctions
from pytest_sessionplugin.project import Project
from pytest_sessionplugin.schedules import Rota
from pytest_sessionplugin.tokens import Tokens
from pytest_sessionplugin.trace import ErrorLog, render

if TYPE_CHECKING:
    from chalice.app import Chalice

    from pytest_sessionplugin.aws.moto_internals import Aws
    from pytest_sessionplugin.aws.tables import Seed
    from pytest_sessionplugin.aws.template import TableSpec
    from pytest_sessionplugin.clock import Agenda, Clock
    from pytest_sessionplugin.gateway.client import Gateway


@dataclass(frozen=True)
class Wishes:
    """What a test asks for with `@pytest.mark.chalice`."""

    fresh: bool = False  # an app of its own, imported for this test
    env: Mapping[str, str] = field(default_factory=dict)  # over the app's environment; needs an app of its own
    allow: frozenset[str] = frozenset()  # of strict.SWITCHES

    @classmethod
    def of(
        cls, *, fresh: bool = False, env: Mapping[str, str] | None = None, allow: str | Iterable[str] = ()
    ) -> Wishes:
        switches = frozenset([allow] if isinstance(allow, str) else allow)
        if unknown := switches - set(strict.SWITCHES):
            raise ValueError(f"allow: there is no {', '.join(sorted(unknown))}; there are {', '.join(strict.SWITCHES)}")
        return cls(fresh or bool(env), dict(env or {}), switches)

    def over(self, outer: Wishes) -> Wishes:
        """Those of a test over those of its class or module."""
        return Wishes(self.fresh or outer.fresh, {**outer.env, **self.env}, self.allow | outer.allow)


@dataclass(frozen=True)
class World:
    """A project and its AWS, as every test finds them."""

    project: Project
    memory: Memory
    variables: Mapping[str, str]  # an app that was imported under others is not this world's


class Worlds:
    """The worlds of a session: one for each project, and for each way in which its tests set it up."""

    def __init__(self, stage: str, rootdir: Path) -> None:
        self._stage = stage
        self._rootdir = rootdir
        self._projects: dict[Path, Project] = {}
        self._worlds: dict[object, tuple[World, object]] = {}

    def project(self, root: Path) -> Project:
        if root not in self._projects:
            self._projects[root] = Project(root, self._stage, self._rootdir)
        return self._projects[root]

    def world(
        self,
        root: Path,
        variables: Mapping[str, str],
        specs: Mapping[str, TableSpec],
        seed: Seed,
    ) -> World:
        """Specs and seed are told apart by identity: a fixture gives the same object all session long."""
        for fixture, given in (("dynamodb_specs", specs), ("dynamodb_seed", seed)):
            if given is None:
                raise TemplateError(f"the fixture {fixture} gives None; is its return missing?")
        key = (root, tuple(sorted(variables.items())), id(specs), id(seed))
        if key not in self._worlds:
            project = self.project(root)
            memory = Memory(project, specs=specs, seed=seed, variables=variables)
            self._worlds[key] = World(project, memory, dict(variables)), (specs, seed)
        return self._worlds[key][0]

    def close(self) -> None:
        for world, _ in self._worlds.values():
            world.memory.tokens.close()


class Kit:
    """Each property opens what it names, and what that needs, when it is first asked for."""

    def __init__(self, world: World, target: str, wishes: Wishes) -> None:
        self.world = world
        self.target = target
        self.wishes = wishes
        self.calls = Calls(world.project.root)
        self.faults = Faults()
        self.faults.site = self
        self.races = Races()
        self.races.gateway = lambda: self.__dict__.get("gateway")
        self._errors = ErrorLog()
        self._stack = ExitStack()
        self._time = ExitStack()  # goes back last: what is closed is closed at the test's time
        self._before = dict(os.environ)
        self._told: dict[str, str] = {}

    @cached_property
    def tokens(self) -> Tokens:
        tokens = self.world.memory.tokens
        self._stack.callback(tokens.start_over)
        return tokens

    @cached_property
    def aws(self) -> Aws:
        aws = self._stack.enter_context(self.world.memory.open(self.calls, self.faults))
        aws.door.races = self.races
        self._untold = dict(os.environ)
        os.environ.update(self.world.memory.expand(self.wishes.env))
        self._told = dict(os.environ)
        return aws

    @cached_property
    def app(self) -> Chalice:
        from pytest_sessionplugin.chalice_internals import log_to_root, share, start_cold

        self.aws  # noqa: B018 - opens it: an app may make its clients when it is imported
        project = self.world.project
        other = project.loaded_for not in (None, self.world.variables)
        app = project.chalice_object(self.load("app")) if self.wishes.fresh or other else self._the_one_app()
        share(app)
        start_cold(app)
        self._stack.enter_context(log_to_root(app, self._errors))
        return app

    def load(self, name: str) -> ModuleType:
        """A new copy of a module of the project and of what it imports there, until the end of the test."""
        from pytest_sessionplugin.chalice_internals import loggers_kept

        self.aws  # noqa: B018 - as above
        self._stack.enter_context(loggers_kept())
        return self.world.project.load_copy(self._copies, name)

    @cached_property
    def gateway(self) -> Gateway:
        from pytest_sessionplugin.chalice_internals import Functions, describe, event_sources

        api = describe(self.app, self.world.project, self.world.memory.region)
        healthy = Functions(self.app, self.world.project, api)
        functions = FaultyFunctions(healthy, self.faults, api.websocket.get("$disconnect"))
        gateway = targets.gateway(self.target, api, functions)
        self._stack.callback(gateway.close)
        self.aws.door.gateway, self.aws.door.caller = gateway, healthy.caller
        self.calls.functions = healthy.names
        gateway.event_sources = EventSources(event_sources(self.app), self.aws.sources, gateway.invoke)
        return gateway

    @property
    def clients(self) -> Gateway:
        return self.gateway

    @property
    def function_names(self) -> Mapping[str, str]:
        from pytest_sessionplugin.chalice_internals import function_names

        return function_names(self.app)

    @cached_property
    def clock(self) -> Clock:
        from pytest_sessionplugin.clock import Clock

        return self._time.enter_context(Clock(self._agendas, self._settle))

    def _agendas(self, schedules: bool) -> list[Agenda]:
        """Of what is open; but schedules are the app's, and open it."""
        from pytest_sessionplugin.aws.ttl import TimeToLive

        agendas: list[Agenda] = []
        if schedules:
            agendas.append(self._rota())
        if "gateway" in self.__dict__:
            agendas.append(self.gateway)
        if "aws" in self.__dict__:
            agendas.append(TimeToLive(self.aws.rows, self.clock.ttl_lag))
        return agendas

    def _rota(self) -> Rota:
        from pytest_sessionplugin.chalice_internals import schedules

        return Rota(schedules(self.app), self.gateway.invoke, self.world.memory.region, self.clock.began)

    def _settle(self) -> None:
        if "gateway" in self.__dict__:
            self.gateway.settle()

    @cached_property
    def _copies(self) -> Copies:
        copies = Copies(self.world.project.root)
        self._stack.callback(copies.close)
        return copies

    def _the_one_app(self) -> Chalice:
        """The app of every test, and so imported without what this one alone is told."""
        with self._copies.outside(), self._not_told():
            self.world.project.loaded_for = self.world.variables
            return self.world.project.load()

    @contextmanager
    def _not_told(self) -> Iterator[None]:
        told = dict(os.environ)
        environment.put_back(self._untold)
        try:
            yield
        finally:
            environment.put_back(told)

    @property
    def trace(self) -> str:
        """What crossed the gateway, to be read; nothing without a gateway."""
        gateway: Gateway | None = self.__dict__.get("gateway")
        return render(gateway.trace, self._errors.notes) if gateway is not None else ""

    @property
    def denied(self) -> str:
        """What `denied_by` last found, a line for each: an assertion shows of a list only so much."""
        return "\n".join(map(str, self.calls.denied))

    def problems(self) -> list[strict.Problem]:
        """What is left that nobody meant to leave. To be asked before `close`."""
        gateway: Gateway | None = self.__dict__.get("gateway")
        return strict.problems(
            open_sockets=[str(ws.connection_id) for ws in gateway.websockets] if gateway else (),
            unfired=self.faults.never_fired,
            not_run=self.races.never_run,
            blocked=self.calls.blocked,
            allowed=self.wishes.allow,
        )

    def close(self) -> None:
        with self._time:
            self._stack.close()

    def put_environment_back(self) -> None:
        """Once more, when all fixtures are gone: one that began before may have put back a value of ours."""
        environment.take_back(self._told, self._before)
