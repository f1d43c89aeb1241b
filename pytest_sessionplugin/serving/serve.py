"""Runs a Chalice app on loopback: HTTP, WebSocket and its schedules, with its tables in memory."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_sessionplugin import options
from pytest_sessionplugin.account.account import Account
from pytest_sessionplugin.account.clock import MovedTime
from pytest_sessionplugin.app.functions import Process, Processes
from pytest_sessionplugin.app.isolation import View
from pytest_sessionplugin.app.logging import log_no_failures
from pytest_sessionplugin.app.modules import Copies
from pytest_sessionplugin.app.project import Memory
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.calls import Uncounted
from pytest_sessionplugin.aws.dynamodb.ttl import TimeToLive
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.errors import EndpointError, OptionError, SessionPluginError
from pytest_sessionplugin.gateway.client.transport import Urls
from pytest_sessionplugin.gateway.core.authorizers import of as authorizers_of
from pytest_sessionplugin.gateway.values import AuthorizerKind, on_loopback
from pytest_sessionplugin.lambdas.schedules import Rota, Timer
from pytest_sessionplugin.lambdas.service import Beat
from pytest_sessionplugin.serving.access_log import AccessLog, LoggedCalls
from pytest_sessionplugin.serving.console import Console, failed, of_views, shown, tell
from pytest_sessionplugin.serving.reload import Reload, Start, Watch
from pytest_sessionplugin.tokens.keys import local_key
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings

if TYPE_CHECKING:
    from pytest_sessionplugin.account.apps import Stack
    from pytest_sessionplugin.account.clock import Agenda
    from pytest_sessionplugin.app.functions import ProcessOf
    from pytest_sessionplugin.app.project import Project
    from pytest_sessionplugin.gateway.activity import Activity
    from pytest_sessionplugin.gateway.client.transport import Transport
    from pytest_sessionplugin.gateway.runtime import Runtime
    from pytest_sessionplugin.gateway.server.server import Server
    from pytest_sessionplugin.gateway.values import Api, Authorizer, Observed, Route, RunFunction, Throttles

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
    control: str | None
    aws: str | None  # the URL of the account
    reload: Reload | None  # its `until` is for the thread that imported the app

    @property
    def credentials(self) -> dict[str, str]:
        """The variables with which SDKs sign what the gateway accepts; no account has these keys."""
        return {
            "AWS_ACCESS_KEY_ID": environment.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": environment.SECRET_KEY,
            "AWS_DEFAULT_REGION": self.api.region,
        }

    @property
    def environment(self) -> dict[str, str]:
        """The credentials, and the AWS port if there is one: the variables of a process that uses the account."""
        if self.aws is None:
            return self.credentials
        tables = {DYNAMODB: self.dynamodb} if self.dynamodb else {}
        return {**self.credentials, "AWS_ENDPOINT_URL": self.aws, **tables}


@dataclass(frozen=True)
class Ports:
    """Where to listen; 0 takes a free port. No control port, or no AWS port, if it is None."""

    host: str
    http: int
    websocket: int
    control: int | None = None
    aws: int | None = None


@contextmanager
def served(
    project: Project,
    ports: Ports,
    *,
    each_its_own: bool = False,
    reloads: bool = False,
    log: AccessLog | None = None,
) -> Iterator[Served]:
    """The app behind its gateway, until the block ends. Tracebacks of its functions are shown on stderr.

    At a control port, others on this machine may move its time and start faults (control.py); at an AWS port, they
    may use its account (aws_port.py). With `each_its_own` each function has its own copy of the app, as on Lambda; such
    an app is not reloaded. `log` prints each request.

    Raises SessionPluginError, and OSError for a port that is taken. Raises NotQuiet at the end if a handler goes on.
    """
    if reason := options.why_not("sockets"):
        raise SessionPluginError(reason)
    from pytest_sessionplugin.gateway.server.server import listen

    HOOK.install()
    host = f"[{ports.host}]" if ":" in ports.host else ports.host
    for port, name in ((ports.control, "a control port"), (ports.aws, "an AWS port")):
        if port is not None and not on_loopback(f"http://{host}"):
            reason = f"with {name} it must be a loopback address, as 127.0.0.1."
            raise OptionError("host", ports.host, "--host", reason)
    if each_its_own and reloads:
        raise SessionPluginError("an app whose functions have copies of their own is not reloaded.")
    endpoint, console = dynamodb_endpoint(os.environ), Console()
    watch, start = Watch(project.root, project.files), Start()
    with ExitStack() as stack:
        stack.enter_context(chdir(project.root))
        if log is not None:
            stack.enter_context(log)
        time = stack.enter_context(MovedTime())
        tokens = stack.enter_context(tokens_of(project))
        listening = listen(ports.host, ports.http, ports.websocket)  # before the import, which may ask for the URLs
        for each in listening:
            stack.callback(each.close)
        memory = Memory(project, tokens=tokens, endpoint=endpoint, urls=_urls(listening))
        account = Account(
            stack.enter_context(memory.open()),
            calls=LoggedCalls(log) if log is not None else Uncounted(),
            notebook=console,
            first=lambda: app.deployed,
            others=_alone,
            clock=time,
            wrap=_shown,
            describing=console.describing,
            other_hosts=project.other_hosts,
        )
        stack.enter_context(account.open())
        try:
            own = account.add(project.name, memory, tokens, _alone)
        except EndpointError as error:
            raise SessionPluginError(
                f"nobody answers at {endpoint}, where {DYNAMODB} says that DynamoDB is."
            ) from error
        imports = stack.enter_context(_imports(project, each_its_own=each_its_own, reloads=reloads))
        app = _App(account, own, console, imports, time, listening, log)
        for fact in app.warnings:
            tell(fact)
        stack.enter_context(app.up())
        control = stack.enter_context(_control(app, account, time, ports))
        aws = stack.enter_context(_aws_port(app, account, endpoint, ports))
        reload = Reload(app, watch, start) if reloads else None
        yield Served(
            app.deployed.api,
            app.server.http_url,
            app.server.websocket_url,
            tokens,
            endpoint,
            app.server,
            control,
            aws,
            reload,
        )


@contextmanager
def _control(app: _App, account: Account, time: MovedTime, ports: Ports) -> Iterator[str | None]:
    """The URL of the control port."""
    if ports.control is None:
        yield None
        return
    from pytest_sessionplugin.serving.control import Control, Interventions

    refill = app.refill if app.deployed.stack.memory.endpoint is None else None
    interventions = Interventions(app.server, account.faults, time, app.agendas, refill)
    with Control(interventions, ports.host, ports.control) as control:
        yield control.url


@contextmanager
def _aws_port(app: _App, account: Account, endpoint: str | None, ports: Ports) -> Iterator[str | None]:
    """The URL of the AWS port."""
    if ports.aws is None:
        yield None
        return
    from pytest_sessionplugin.serving.aws_port import AwsAccount, AwsPort

    api, root = app.deployed.api, app.deployed.stack.project.root
    asked = AwsAccount(
        account.answer_http,
        lambda call, error: failed(call, error, root),
        connections_host=api.host(api.websocket_api_id),
        dynamodb=endpoint,
    )
    with AwsPort(asked, ports.host, ports.aws) as port:
        yield port.url


class _App:
    """The served app, in its current version. Redeploy it from one thread only."""

    def __init__(
        self,
        account: Account,
        stack: Stack,
        console: Console,
        imports: _Imports,
        time: MovedTime,
        ports: Sequence[socket.socket],
        log: AccessLog | None,
    ) -> None:
        from pytest_sessionplugin.gateway.client.sockets import SocketTransport
        from pytest_sessionplugin.gateway.server.server import Server
        from pytest_sessionplugin.serving.control import refused

        opened: list[Server] = []

        def listening(
            api: Api,
            functions: RunFunction,
            *,
            activity: Activity,
            observe: Callable[[Observed], None],
            throttles: Throttles,
        ) -> tuple[Transport, Runtime]:
            """Keeps no trace, which would grow as long as it runs: a log sees each event once."""
            server = Server(
                api,
                functions,
                listening=ports,
                clock=time,
                grace=GRACE,
                observe=log.observe if log is not None else None,
                activity=activity,
                throttles=throttles,
                fault=refused(account.faults),
                explain=console.explain,
            )
            opened.append(server)
            return SocketTransport(server), server.runtime

        self._account, self._console, self._imports, self._time = account, console, imports, time
        self._began = datetime.fromtimestamp(time(), UTC)
        self._changing = threading.Lock()  # a reload and a reset, one after the other
        with account.emulator.importing(keep=False) as self._made:
            self._process, process_of = imports(stack.project)
        self.deployed = account.deploy(stack, self._process, listening, process_of)
        (self.server,) = opened
        schedules, region = self.deployed.schedules, stack.memory.region
        self._timer = Timer(schedules, self._run, region, time, prefix=stack.deployed_name)

    @property
    def warnings(self) -> Sequence[str]:
        """Warnings of the last deployment."""
        return self._console.facts

    @contextmanager
    def up(self) -> Iterator[None]:
        """Raises OSError if a port cannot be had, and NotQuiet at the end if a handler goes on."""
        with self.server, self._timer, Beat(self._account.lambdas.retries):
            yield

    def redeploy(self, memory: Memory, *, forget_authorizers: bool) -> None:
        """Imports the app again, and serves it. With `forget_authorizers`, drops cached answers of authorizers."""
        account = self._account
        with self._changing:
            with account.emulator.importing(keep=False) as made:
                process, _ = self._imports(memory.project)
            self.deployed = account.redeploy(self.deployed, memory, process, forget_authorizers=forget_authorizers)
            self._process, self._made = process, made
            self._timer.redeploy(self.deployed.schedules)

    def refill(self) -> None:
        """Makes AWS as after a start with this version of the app. Raises ProjectError if its seed fails."""
        with self._changing:
            by_import = [each for each in self._made if each.call.function is None]  # not by a handler meanwhile
            self._account.refill(self.deployed.stack, self._process, by_import)
        tell("reset: everything is as after the start.")

    def create(self, memory: Memory) -> None:
        """Creates those tables that are not there yet."""
        self._account.emulator.create(memory.specs, memory.resources, memory.region)

    def agendas(self, schedules: bool) -> list[Agenda]:
        """Agendas beside the gateway's, for time that is moved; the app's schedules only if they are asked for."""
        app, emulator = self.deployed, self._account.emulator
        agendas: list[Agenda] = [self._account.lambdas.retries, self._account.waits.agenda()]
        if schedules:
            region, prefix = app.stack.memory.region, app.stack.deployed_name
            agendas.insert(0, Rota(app.schedules, self._run, region, self._began, self._time, prefix=prefix))
        if emulator.rows is not None:
            agendas.append(TimeToLive(emulator.rows, clock=self._time))
        return agendas

    def _run(self, function: str, event: Mapping[str, Any]) -> None:
        """EventBridge does not wait. The function's traceback is shown where it runs."""
        with self._changing:
            if function in self.deployed.functions.names:  # else the app has just been replaced
                self.deployed.runtime.invoke_later(function, event, str(uuid.uuid4()), lambda error: None)


