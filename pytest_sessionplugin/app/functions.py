"""The Lambda functions of an app: runs each in the calling thread, in the process, or copy of the app, that it has.

On AWS each function is a process of its own with one request at a time. Here they share one app object in any number
of threads, so the attributes that Chalice keeps on that object belong to the invocation instead.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chalice.app import Chalice, EventSourceHandler, WebsocketAPI, WebsocketEventSourceHandler

from pytest_sessionplugin.app.description import WEBSOCKET_NAMES
from pytest_sessionplugin.app.isolation import View, become, views_in_use
from pytest_sessionplugin.app.logging import log_to_root, loggers_kept
from pytest_sessionplugin.app.modules import NamedCopy
from pytest_sessionplugin.gateway.values import REST_FUNCTION, Api, Invoke

if TYPE_CHECKING:
    import logging

    from chalice.config import Config

    from pytest_sessionplugin.app.project import Project


# --- where a function runs


@dataclass(frozen=True)
class Process:
    """An app that functions run in. Without a view they see the environment of the process."""

    app: Chalice
    view: View | None = None


class Processes:
    """Copies of apps for one test, until the stack is closed. `listener` gets their logs."""

    def __init__(self, stack: ExitStack, listener: logging.Handler) -> None:
        self._stack = stack
        self._listener = listener
        self._lock = threading.RLock()
        self._views_in_use = False

    def new(self, project: Project, label: str, view: View | None = None) -> Process:
        """A new copy of the app, whose modules are `app@label` and `chalicelib@label`."""
        with self._lock:
            if not self._views_in_use:
                self._stack.enter_context(views_in_use())
                self._views_in_use = True
            modules = NamedCopy(project.root, label)
            modules.open()
            self._stack.callback(modules.close)
            self._stack.enter_context(loggers_kept())
            with view.within() if view is not None else nullcontext():
                app = project.load_named(modules)
            share(app)
            self._stack.enter_context(log_to_root(app, self._listener))
            return Process(app, view)

    def each_its_own(
        self, project: Project, label: str, first: Process, view: View | None = None
    ) -> Callable[[str], Process]:
        """A copy for each function, made when it first runs; `first` runs the HTTP routes."""
        made = {REST_FUNCTION: first}

        def process_of(function: str) -> Process:
            with self._lock:
                if function not in made:
                    made[function] = self.new(project, f"{label}:{function}", view)
                return made[function]

        return process_of


# --- the functions


@dataclass
class LambdaContext:
    """The context object of one invocation (AWS: "Using the Lambda context object", Python)."""

    function_name: str
    aws_request_id: str
    memory_limit_in_mb: int
    timeout: float  # seconds
    region: str
    account_id: str
    monotonic: Callable[[], float] = field(default=time.monotonic, repr=False)
    function_version: str = "$LATEST"
    identity: Any = None
    client_context: Any = None

    def __post_init__(self) -> None:
        self._deadline = self.monotonic() + self.timeout

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{self.function_name}"

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        return f"[{self.function_version}]{self.aws_request_id.replace('-', '')}"

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - self.monotonic()) * 1000))


@dataclass(frozen=True)
class _Limits:
    """Megabytes and seconds of a function. Cached, since Chalice searches three levels of config.json each time."""

    memory: int
    timeout: float

    @classmethod
    def of(cls, config: Config) -> _Limits:
        return cls(config.lambda_memory_size or 128, config.lambda_timeout or 60)


class Functions:
    """The functions of one app. A call runs one of them and raises what its handler raises. Thread-safe.

    `processes` gives the process of each function, by default one with this app for all.
    """

    def __init__(
        self, app: Chalice, project: Project, api: Api, processes: Callable[[str], Process] | None = None
    ) -> None:
        share(app)
        _ignore_deprecations_of_chalice()
        one = Process(app)
        self._process_of = processes or (lambda function: one)
        self._region, self._account_id = api.region, api.account_id
        names = {handler.name: WEBSOCKET_NAMES[key] for key, handler in app.websocket_handlers.items()}
        configs = {name: project.config(names.get(name, name)) for name in (REST_FUNCTION, *app.handler_map)}
        self._limits = {name: _Limits.of(config) for name, config in configs.items()}
        self._names = {name: config.function_name for name, config in configs.items()}
        self._prefix = f"{project.name}-{project.stage}"

    @property
    def names(self) -> Mapping[str, str]:
        """Name in the app -> name in config.json."""
        return self._names

    @property
    def deployed(self) -> Mapping[str, str]:
        """Name in Lambda -> name in the app."""
        return {self._deployed_name(name): name for name in self._names}

    @property
    def timeouts(self) -> Mapping[str, float]:
        """Name in the app -> seconds."""
        return {name: limits.timeout for name, limits in self._limits.items()}

    def _deployed_name(self, function: str) -> str:
        """The function of the REST API has the name of the app alone (deploy/appgraph.py)."""
        if function == REST_FUNCTION:
            return self._prefix
        return f"{self._prefix}-{self._names[function]}"

    def __call__(self, invoke: Invoke) -> Any:
        return copy_context().run(self._run, self._process_of(invoke.function), invoke)

    def _run(self, process: Process, invoke: Invoke) -> Any:
        become(process.view)
        _running.set(_Invocation(process.app, invoke.function))
        handler = process.app if invoke.function == REST_FUNCTION else process.app.handler_map[invoke.function]
        limits = self._limits[invoke.function]
        context = LambdaContext(
            function_name=self._deployed_name(invoke.function),
            aws_request_id=invoke.invocation_id,
            memory_limit_in_mb=limits.memory,
            timeout=limits.timeout,
            region=self._region,
            account_id=self._account_id,
        )
        return handler(invoke.event, context)


def _ignore_deprecations_of_chalice() -> None:
    """Chalice 1.33 calls utcfromtimestamp, which Python 3.12 deprecates: where warnings are errors, a function fails.

    Called for each test, after its filters were set: pytest restores them at its end.
    """
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"chalice(\.|$)")


# --- one app object for many invocations


@dataclass(frozen=True)
class _Invocation:
    """One run of one function, and the attributes that Chalice sets for it."""

    app: Chalice
    function: str
    values: dict[str, Any] = field(default_factory=dict)


_running: ContextVar[_Invocation | None] = ContextVar("invocation", default=None)
"""None in a test's own code and in a thread that a handler started."""

