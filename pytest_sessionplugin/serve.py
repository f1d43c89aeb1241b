"""Runs a Chalice app on loopback: HTTP, WebSocket and its schedules, with its tables in memory. No pytest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_sessionplugin import targets
from pytest_sessionplugin.aws.environment import on_loopback
from pytest_sessionplugin.aws.hook import HOOK
from pytest_sessionplugin.aws.memory import Memory
from pytest_sessionplugin.copies import Copies
from pytest_sessionplugin.errors import OptionError, SessionPluginError
from pytest_sessionplugin.gateway.authorizers import of as authorizers_of
from pytest_sessionplugin.local_key import local_key
from pytest_sessionplugin.reload import App, Reload, Start
from pytest_sessionplugin.shown import of_views, shown, tell, warned_of
from pytest_sessionplugin.tokens import Tokens, TokenSettings
from pytest_sessionplugin.watching import Watch

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.moto_internals import Aws
    from pytest_sessionplugin.gateway.values import Api
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
    reload: Reload | None  # to be told when it may: it waits in the thread that imported the app


@contextmanager
def served(
    project: Project, host: str, http_port: int, websocket_port: int, *, reloads: bool = False
) -> Iterator[Served]:
    """The app behind its gateway, until the block ends. What its functions raise is shown on stderr.

    Raises SessionPluginError, and OSError if a port cannot be had. At the end raises NotQuiet if a handler goes on.
    """
    if reason := targets.why_not("sockets"):
        raise SessionPluginError(reason)
    HOOK.install()
    endpoint = dynamodb_endpoint(os.environ)
    watch, start = Watch(project.root, project.files), Start()
    with tokens_of(project) as tokens:
        memory = Memory(project, tokens=tokens, endpoint=endpoint)
        with _aws(memory) as aws, _copies(project) as copies:
            from pytest_sessionplugin.gateway.server import Server
            from pytest_sessionplugin.schedules import Timer

            load = partial(_loaded, copies if reloads else None)
            app = load(project, memory)
            for fact in app.warnings:
                tell(fact)
            server = Server(
                app.api, app.functions, host=host, http_port=http_port, websocket_port=websocket_port, grace=GRACE
            )
            aws.door.gateway = server
            with server, Timer(app.schedules, app.functions, aws.region) as timer:

                def deploy(new: App, asked_anew: bool) -> None:
                    server.redeploy(new.api, new.functions, asked_anew=asked_anew)
                    timer.redeploy(new.schedules, new.functions)

                reload = Reload(app, watch, start, aws, load, deploy) if reloads else None
                up = Served(app.api, server.http_url, server.websocket_url, tokens, endpoint, reload)
                del app  # not to be held for longer than it is served
                yield up


def _loaded(copies: Copies | None, project: Project, memory: Memory) -> App:
    """The project's app, ready to be served; a copy of its own, if there are to be others."""
    from pytest_sessionplugin.chalice_internals import Functions, describe, log_no_failures, schedules

    app = project.load() if copies is None else project.chalice_object(project.load_copy(copies))
    log_no_failures(app, of_views(project.root))
    with warned_of() as warnings:
        api = describe(app, project, memory.region)
    functions = shown(Functions(app, project, api), project.root, {each.name for each in authorizers_of(api)})
    return App(project, memory, api, functions, schedules(app), warnings)


@contextmanager
def _copies(project: Project) -> Iterator[Copies]:
    copies = Copies(project.root)
    try:
        yield copies
    finally:
        copies.close()


@contextmanager
def _aws(memory: Memory) -> Iterator[Aws]:
    from botocore.exceptions import EndpointConnectionError

    with ExitStack() as stack:
        try:
            aws = stack.enter_context(memory.open())
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