_Imports = Callable[["Project"], "tuple[Process, ProcessOf | None]"]
"""Imports the app of a project: the process of its HTTP routes, and that of each function, if each has its own."""


@contextmanager
def _imports(project: Project, *, each_its_own: bool, reloads: bool) -> Iterator[_Imports]:
    with ExitStack() as stack:
        copies = Copies(project.root)
        stack.callback(copies.close)
        processes = Processes(stack, logging.StreamHandler())

        def imported(project: Project) -> tuple[Process, ProcessOf | None]:
            view = View() if each_its_own else None
            with view.within() if view is not None else nullcontext():
                app = project.chalice_object(project.load_copy(copies)) if reloads else project.load()
            log_no_failures(app, of_views(project.root))
            process = Process.of(app, view=view)
            return process, processes.each_its_own(project, project.name, process) if each_its_own else None

        yield imported


def _urls(listening: Sequence[socket.socket]) -> Urls:
    """The gateway's URLs for processes of this machine."""
    http, websocket = (f"{_here(host)}:{port}" for host, port, *_ in (each.getsockname() for each in listening))
    return Urls(f"http://{http}", f"ws://{websocket}")


def _here(host: str) -> str:
    """The address by which this machine reaches a listening one, in the form of a URL."""
    if ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _alone(path: object) -> NoReturn:
    raise SessionPluginError(f"one app is served, and {path} is another project.")


