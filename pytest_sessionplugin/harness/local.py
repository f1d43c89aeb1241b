"""What one test has of the kit: opened as it asks, closed in reverse at its end. Knows no pytest."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_sessionplugin.account.trace import AppLog, Note, asked_of_aws, render, render_several
from pytest_sessionplugin.app.modules import Copies
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.aws.races import Races
from pytest_sessionplugin.harness import checks
from pytest_sessionplugin.harness.neighbours import Host, Hosts, Neighbour, Neighbours
from pytest_sessionplugin.harness.projects import ProjectCache, Setup
from pytest_sessionplugin.lambdas.event_sources import EventSources
from pytest_sessionplugin.lambdas.functions import FaultyFunctions
from pytest_sessionplugin.lambdas.schedules import Rota, usual_events
from pytest_sessionplugin.lambdas.service import LambdaService
from pytest_sessionplugin.lambdas.threads import Left, LeftThreads
from pytest_sessionplugin.options import ChaliceMark
from pytest_sessionplugin.tokens.tokens import Tokens

if TYPE_CHECKING:
    from chalice.app import Chalice

    from pytest_sessionplugin.account.clock import Agenda, Clock
    from pytest_sessionplugin.app.functions import Process, Processes
    from pytest_sessionplugin.app.isolation import View
    from pytest_sessionplugin.aws.moto.emulator import Aws
    from pytest_sessionplugin.aws.tables import Tables
    from pytest_sessionplugin.gateway.client.gateway import Gateway
    from pytest_sessionplugin.gateway.values import Api, RunFunction, Throttles


class LocalHarness:
    """Each property opens what it names, and what that needs, when it is first asked for."""

    def __init__(self, setup: Setup, target: str, mark: ChaliceMark, setups: ProjectCache) -> None:
        self.setup = setup
        self.target = target
        self.mark = mark
        self.calls = Calls(setup.project.root)
        self.faults = Faults()
        self.faults.site = self
        self.races = Races()
        self.races.gateway = lambda: self.__dict__.get("gateway")
        self._log = AppLog()
        self._stack = ExitStack()
        self._hosts = Hosts()
        self._events: list[Note] = []  # what became of those that functions got from Lambda
        self.lambdas = LambdaService(observe=lambda at, text: self._events.append(Note(at, text)))
        self._left: list[tuple[float, Left]] = []
        self._threads = LeftThreads(lambda left: self._left.append((time.time(), left)))
        self.neighbours = Neighbours(self, setups)
        self.gateways: dict[str, Gateway] = {}  # name of a project -> its own
        self.before = dict(os.environ)
        self.told = frozenset({*setup.memory.variables, *mark.env})  # variables of this project
        self._time = ExitStack()  # goes back last: what is closed is closed at the test's time
        self._told: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self.setup.project.name

    @cached_property
    def tokens(self) -> Tokens:
        return self.introduce(self.setup.memory.tokens)

    def introduce(self, tokens: Tokens) -> Tokens:
        """Those of a project of this test: until its end they know those of the others."""
        return self._stack.enter_context(tokens.in_test(lambda path: self.neighbours(path).tokens))

    @cached_property
    def aws(self) -> Aws:
        aws = self._stack.enter_context(self.setup.memory.open(self.calls, self.faults))
        aws.door.races = self.races
        self._untold = dict(os.environ)
        os.environ.update(self.setup.memory.expand(self.mark.env))
        self._told = dict(os.environ)
        self.neighbours.claim(self.setup)
        aws.tables.neighbours = lambda path: self.neighbours(path).tables
        self._stack.callback(setattr, aws.tables, "neighbours", None)
        return aws

    @property
    def tables(self) -> Tables:
        return self.aws.tables

    @cached_property
    def app(self) -> Chalice:
        from pytest_sessionplugin.app.functions import share, start_cold
        from pytest_sessionplugin.app.logging import log_to_root

        self.aws  # noqa: B018 - opens it: an app may make its clients when it is imported
        project = self.setup.project
        other = project.loaded_for not in (None, self.setup.variables)
        app = (
            project.chalice_object(self.load("app"))
            if (self.mark.fresh or self.mark.each_its_own) or other
            else self._the_one_app()
        )
        share(app)
        start_cold(app)
        self._stack.enter_context(log_to_root(app, self._log))
        return app

    def load(self, name: str) -> ModuleType:
        """A new copy of a module of the project and of what it imports there, until the end of the test."""
        from pytest_sessionplugin.app.logging import loggers_kept

        self.aws  # noqa: B018 - as above
        self._stack.enter_context(loggers_kept())
        return self.setup.project.load_copy(self._copies, name)

    @cached_property
    def gateway(self) -> Gateway:
        from pytest_sessionplugin.app.functions import Process

        return self.open_gateway(self, Process(self.app))

    def open_gateway(
        self,
        of: LocalHarness | Neighbour,
        process: Process,
        number: int = 0,
        beside: Gateway | None = None,
        view: View | None = None,
    ) -> Gateway:
        """In front of the app of this or of another project of the test; the number tells their APIs apart."""
        from pytest_sessionplugin.app.description import describe, event_sources, function_names, scheduled
        from pytest_sessionplugin.app.functions import Functions

        processes = self.processes  # opened before any gateway: what one still runs when it is closed finds its modules
        project, app = of.setup.project, process.app
        api = describe(app, project, of.setup.memory.region, of.setup.memory.tokens).numbered(number)
        each = processes.each_its_own(project, of.name, process, view) if self.mark.each_its_own else None
        healthy = Functions(app, project, api, each or (lambda function: process))
        prefix = f"{of.name}:" if number else ""
        self._threads.watch(project.root)
        functions = FaultyFunctions(
            healthy, healthy.names, self.faults, api.websocket.get("$disconnect"), prefix, self._threads
        )
        gateway = gateway_on(self.target, api, functions, beside, self.faults.throttles_handshake)
        self._stack.callback(gateway.close)
        self._hosts.add(Host(prefix, api, gateway, healthy.names, function_names(app)))
        self.lambdas.deploy(healthy, api, gateway.run, gateway.run_later, prefix)
        door = self.aws.door
        door.gateway, door.functions, door.threads = self._hosts, self.lambdas, self._threads
        self.calls.functions = self._hosts.functions
        gateway.usual_event = usual_events(scheduled(app), of.setup.memory.region, f"{project.name}-{project.stage}")
        gateway.event_sources = EventSources(
            event_sources(app), of.aws.sources, gateway.invoke, scheduled(app), gateway.usual_event
        )
        gateway.waiting = lambda: self.lambdas.retries.waiting
        gateway.neighbours = lambda path: self.neighbours(path).gateway
        self.gateways[of.name] = gateway
        return gateway

    @property
    def clients(self) -> Hosts:
        self.gateway  # noqa: B018 - opens it
        return self._hosts

    @property
    def function_names(self) -> Mapping[str, str]:
        from pytest_sessionplugin.app.description import function_names

        return {**function_names(self.app), **self._hosts.function_names}

    @cached_property
    def processes(self) -> Processes:
        from pytest_sessionplugin.app.functions import Processes

        return Processes(self._stack.enter_context(ExitStack()), self._log)

    @cached_property
    def clock(self) -> Clock:
        from pytest_sessionplugin.account.clock import Clock

        return self._time.enter_context(Clock(self._agendas, self._settle))

    def _agendas(self, schedules: bool) -> list[Agenda]:
        """Of what is open; but schedules are the app's, and open it."""
        from pytest_sessionplugin.aws.dynamodb import TimeToLive

        agendas: list[Agenda] = []
        if schedules:
            agendas.append(self._rota())
        agendas += [*self.gateways.values(), self.lambdas.retries]
        if "aws" in self.__dict__:
            agendas.append(TimeToLive(self.aws.rows, self.clock.ttl_lag))
        return agendas

    def _rota(self) -> Rota:
        from pytest_sessionplugin.app.description import schedules

        project = self.setup.project
        return Rota(
            schedules(self.app),
            self.gateway.invoke,
            self.setup.memory.region,
            self.clock.began,
            prefix=f"{project.name}-{project.stage}",
        )

    def _settle(self) -> None:
        if "gateway" in self.__dict__:
            self.gateway.settle()

    @cached_property
    def _copies(self) -> Copies:
        copies = Copies(self.setup.project.root)
        self._stack.callback(copies.close)
        return copies

    def _the_one_app(self) -> Chalice:
        """The app of every test, and so imported without what this one alone is told."""
        with self._copies.outside(), self._not_told():
            return self.setup.project.load(self.setup.variables)

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
        """What crossed the gateways, was asked of AWS and was logged, to be read."""
        traces = {name: gateway.trace for name, gateway in self.gateways.items()}
        left = [Note(at, f"left   {left}") for at, left in self._left]
        notes = [*self._log.notes, *self._events, *left, *asked_of_aws(self.calls.attempts)]
        if len(traces) > 1:
            return render_several(traces, notes)
        return render(traces.get(self.name, ()), notes)

    @property
    def denied(self) -> str:
        """What `denied_by` last found, a line for each: an assertion shows of a list only so much."""
        return "\n".join(map(str, self.calls.denied))

    def problems(self) -> list[checks.Problem]:
        """What is left that nobody meant to leave. To be asked before `close`."""
        self._threads.look()
        return checks.problems(
            open_sockets=[str(ws.connection_id) for each in self.gateways.values() for ws in each.websockets],
            unfired=self.faults.never_fired,
            not_run=self.races.never_run,
            blocked=self.calls.blocked,
            left=[left for _, left in self._left],
            allowed=self.mark.allow,
        )

    def close(self) -> None:
        with self._time:
            self._stack.close()

    def put_environment_back(self) -> None:
        """Once more, when all fixtures are gone: one that began before may have put back a value of ours."""
        environment.take_back(self._told, self.before)


def gateway_on(
    target: str, api: Api, functions: RunFunction, beside: Gateway | None = None, throttles: Throttles | None = None
) -> Gateway:
    """A running gateway, beside another one if there is one; the caller closes it."""
    from pytest_sessionplugin.gateway.client.gateway import Gateway
    from pytest_sessionplugin.gateway.values import never

    make = Gateway.on_sockets if target == "sockets" else Gateway.in_process
    return make(api, functions, throttles=throttles or never, beside=beside)
