"""One emulated AWS account in this process, and the apps that are deployed in it: everything is wired here."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pytest_sessionplugin.account.apps import Apis, DeployedApp, Gateway, Stack
from pytest_sessionplugin.account.journal import Journal
from pytest_sessionplugin.app.description import (
    describe,
    event_sources,
    events_taken,
    function_names,
    resources,
    scheduled,
    schedules,
)
from pytest_sessionplugin.app.functions import Functions, Process
from pytest_sessionplugin.app.placeholders import check
from pytest_sessionplugin.aws.calls import Calls, Uncounted
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.aws.interceptor import Interceptor
from pytest_sessionplugin.aws.moto.emulator import OUTLIVED, Emulator
from pytest_sessionplugin.aws.races import Races
from pytest_sessionplugin.aws.table_specs import key_names
from pytest_sessionplugin.aws.tables import Tables
from pytest_sessionplugin.aws.waits import Waits
from pytest_sessionplugin.children.listener import Children
from pytest_sessionplugin.errors import NoHandler, SessionPluginError, TemplateError
from pytest_sessionplugin.gateway.activity import Activity
from pytest_sessionplugin.lambdas.event_sources import EventSources, Source
from pytest_sessionplugin.lambdas.functions import FaultyFunctions
from pytest_sessionplugin.lambdas.schedules import Schedule, usual_events
from pytest_sessionplugin.lambdas.service import LambdaService
from pytest_sessionplugin.lambdas.threads import LeftThreads

if TYPE_CHECKING:
    from pytest_sessionplugin.app.functions import ProcessOf
    from pytest_sessionplugin.app.project import Memory, Project
    from pytest_sessionplugin.aws.moto.emulator import MadeCall
    from pytest_sessionplugin.aws.service_requests import ServiceRequest
    from pytest_sessionplugin.aws.wire import Answer
    from pytest_sessionplugin.gateway.client.transport import Transport
    from pytest_sessionplugin.gateway.runtime import Runtime
    from pytest_sessionplugin.gateway.values import Api, Observed, RunFunction, TimeSource
    from pytest_sessionplugin.lambdas.threads import Left
    from pytest_sessionplugin.tokens.tokens import Tokens

Path = str | os.PathLike[str]
"""The folder of a project, absolute or from the rootdir."""

OpenGateway = Callable[..., "tuple[Transport, Runtime]"]
"""Opens the gateway of an app: takes its API, its functions and, by keyword, `activity`, `observe` and `throttles`."""


class Notebook(Protocol):
    """Hears of what happens in an account outside its gateways: a Journal, or the console of `serve`."""

    def observe(self, at: float, text: str) -> None: ...

    def warn(self, sentence: str) -> None: ...

    def leave(self, left: Left) -> None: ...


@dataclass(frozen=True)
class _AppVersion:
    """A version of an app that can be deployed: everything that may fail has been computed."""

    api: Api
    functions: Functions
    run: RunFunction
    names: Mapping[str, str]
    sources: Sequence[Source]
    scheduled: Sequence[str]
    schedules: Sequence[Schedule]
    events_taken: Mapping[str, str]


class Account:
    """An emulated AWS account. All its apps share its calls, faults, races and Lambda service.

    `first` deploys the test's own app if necessary, which a fault that names a function needs. `others` finds the
    gateway of another project. `wrap` wraps an app's functions, outside of their faults. Each app is described within
    `describing()`, which may collect warnings. `other_hosts` says whether the process may connect to hosts that are
    neither AWS's nor this machine. `stands` tells whether time stands still.
    """

    def __init__(
        self,
        emulator: Emulator,
        *,
        calls: Calls,
        notebook: Notebook,
        first: Callable[[], DeployedApp],
        others: Callable[[Path], Gateway],
        clock: TimeSource,
        wrap: Callable[[Stack, Api, RunFunction], RunFunction] = lambda stack, api, functions: functions,
        describing: Callable[[], AbstractContextManager[object]] = nullcontext,
        other_hosts: bool = True,
        stands: Callable[[], bool] = lambda: False,
    ) -> None:
        self.emulator = emulator
        self.calls = calls
        self.activity = Activity()
        self.apis = Apis(first)
        self.lambdas = LambdaService(clock=clock, observe=notebook.observe, warn=notebook.warn)
        self.threads = LeftThreads(notebook.leave)
        self.races = Races(self.activity.at_rest)
        self.waits = Waits(clock, stands)
        self.faults = Faults(picture=emulator.picture, functions=self.apis.function_names, clients=self.apis.clients)
        self._notebook, self._clock = notebook, clock
        self._others, self._wrap, self._describing = others, wrap, describing
        self._stacks: list[Stack] = []
        self._key_names: dict[str, tuple[str, ...]] = {}  # by the name of the table
        self._claimed: dict[tuple[str, str], str] = {}  # region and name of a table -> its logical name and project
        self._interceptor = Interceptor(
            calls=calls,
            faults=self.faults,
            races=self.races,
            heard=self.threads.calls,
            backends=(self.apis, self.lambdas, emulator),
            elsewhere=emulator.elsewhere,
            other_hosts=other_hosts,
            waits=self.waits,
            tell=self._tell,
            key_names=self._key_names,
        )
        self._children = Children(self._interceptor, calls.test, other_hosts=other_hosts)

    @contextmanager
    def open(self) -> Iterator[Account]:
        """Answers every botocore call of the process and of its children. One account at a time is open."""
        with HOOK.use(self._interceptor, OUTLIVED, self.calls.test), self._children.reached():
            try:
                yield self
            finally:
                self.waits.close()

    def answer_http(self, request: ServiceRequest) -> Answer | None:
        """Answers a call of another process, with faults and counted; None if a fault cuts its connection."""
        return self._interceptor.answer_http(request)

    def add(
        self,
        name: str,
        memory: Memory,
        tokens: Tokens,
        tables_of: Callable[[Path], Tables],
        *,
        seeing: Callable[[Memory], AbstractContextManager[object]] = nullcontext,
        made: Sequence[MadeCall] = (),
    ) -> Stack:
        """Creates a project's tables and runs its seed; imports no app. `tables_of` finds those of another project.

        The seed runs in the block `seeing(memory)`. `made` are the calls that the import of the app has made in another
        test; their effects are there as well. Raises TemplateError for a table whose name another project uses in the
        same region.
        """
        claims = self._claims(memory)
        number = len(self._stacks)
        memory = memory.numbered(number)
        seed = partial(self._seed, memory, seeing)
        if self._stacks:
            self.emulator.create(memory.specs, memory.resources, memory.region, seed)
        else:
            self.emulator.fill(seed, made)
        self._count(made)
        self._claimed.update(claims)
        self._key_names.update(key_names(memory.specs))
        tables = Tables(self.emulator.named(memory.specs, memory.region), tables_of, memory.without_tables)
        self._stacks.append(Stack(name, number, memory, tables, tokens))
        return self._stacks[-1]

    def provide(self, stack: Stack, process: Process) -> None:
        """Makes the queues, topics, buckets and streams that the decorators of an imported app name."""
        if found := resources(process.app):
            self.emulator.provide(found, stack.memory.region)

    def deploy(
        self,
        stack: Stack,
        process: Process,
        target: OpenGateway,
        process_of: ProcessOf | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> DeployedApp:
        """Puts an app that was imported behind a gateway, which `target` opens.

        `process_of` gives the copy of the app for each function, if each is to have one. `variables` are those beside
        the project's own, before they are expanded.
        """
        version = self._version(stack, process, process_of, variables)
        trace: list[Observed] = []

        def observe(seen: Observed) -> None:
            trace.append(seen.kept())

        throttles = self.faults.throttles_handshake
        transport, runtime = target(
            version.api, version.run, activity=self.activity, observe=observe, throttles=throttles
        )
        return self._put(stack, version, transport, runtime, trace)

    def redeploy(
        self, deployed: DeployedApp, memory: Memory, process: Process, *, forget_authorizers: bool
    ) -> DeployedApp:
        """Another version of the app behind the same transport: sockets and rows stay, running functions finish.

        With `forget_authorizers`, drops the cached answers of all authorizers. If the app cannot be deployed, the
        version before it stays.
        """
        stack = replace(deployed.stack, memory=memory)
        self._key_names.update(key_names(memory.specs))
        version = self._version(stack, process, None)
        deployed.runtime.redeploy(version.api, version.run, forget_authorizers=forget_authorizers)
        return self._put(stack, version, deployed.transport, deployed.runtime, deployed.gateway.trace)

    def _version(
        self,
        stack: Stack,
        process: Process,
        process_of: ProcessOf | None,
        variables: Mapping[str, str] | None = None,
    ) -> _AppVersion:
        app, memory = process.app, stack.memory
        with self._describing():
            api = describe(app, stack.project, memory.region, memory.tokens).numbered(stack.number)
            functions = Functions(process, memory, api, process_of)
            if problems := functions.problems():
                warnings.warn(NoHandler(problems), stacklevel=2)
        sources = event_sources(app)
        self.provide(stack, process)
        asked = {**memory.unexpanded, **(variables or {})}
        there = partial(self.emulator.there, region=memory.region)
        check(stack.project.root, asked, functions.names.values(), memory.resources.made, there)
        self.threads.watch(stack.project.root)
        faulty = FaultyFunctions(
            functions,
            functions.names,
            self.faults,
            api.websocket.get("$disconnect"),
            stack.prefix,
            self.threads.while_running,
        )
        run = self._wrap(stack, api, faulty)
        names, planned = function_names(app), schedules(app, stack.project)
        return _AppVersion(api, functions, run, names, sources, scheduled(app), planned, events_taken(app))

    def _put(
        self, stack: Stack, version: _AppVersion, transport: Transport, runtime: Runtime, trace: list[Observed]
    ) -> DeployedApp:
        region = stack.memory.region
        usual_event = usual_events(version.scheduled, region, stack.deployed_name, version.events_taken)
        waiting = self.emulator.sources(region)
        gateway = Gateway(
            transport,
            runtime,
            trace=trace,
            tables=stack.tables,
            tokens=stack.tokens,
            sources=EventSources(version.sources, waiting, runtime.invoke, version.scheduled, usual_event),
            retries=lambda: self.lambdas.retries.waiting,
            usual_event=usual_event,
            others=self._others,
        )
        deployed = DeployedApp(
            stack,
            version.api,
            transport,
            runtime,
            gateway,
            version.functions,
            version.names,
            version.schedules,
        )
        self.apis.put(deployed)
        self.lambdas.deploy(version.functions, version.api, runtime.invoke, runtime.invoke_later, stack.prefix)
        return deployed

    def _tell(self, sentence: str) -> None:
        self._notebook.observe(self._clock(), f"aws    {sentence}")
        self._notebook.warn(sentence)

    def refill(self, stack: Stack, process: Process, made: Sequence[MadeCall]) -> None:
        """Empties AWS and makes everything of the only project as at its start: tables and other resources, its seed,
        and `made`, the calls of the app's import. Drops events that wait for a retry.
        """
        memory = stack.memory
        self.lambdas.drop_retries()
        self.emulator.empty()
        self.emulator.create(memory.specs, memory.resources, memory.region, partial(self._seed, memory, nullcontext))
        self.emulator.repeat(made)
        self.provide(stack, process)

    def repeat(self, made: Sequence[MadeCall]) -> None:
        """Makes the calls of an import again, in a test that has begun."""
        self.emulator.repeat(made)
        self._count(made)

    def _count(self, made: Sequence[MadeCall]) -> None:
        for each in made:
            self.calls.asked(each.call)

    def _seed(self, memory: Memory, seeing: Callable[[Memory], AbstractContextManager[object]]) -> None:
        if (seed := memory.project.seed) is not None:
            with self._interceptor.uncounted(), seeing(memory):
                seed.run()

    def _claims(self, memory: Memory) -> dict[tuple[str, str], str]:
        """The tables of a project, by region and name. Raises TemplateError for one that another project has."""
        claims = {}
        for logical, spec in memory.specs.items():
            table = (memory.region, str(spec["TableName"]))
            claims[table] = claimed = f"{logical} of {memory.project.root}"
            if table in self._claimed:
                raise TemplateError(
                    f"a table name used twice: {table[1]} is {self._claimed[table]} and {claimed}. "
                    "Both are in one account here: give one of them another TableName."
                )
        return claims


@contextmanager
def in_memory(project: Project, *, tokens: Tokens | None = None) -> Iterator[Stack]:
    """The project's environment and its tables, without pytest, until the block ends."""
    import time

    from pytest_sessionplugin.app.project import Memory

    def alone(path: object = None) -> Any:
        raise SessionPluginError("This block has only tables: neither an app nor another project.")

    memory = Memory(project, tokens=tokens)
    with memory.open() as emulator:
        account = Account(emulator, calls=Uncounted(), notebook=Journal(), first=alone, others=alone, clock=time.time)
        with account.open():
            yield account.add(project.name, memory, memory.tokens, alone)
