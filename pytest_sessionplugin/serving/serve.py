"""Runs a Chalice app on loopback: HTTP, WebSocket and its schedules, with its tables in memory. No pytest."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sessionplugin import targets
from pytest_sessionplugin.account.clock import MovedTime
from pytest_sessionplugin.app.modules import Copies
from pytest_sessionplugin.app.project import Memory
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.calls import Uncounted
from pytest_sessionplugin.aws.environment import on_loopback
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.errors import OptionError, SessionPluginError
from pytest_sessionplugin.gateway.core.authorizers import of as authorizers_of
from pytest_sessionplugin.lambdas.functions import FaultyFunctions
from pytest_sessionplugin.lambdas.threads import LeftThreads
from pytest_sessionplugin.serving.console import of_views, shown, tell, warned_of
from pytest_sessionplugin.serving.reload import LoadedApp, Reload, Start, Watch
from pytest_sessionplugin.tokens.keys import local_key
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings

if TYPE_CHECKING:
    from chalice.app import Chalice

    from pytest_sessionplugin.app.functions import Process
    from pytest_sessionplugin.app.project import Project
    from pytest_sessionplugin.aws.moto.emulator import Aws
    from pytest_sessionplugin.gateway.server.server import Server
    from pytest_sessionplugin.gateway.values import Api


DYNAMODB = "AWS_ENDPOINT_URL_DYNAMODB"


@dataclass(frozen=True)
class Served:
    """An app that is up."""

    api: Api
    http: str
    websocket: str
    tokens: Tokens
    dynamodb: str | None  # where its tables are; None: in memory
    server: Server
    control: str | None
    reload: Reload | None  # to be told when it may: it waits in the thread that imported the app

    @property
    def credentials(self) -> dict[str, str]:
        """The variables with which SDKs sign what the gateway accepts; the keys are of nobody's account."""
        return {
            "AWS_ACCESS_KEY_ID": environment.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": environment.SECRET_KEY,
            "AWS_DEFAULT_REGION": self.api.region,
        }


@contextmanager
def served(
    project: Project,
    host: str,
    http_port: int,
    websocket_port: int,
    control_port: int | None = None,
    *,
    each_its_own: bool = False,
    reloads: bool = False,
) -> Iterator[Served]:
    """The app behind its gateway, until the block ends. What its functions raise is shown on stderr.

    With a `control_port` whoever is on this machine may move its time and bring faults about (control.py). With
    `each_its_own` each function has a copy of the app to itself, as each Lambda has; such an app is not reloaded.
    Raises SessionPluginError, and OSError if a port cannot be had. At the end raises NotQuiet if a handler goes on.
    """
    if reason := targets.why_not("sockets"):
        raise SessionPluginError(reason)
    HOOK.install()
    if control_port is not None and not on_loopback(f"http://{f'[{host}]' if ':' in host else host}"):
        raise OptionError("host", host, "--host", "with a control port it must be a loopback address, as 127.0.0.1.")
    endpoint = dynamodb_endpoint(os.environ)
    watch, start = Watch(project.root, project.files), Start()
    with ExitStack() as stack:
        faults = Faults(
            picture=lambda table, index: aws.picture(table, index),
            functions=lambda: deployment.function_names,
            clients=lambda: deployment.server,
        )
        moved = stack.enter_context(MovedTime())
        tokens = stack.enter_context(tokens_of(project))
        memory = Memory(project, tokens=tokens, endpoint=endpoint)
        aws = stack.enter_context(_aws(memory, faults))
        loader = stack.enter_context(_loader(project, faults, each_its_own, reloads))
        app = loader.load(project, memory)
        for fact in app.warnings:
            tell(fact)
        from pytest_sessionplugin.serving.deployment import Deployment

        deployment = Deployment(app, aws, faults, loader.threads, moved, host, http_port, websocket_port)
        with deployment.up(), ExitStack() as controlled:
            server, control = deployment.server, None
            if control_port is not None:
                from pytest_sessionplugin.serving.control import Control, Interventions

                interventions = Interventions(server, faults, moved, deployment.agendas)
                control = controlled.enter_context(Control(interventions, host, control_port)).url
            reload = Reload(app, watch, start, aws, loader.load, deployment.redeploy) if reloads else None
            up = Served(app.api, server.http_url, server.websocket_url, tokens, endpoint, server, control, reload)
            del app  # not to be held for longer than it is served
            yield up


@dataclass(frozen=True)
class _Loader:
    """Makes a project's app ready to be served."""

    faults: Faults
    threads: LeftThreads
    copies: Copies | None  # if there are to be others, each is a copy of its own
    processes: Callable[[Project, Chalice], Callable[[str], Process]] | None  # if each function is to have one

    def load(self, project: Project, memory: Memory) -> LoadedApp:
        from pytest_sessionplugin.app.description import describe, function_names, schedules
        from pytest_sessionplugin.app.functions import Functions
        from pytest_sessionplugin.app.logging import log_no_failures

        app = project.load() if self.copies is None else project.chalice_object(project.load_copy(self.copies))
        log_no_failures(app, of_views(project.root))
        with warned_of() as warnings:
            api = describe(app, project, memory.region, memory.tokens)
        healthy = Functions(app, project, api, self.processes and self.processes(project, app))
        disconnect = api.websocket.get("$disconnect")
        faulty = FaultyFunctions(healthy, healthy.names, self.faults, disconnect, threads=self.threads)
        functions = shown(faulty, project.root, {each.name for each in authorizers_of(api)})
        return LoadedApp(project, memory, api, healthy, functions, function_names(app), schedules(app), warnings)


@contextmanager
def _loader(project: Project, faults: Faults, each_its_own: bool, reloads: bool) -> Iterator[_Loader]:
    threads = LeftThreads(lambda left: tell(f"{left}"))
    threads.watch(project.root)
    with ExitStack() as stack:

        def processes(project: Project, app: Chalice) -> Callable[[str], Process]:
            """A copy of the app for each function, made when it first runs. `app` is that of the HTTP routes."""
            from pytest_sessionplugin.app.functions import Process, Processes

            return Processes(stack, logging.StreamHandler()).each_its_own(project, project.name, Process(app))

        copies = Copies(project.root)
        stack.callback(copies.close)
        yield _Loader(faults, threads, copies if reloads else None, processes if each_its_own else None)


@contextmanager
def _aws(memory: Memory, faults: Faults) -> Iterator[Aws]:
    from botocore.exceptions import EndpointConnectionError

    with ExitStack() as stack:
        try:
            aws = stack.enter_context(memory.open(Uncounted(), faults))
        except EndpointConnectionError as error:
            raise SessionPluginError(
                f"nobody answers at {memory.endpoint}, where {DYNAMODB} says that DynamoDB is."
            ) from error
        yield aws


def tokens_of(project: Project) -> Tokens:
    """Tokens that the served app accepts, in whatever process they are made."""
    settings = TokenSettings.of(project.section("tokens"))
    return Tokens(settings, local_key(project.root, settings.algorithm))


def dynamodb_endpoint(environment: Mapping[str, str]) -> str | None:
    """Where the environment says that DynamoDB is. Raises OptionError if that is not on this machine."""
    url = environment.get(DYNAMODB)
    if not url:
        return None
    if not on_loopback(url):
        raise OptionError(DYNAMODB, url, "environment", "it must be on loopback; this command calls no real table.")
    return url
