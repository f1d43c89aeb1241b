"""The deployed apps of an account: each behind its gateway, and all together as other parts of AWS look them up."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_sessionplugin.aws import wire
from pytest_sessionplugin.aws.interceptor import AwsCall, NotEmulated
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.core import management

if TYPE_CHECKING:
    from pytest_sessionplugin.app.functions import Functions
    from pytest_sessionplugin.app.project import Memory, Project
    from pytest_sessionplugin.aws.tables import Tables
    from pytest_sessionplugin.gateway.client.transport import Transport
    from pytest_sessionplugin.gateway.runtime import Runtime
    from pytest_sessionplugin.gateway.values import Api, Manage, Observed
    from pytest_sessionplugin.lambdas.event_sources import DeliveredEvent, EventSources
    from pytest_sessionplugin.lambdas.schedules import Schedule
    from pytest_sessionplugin.lambdas.service import Retry
    from pytest_sessionplugin.tokens.tokens import Tokens


@dataclass(frozen=True)
class Stack:
    """A project's part of the account without its app."""

    name: str  # in traces, and in front of the names of its functions
    number: int  # 0 for the first project; tells their APIs apart
    memory: Memory
    tables: Tables
    tokens: Tokens

    @property
    def project(self) -> Project:
        return self.memory.project

    @property
    def prefix(self) -> str:
        """In front of a function's name, in calls and faults; empty for the first project."""
        return f"{self.name}:" if self.number else ""

    @property
    def deployed_name(self) -> str:
        """The name under which Chalice deploys the project, as `chat-dev`."""
        return self.project.deployed_name


@dataclass(frozen=True)
class DeployedApp:
    """An app behind its gateway."""

    stack: Stack
    api: Api
    transport: Transport
    runtime: Runtime
    gateway: Gateway
    functions: Functions
    names: Mapping[str, str]  # every name of a function -> its name in the app
    schedules: Sequence[Schedule]


class Gateway(GatewayClient):
    """HTTP and WebSocket in front of one app, with its tables, tokens and event sources.

    `others` finds the gateway of another project; `usual_event` makes the event of a function invoked without one.
    """

    def __init__(
        self,
        transport: Transport,
        runtime: Runtime,
        *,
        trace: list[Observed],
        tables: Tables,
        tokens: Tokens,
        sources: EventSources,
        retries: Callable[[], Sequence[Retry]],
        usual_event: Callable[[str], Mapping[str, Any]],
        others: Callable[[str | os.PathLike[str]], Gateway],
    ) -> None:
        super().__init__(transport, runtime, trace=trace)
        self._tables, self._tokens = tables, tokens
        self._sources, self._retries, self._usual_event, self._others = sources, retries, usual_event, others

    @property
    def tables(self) -> Tables:
        """Logical name -> boto3's Table: those of this app's project."""
        return self._tables

    @property
    def tokens(self) -> Tokens:
        """Makes tokens that this app accepts."""
        return self._tokens

    def of(self, path: str | os.PathLike[str]) -> Gateway:
        """The gateway of another Chalice project of the repository, in the same account; the same object every time.

        `path` is its folder, absolute or from the rootdir. It has `tables` and `tokens` of its own, and is closed with
        the test.
        """
        return self._others(path)

    def invoke(self, function_name: str, event: Mapping[str, Any] | None = None) -> Any:
        """Runs a function of the app, as `lambda:Invoke` does; raises what it raises.

        Without an event, a function with a schedule gets the event of its rule, any other an empty one.
        """
        return super().invoke(function_name, self._usual_event(function_name) if event is None else event)

    def deliver_events(self, *, schedules: bool | str | Collection[str] = False) -> Sequence[DeliveredEvent]:
        """Gives the app's functions the messages in its SQS queues, SNS topics and DynamoDB streams.

        Goes on until nothing new is there, and returns the deliveries, each with `function`, `event` and `error`. An
        event on which a function raised stays where it is, and is delivered again by the next call, as on AWS.

        With `schedules`, functions with a rate or a cron expression run first, once, as if their moment were now: all
        of them, or those of these names.
        """
        return self._sources.deliver(schedules)

    @property
    def retries(self) -> Sequence[Retry]:
        """Events of `lambda:Invoke` that a function failed on and will get again, the soonest first: each with
        `function`, `event`, `attempt` (2 or 3) and `due`, in seconds since the epoch.

        `chalice_clock.advance` runs those that fall due; `settle()` does not wait for them.
        """
        return self._retries()

    def _pending(self) -> str:
        waiting, retried = self._sources.pending(), sorted({retry.function for retry in self._retries()})
        events = [f"{', '.join(waiting)}: deliver_events() delivers them"] if waiting else []
        retries = [f"{', '.join(retried)} will be tried again: chalice_clock.advance() does it"] if retried else []
        return "; ".join([*events, *retries])