def _shown(stack: Stack, api: Api, functions: RunFunction) -> RunFunction:
    return shown(functions, stack.project.root, {each.name for each in authorizers_of(api)})


def tokens_of(project: Project) -> Tokens:
    """Makes tokens that the served app accepts, in any process of this checkout."""
    settings = TokenSettings.of(project.section("tokens"))
    return Tokens(settings, local_key(project.root, settings.algorithm))


def dynamodb_endpoint(environment: Mapping[str, str]) -> str | None:
    """The URL of a running DynamoDB, as the environment names it. Raises OptionError unless it is on this machine."""
    url = environment.get(DYNAMODB)
    if not url:
        return None
    if not on_loopback(url):
        raise OptionError(DYNAMODB, url, "environment", "it must be on loopback; this command calls no real table.")
    return url


SUBJECT = "alice"
HALF_A_DAY = 12 * 3600.0
PARAMETER = r"\{(\w+)\}"  # of a path


def as_json(up: Served) -> str:
    """One line, for programs."""
    token = up.tokens(SUBJECT, expires_in=HALF_A_DAY)
    said = {"http": up.http, "websocket": up.websocket, "token": token, "aws": up.environment}
    if up.control is not None:
        said["control"] = up.control
    return json.dumps(said)


def for_people(project: Project, up: Served, *, here: Path, coloured: bool) -> str:
    """Lines to paste into a shell whose working directory is `here`."""
    command = _command(here)
    words = {"http": up.http, "websocket": up.websocket, "token": "$TOKEN", "sessionplugin": command}
    bold, plain = ("\033[1m", "\033[0m") if coloured else ("", "")
    tables = f"tables at {up.dynamodb}" if up.dynamodb else "tables in memory"
    only = f" ({options.ONLY})" if project.stage_is_the_only_one else ""
    lines = [
        f"{bold}{project.name}{plain}, stage {project.stage}{only}, {tables}. Ctrl-C stops it.",
        "",
        f"  HTTP       {bold}{up.http}{plain}",
        *([f"  WebSocket  {bold}{up.websocket}{plain}"] if up.api.websocket else []),
        *([f"  Control    {bold}{up.control}{plain}"] if up.control else []),
        *([f"  AWS        {bold}{up.aws}{plain}"] if up.aws else []),
        "",
        *(_connections(up) if up.api.websocket else []),
        *([_aws_cli(up)] if up.aws else []),
    ]
    pasted = project.examples or examples(up.api, with_token=checks_tokens(project, up.api))
    if blanks := [] if project.examples else _blanks(up.api):
        lines.append(f"Put a value of your own in place of {' and '.join(blanks)}.")
    if checks_tokens(project, up.api):
        lines.append(f"The token is {SUBJECT}'s, for 12 hours; another one: {command} token SUBJECT")
        pasted = [f"export TOKEN={up.tokens(SUBJECT, expires_in=HALF_A_DAY)}", *pasted]
    return "\n".join([*lines, "", *(f"  {filled(example, words)}" for example in pasted)])