_sharing = threading.Lock()


def share(app: Chalice) -> None:
    """Makes one app object fit for many invocations at once. Idempotent.

    - `current_request` and `lambda_context` belong to the invocation.
    - Each function has its own endpoint in `websocket_api`, as each Lambda has, so that `send` from an HTTP
      route fails here as it does there. It stays one object: a test that patches it patches it for all.
    - Middleware is a list. Chalice makes it a generator, which the first of two parallel events exhausts.
    """
    with _sharing:
        if isinstance(app, _Shared):
            return
        for handler in app.handler_map.values():
            if isinstance(handler, EventSourceHandler):
                handler._middleware_handlers = list(handler._middleware_handlers)
            if isinstance(handler, WebsocketEventSourceHandler):
                _share_websocket_api(handler.websocket_api)
        _share_websocket_api(app.websocket_api)
        latest = {name: vars(app).pop(name) for name in ("current_request", "lambda_context") if name in vars(app)}
        app.__class__ = type(type(app).__name__, (_Shared, type(app)), {"_latest": latest, "_first": dict(latest)})


def start_cold(app: Chalice) -> None:
    """Forgets the requests and endpoints of earlier events, as a new Lambda does."""
    if isinstance(app, _Shared):
        app.forget_requests()
    if isinstance(app.websocket_api, _PerFunction):
        app.websocket_api.forget_endpoints()


class _PerInvocation:
    """An attribute of the invocation; outside of one, the latest value, as in Chalice."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, app: Any, owner: type | None = None) -> Any:
        running = _running.get()
        values = running.values if running is not None and running.app is app else app._latest
        try:
            return values[self._name]
        except KeyError:
            raise AttributeError(f"{type(app).__name__!r} object has no attribute {self._name!r}") from None

    def __set__(self, app: Any, value: Any) -> None:
        running = _running.get()
        if running is not None and running.app is app:
            running.values[self._name] = value
        app._latest[self._name] = value


class _Shared:
    _latest: dict[str, Any]  # of the last invocation, whichever it was
    _first: dict[str, Any]  # before any
    current_request = _PerInvocation()
    lambda_context = _PerInvocation()

    def forget_requests(self) -> None:
        self._latest.clear()
        self._latest.update(self._first)


class _PerFunction:
    """A WebsocketAPI with an endpoint for each function. One configured outside of a function is for all."""

    endpoints: dict[str, str]
    _configured: str | None
    _configured_first: str | None
    _clients: dict[str | None, tuple[Any, Any]]  # endpoint -> session, and the client it made

    def forget_endpoints(self) -> None:
        self.endpoints.clear()
        self._configured = self._configured_first

    @property
    def _endpoint(self) -> str | None:
        running = _running.get()
        if running is not None:
            return self.endpoints.get(running.function, self._configured)
        # A thread that a handler started belongs to no function: any endpoint will do.
        return self._configured or next(iter(self.endpoints.values()), None)

    @_endpoint.setter
    def _endpoint(self, value: str) -> None:
        running = _running.get()
        if running is not None:
            self.endpoints[running.function] = value
        else:
            self._configured = value

    @property
    def _client(self) -> Any:
        session, client = self._clients.get(self._endpoint, (None, None))
        return client if session is vars(self)["session"] else None

    @_client.setter
    def _client(self, value: Any) -> None:
        self._clients[self._endpoint] = (vars(self)["session"], value)


def _share_websocket_api(api: object) -> None:
    if isinstance(api, WebsocketAPI) and not isinstance(api, _PerFunction):
        configured = vars(api).pop("_endpoint")
        vars(api).pop("_client")
        vars(api).update(endpoints={}, _configured=configured, _configured_first=configured, _clients={})
        api.__class__ = type(type(api).__name__, (_PerFunction, type(api)), {})