class Apis:
    """All deployed apps of an account: a backend for @connections calls, and the functions and clients for faults.

    `first` deploys the test's own app if necessary, before its functions or clients are looked up.
    """

    def __init__(self, first: Callable[[], DeployedApp]) -> None:
        self._first = first
        self._apps: dict[str, DeployedApp] = {}  # by the name of its stack, in order
        self._slow: dict[str, Runtime] = {}  # connection -> its runtime

    def put(self, app: DeployedApp) -> None:
        """Adds an app, or another deployment of one that is there."""
        self._apps[app.stack.name] = app

    def __iter__(self) -> Iterator[DeployedApp]:
        return iter(tuple(self._apps.values()))

    # --- for the interceptor

    def answer(self, call: AwsCall) -> wire.Answer | None:
        """Answers calls of @connections. The API of the calling function refuses a call to an unknown host."""
        if call.manage is None:
            return None
        if not self._apps:
            raise NotEmulated("no gateway is here; ask for the fixture chalice_gateway.")
        reply = self._meant(call.manage, call.call.function).manage(call.manage)
        return wire.Answer(reply.status, dict(reply.headers), reply.body)

    def _meant(self, call: Manage, caller: str | None) -> Runtime:
        """The runtime of the app at this address; else, as for any loopback host, that of the calling function."""
        apps = tuple(self._apps.values())
        if len(apps) == 1:
            return apps[0].runtime
        prefix = "".join((caller or "").rpartition(":")[:2])

        def fits(app: DeployedApp) -> tuple[bool, ...]:
            urls = app.transport.urls
            at_port = urls is not None and urlsplit(urls.websocket).netloc == call.host
            is_meant, is_host = management.is_meant(call, app.api), management.is_host(call.host, app.api)
            return at_port, is_meant, is_host, app.stack.prefix == prefix

        return max(apps, key=fits).runtime

    # --- for counts

    @property
    def functions(self) -> frozenset[str]:
        """Names of all functions: as in config.json, those of a second app with its prefix, as `orders:api_handler`."""
        return frozenset(app.stack.prefix + name for app in self for name in app.functions.names.values())

    # --- for faults

    def function_names(self) -> dict[str, str]:
        """Every name of a function -> its name in the app, both with the app's prefix."""
        self._first()
        return {
            app.stack.prefix + called: app.stack.prefix + name for app in self for called, name in app.names.items()
        }

    def clients(self) -> Apis:
        self._first()
        return self

    def stall(self, connection_id: str, held: Callable[[], None]) -> None:
        """A client of one of the gateways reads nothing until resume()."""
        found = (app.runtime for app in self if connection_id in {ws.connection_id for ws in app.gateway.websockets})
        runtime = self._slow[connection_id] = next(found, next(iter(self)).runtime)
        runtime.stall(connection_id, held)

    def resume(self, connection_id: str) -> None:
        self._slow[connection_id].resume(connection_id)
