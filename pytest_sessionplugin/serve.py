"""Runs a Chalice app on loopback: HTTP, WebSocket and its schedules, with its tables in memory. No pytest."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin import targets
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.calls import Uncounted
from pytest_sessionplugin.aws.environment import on_loopback
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.aws.memory import Memory
from pytest_sessionplugin.aws.ttl import TimeToLive
from pytest_sessionplugin.errors import GatewayWarning, OptionError, SessionPluginError
from pytest_sessionplugin.invocations import FaultyFunctions
from pytest_sessionplugin.local_key import local_key
from pytest_sessionplugin.moved_time import MovedTime
from pytest_sessionplugin.tokens import Tokens, TokenSettings

if TYPE_CHECKING:
    from chalice.app import Chalice

    from pytest_sessionplugin.aws.moto_internals import Aws
    from pytest_sessionplugin.chalice_internals import Process
    from pytest_sessionplugin.clock import Agenda
    from pytest_sessionplugin.gateway.server import Server
    from pytest_sessionplugin.gateway.values import Api, Functions, Invoke
    from pytest_sessionplugin.project import Project

DYNAMODB = "AWS_ENDPOINT_URL_DYNAMODB"
GRACE = 1.0  # seconds that handlers have to end when it stops


@dataclass(frozen=True)
class Served:
    """An app that is up."""

    api: Api
    http: str
    websocket: str
    tokens: Tokens
    dynamodb: str | None  # where its tables are; None: in memory
    server: Server
    control: str | None = None

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
    each_its_own: bool = False,
) -> Iterator[Served]:
    """The app behind its gateway, until the block ends. What its functions raise is shown on stderr.

    With a `control_port` whoever is on this machine may move its time and bring faults about (control.py). With
    `each_its_own` each function has a copy of the app to itself, as each Lambda has.
    Raises SessionPluginError, and OSError if a port cannot be had. At the end raises NotQuiet if a handler goes on.
    """
    if reason := targets.why_not("sockets"):
        raise SessionPluginError(reason)
    HOOK.install()
    if control_port is not None and not on_loopback(f"http://{f'[{host}]' if ':' in host else host}"):
        raise OptionError("host", host, "--host", "with a control port it must be a loopback address, as 127.0.0.1.")
    endpoint = dynamodb_endpoint(os.environ)
    with ExitStack() as stack:
        faults, moved = Faults(), stack.enter_context(MovedTime())
        tokens = stack.enter_context(tokens_of(project))
        aws = stack.enter_context(_aws(project, tokens, endpoint, faults))
        from pytest_sessionplugin.chalice_internals import Functions, describe, function_names, schedules
        from pytest_sessionplugin.control import Control
        from pytest_sessionplugin.gateway.server import Server
        from pytest_sessionplugin.lambda_service import LambdaService
        from pytest_sessionplugin.left_threads import LeftThreads
        from pytest_sessionplugin.retries import Beat
        from pytest_sessionplugin.schedules import Timer
        from pytest_sessionplugin.steering import Site, Steering, refused

        app = project.load()
        with told_on_stderr():
            api = describe(app, project, aws.region, tokens)
        processes = stack.enter_context(_copies(project, app)) if each_its_own else None
        healthy = Functions(app, project, api, processes)
        threads = LeftThreads(lambda left: _tell(f"{left}"))
        threads.watch(project.root)
        disconnect = api.websocket.get("$disconnect")
        functions = shown(FaultyFunctions(healthy, healthy.names, faults, disconnect, threads=threads))
        server = Server(
            api,
            functions,
            host=host,
            http_port=http_port,
            websocket_port=websocket_port,
            clock=moved,
            grace=GRACE,
            throttles=faults.throttles_handshake,
            fault=refused(faults),
        )
        lambdas = LambdaService(clock=moved)
        lambdas.deploy(healthy, api, server.invoke, server.invoke_later)
        aws.door.gateway, aws.door.functions, aws.door.threads = server, lambdas, threads
        faults.site = Site(function_names(app), server)
        agendas: list[Agenda] = [lambdas.retries]
        if endpoint is None:
            agendas.append(TimeToLive(aws.rows, clock=moved))
        timer = Timer(schedules(app), functions, aws.region, prefix=f"{project.name}-{project.stage}")
        with server, timer, Beat(lambdas.retries), ExitStack() as controlled:
            control = None
            if control_port is not None:
                steering = Steering(server, faults, moved, lambda: agendas)
                control = controlled.enter_context(Control(steering, host, control_port)).url
            yield Served(api, server.http_url, server.websocket_url, tokens, endpoint, server, control)


@contextmanager
def _copies(project: Project, app: Chalice) -> Iterator[Callable[[str], Process]]:
    """A copy of the app for each function, made when it first runs. `app` is that of the HTTP routes."""
    from pytest_sessionplugin.chalice_internals import Process
    from pytest_sessionplugin.processes import Processes

    with ExitStack() as stack:
        yield Processes(stack, logging.StreamHandler()).each_its_own(project, project.name, Process(app))


@contextmanager
def _aws(project: Project, tokens: Tokens, endpoint: str | None, faults: Faults) -> Iterator[Aws]:
    from botocore.exceptions import EndpointConnectionError

    with ExitStack() as stack:
        try:
            aws = stack.enter_context(Memory(project, tokens=tokens, endpoint=endpoint).open(Uncounted(), faults))
        except EndpointConnectionError as error:
            raise SessionPluginError(
                f"nobody answers at {endpoint}, where {DYNAMODB} says that DynamoDB is."
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


@contextmanager
def told_on_stderr() -> Iterator[None]:
    """What is warned of in the block is a sentence there, and not a line of this code."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", GatewayWarning)
        yield
    for each in warned:
        _tell(f"{each.message}")


def _tell(sentence: str) -> None:
    sys.stderr.write(f"sessionplugin: {sentence}\n")


def shown(functions: Functions) -> Functions:
    """The same functions; the traceback of what they raise goes to stderr."""

    def run(invoke: Invoke) -> Any:
        try:
            return functions(invoke)
        except Exception:
            sys.stderr.write(f"\n{invoke.function} failed:\n{traceback.format_exc()}\n")
            raise

    return run