def checks_tokens(project: Project, api: Api) -> bool:
    """Whether the app is known to check tokens: by its settings, or by an authorizer that takes some."""
    placeholders = [*project.section("env").values(), *project.examples]
    return (
        "tokens" in project.settings
        or any("{token" in text for text in placeholders)
        or any(_takes_token(authorizer) for route in api.routes for authorizer in route.authorizers.values())
    )


def _takes_token(authorizer: Authorizer | None) -> bool:
    return authorizer is not None and authorizer.kind is not AuthorizerKind.IAM and authorizer.header is not None


def _connections(up: Served) -> list[str]:
    """Where SDKs of other processes post to a socket, and with which credentials."""
    url = up.websocket.replace("ws://", "http://", 1)
    variables = " ".join(f"{name}={value}" for name, value in up.credentials.items())
    return [f"@connections: {url}/{up.api.stage}, with {variables}"]


def _aws_cli(up: Served) -> str:
    """How the AWS CLI reaches the account."""
    variables = " ".join(f"{name}={value}" for name, value in up.environment.items())
    return f"The AWS CLI: {variables} aws dynamodb list-tables"


def examples(api: Api, *, with_token: bool) -> list[str]:
    """Lines to paste that fit any app: one for a route, without parameters if possible, and one for a WebSocket.

    A parameter is in capital letters. A route that has no authorizer gets no token if another route has one.
    """
    found = []
    if (route := _sample(api)) is not None:
        method = "GET" if "GET" in route.methods else "POST"
        url = "{http}" + re.sub(PARAMETER, lambda match: match[1].upper(), route.path)
        post = "" if method == "GET" else " -d '{}' -H 'Content-Type: application/json'"
        guard = route.authorizers.get(method)
        guarded = any(each.authorizers for each in api.routes)
        checked = with_token and (_takes_token(guard) or not guarded)
        name = guard.header if guard is not None else None
        found.append(f"curl {url}{post}" + (f' -H "{name or "Authorization"}: Bearer {{token}}"' if checked else ""))
    if api.websocket:
        found.append("{sessionplugin} connect {websocket}" + (" --token {token}" if with_token else ""))
    return found


def _sample(api: Api) -> Route | None:
    ranked = sorted(api.routes, key=lambda route: "{" in route.path)
    return next((route for route in ranked if route.methods & {"GET", "POST"}), None)


def _blanks(api: Api) -> list[str]:
    """The parameters of the sample's path, as the sample has them."""
    route = _sample(api)
    return [] if route is None else [name.upper() for name in re.findall(PARAMETER, route.path)]


def filled(example: str, words: Mapping[str, str]) -> str:
    """The line with its placeholders replaced; other braces are JSON."""
    return re.sub(r"\{(\w+)\}", lambda match: words.get(match[1], match[0]), example)


def _command(here: Path) -> str:
    """The name of this command if the shell finds it, else its path."""
    script = Path(sys.executable).with_name("sessionplugin")
    if not script.exists():
        return f"{sys.executable} -m pytest_sessionplugin"
    if shutil.which("sessionplugin") == str(script):
        return "sessionplugin"
    return str(script.relative_to(here) if script.is_relative_to(here) else script)
