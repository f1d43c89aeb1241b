"""Chalice's insides (1.32 to 1.34), and the only file that knows them: what an app deploys, and how to run it.

On AWS every function of an app is a process of its own and has one request at a time. Here they share one app
object, in any number of threads, so what Chalice keeps on that object is kept by invocation instead.
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from chalice.app import (
    Chalice,
    ChaliceAuthorizer,
    DynamoDBEventConfig,
    EventSourceHandler,
    ScheduledEventConfig,
    SNSEventConfig,
    SQSEventConfig,
    WebsocketAPI,
    WebsocketEventSourceHandler,
)
from chalice.constants import MAX_COMPRESSION_SIZE

from pytest_sessionplugin.apart import Apart, become
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.errors import AuthorizerNotRun, NoApiKey, ProjectError
from pytest_sessionplugin.event_sources import Queue, Source, Stream, Topic
from pytest_sessionplugin.gateway.values import REST_FUNCTION, Api, Authorizer, AuthorizerKind, Invoke, Route
from pytest_sessionplugin.lambda_context import LambdaContext
from pytest_sessionplugin.schedules import Schedule
from pytest_sessionplugin.user_pools import signs_for_all, verifier

if TYPE_CHECKING:
    from chalice.app import RouteEntry
    from chalice.config import Config

    from pytest_sessionplugin.project import Project
    from pytest_sessionplugin.tokens import Tokens

_DEPLOYED_NAMES = {
    "$connect": "websocket_connect",
    "$default": "websocket_message",
    "$disconnect": "websocket_disconnect",
}
"""What `chalice deploy` calls the WebSocket functions, however their handlers are named (deploy/appgraph.py)."""


_KINDS = {"awsSigv4": AuthorizerKind.IAM, "cognito_user_pools": AuthorizerKind.COGNITO}
"""What x-amazon-apigateway-authtype says; anything else is a function."""

_LETS_PASS = {
    AuthorizerKind.CUSTOM: "which lets pass any credential",
    AuthorizerKind.COGNITO: (
        "which lets pass tokens whose signature nobody here can verify, unless issuer in [tool.sessionplugin.tokens] "
        "is the user pool's and algorithm is RS256"
    ),
}
"""What each kind that is not wholly emulated does not look at."""


# --- what is deployed


def describe(app: Chalice, project: Project, region: str = "us-east-1", tokens: Tokens | None = None) -> Api:
    """The REST and the WebSocket API as `chalice deploy` makes them (deploy/swagger.py, deploy/appgraph.py).

    `tokens` verifies those of a Cognito user pool whose issuer it signs for. Warns of what lets pass whoever asks, and
    of routes that nobody can call.
    """
    missing = app._features_used - app.experimental_feature_flags
    if missing:
        raise ProjectError(
            project.root,
            f"the app uses {', '.join(sorted(missing))} without asking for it, and `chalice deploy` refuses that: "
            f"app.experimental_feature_flags.update({sorted(missing)}).",
        )
    routes = tuple(
        Route(
            path,
            frozenset(views),
            _preflight(views),
            _authorizers(views, tokens),
            frozenset(method for method, view in views.items() if view.api_key_required),
        )
        for path, views in app.routes.items()
    )
    if not_run := _not_run(routes, tokens):
        warnings.warn(AuthorizerNotRun(not_run), stacklevel=2)
    keyed = [f"{method} {route.path}" for route in routes for method in sorted(route.keyed)]
    if keyed and not project.api_keys:
        warnings.warn(NoApiKey(", ".join(keyed)), stacklevel=2)
    return Api(
        routes=routes,
        websocket={key: handler.name for key, handler in app.websocket_handlers.items()},
        binary_types=frozenset(app.api.binary_types),
        minimum_compression=_minimum_compression(project),
        api_keys=project.api_keys,
        max_url=10_240 if project.config().api_gateway_endpoint_type in ("REGIONAL", "PRIVATE") else 8192,
        stage=project.api_stage,
        region=region,
        access_keys={environment.ACCESS_KEY: environment.SECRET_KEY},
    )


def _preflight(views: Mapping[str, RouteEntry]) -> dict[str, str] | None:
    """Headers of the mock OPTIONS method; None without CORS, and where the app has an OPTIONS of its own."""
    with_cors = [method for method, view in views.items() if view.cors is not None]
    if not with_cors or "OPTIONS" in views:
        return None
    headers: dict[str, str] = views[with_cors[0]].cors.get_access_control_headers()
    return {**headers, "Access-Control-Allow-Methods": ",".join([*with_cors, "OPTIONS"])}


def _minimum_compression(project: Project) -> int | None:
    """As `chalice deploy` takes it (deploy/validate.py)."""
    size = project.config().minimum_compression_size
    if size is not None and (type(size) is not int or not 0 <= size <= MAX_COMPRESSION_SIZE):
        raise ProjectError(
            project.root,
            f"minimum_compression_size in .chalice/config.json is {size!r}, and `chalice deploy` refuses that: "
            f"it must be a whole number of bytes from 0 to {MAX_COMPRESSION_SIZE}.",
        )
    return size


def _authorizers(views: Mapping[str, RouteEntry], tokens: Tokens | None) -> dict[str, Authorizer]:
    return {
        method: _authorizer(view.authorizer, tokens) for method, view in views.items() if view.authorizer is not None
    }


def _authorizer(authorizer: Any, tokens: Tokens | None) -> Authorizer:
    """As the API's definition names it (deploy/swagger.py)."""
    if isinstance(authorizer, ChaliceAuthorizer):
        config = authorizer.config
        built_in = Authorizer(AuthorizerKind.BUILT_IN, config.name, config.header)
        return built_in if config.ttl_seconds is None else replace(built_in, ttl=float(config.ttl_seconds))
    definition = authorizer.to_swagger()
    kind = _KINDS.get(definition["x-amazon-apigateway-authtype"], AuthorizerKind.CUSTOM)
    details = definition.get("x-amazon-apigateway-authorizer", {})
    # A class of the app's own may ask for the whole request, and so for no header.
    found = Authorizer(kind, authorizer.name, None if details.get("type") == "request" else definition["name"])
    if kind is not AuthorizerKind.COGNITO:
        return found
    pools = tuple(map(str, details.get("providerARNs", ())))
    return replace(found, pools=pools, scopes=tuple(authorizer.scopes), verified=verifier(pools, tokens))


def _not_run(routes: tuple[Route, ...], tokens: Tokens | None) -> str:
    """The methods whose callers pass unverified, by the kind of their authorizer, and what lets them pass."""
    methods: dict[AuthorizerKind, list[str]] = {}
    for route in routes:
        for method, authorizer in route.authorizers.items():
            known = authorizer.kind is AuthorizerKind.COGNITO and signs_for_all(authorizer.pools, tokens)
            if authorizer.kind in _LETS_PASS and not known:
                methods.setdefault(authorizer.kind, []).append(f"{method} {route.path}")
    return "; ".join(f"{kind.value} ({', '.join(guarded)}), {_LETS_PASS[kind]}" for kind, guarded in methods.items())


def function_names(app: Chalice) -> dict[str, str]:
    """What each function may be called -> its name in the app: that itself, or the one it is deployed under."""
    views = {view.view_name for methods in app.routes.values() for view in methods.values()}
    own = {name: name for name in (REST_FUNCTION, *app.handler_map) if name not in views}
    return own | {
        _DEPLOYED_NAMES[key]: handler.name
        for key, handler in app.websocket_handlers.items()
        if _DEPLOYED_NAMES[key] not in own
    }


def schedules(app: Chalice) -> list[Schedule]:
    """The functions with a rate. A cron expression has none and is left out."""
    found = []
    for source in app.event_sources:
        if isinstance(source, ScheduledEventConfig):
            expression = source.schedule_expression
            text = expression if isinstance(expression, str) else expression.to_string()
            match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", text.strip(), re.IGNORECASE)
            if match:
                unit = {"minute": 60, "hour": 3600, "day": 86400}[match[2].lower()]
                found.append(Schedule(source.name, int(match[1]) * unit))
    return found


def scheduled(app: Chalice) -> tuple[str, ...]:
    """All functions with a schedule, a rate or a cron expression, as they stand in the app."""
    return tuple(source.name for source in app.event_sources if isinstance(source, ScheduledEventConfig))


def event_sources(app: Chalice) -> list[Source]:
    """The queues, topics and streams whose events go to a function; each may be given by name or by ARN."""
    found: list[Source] = []
    for source in app.event_sources:
        if isinstance(source, SQSEventConfig):
            found.append(Queue(source.name, _last(source.queue or source.queue_arn or ""), source.batch_size))
        elif isinstance(source, SNSEventConfig):
            found.append(Topic(source.name, _last(source.topic)))
        elif isinstance(source, DynamoDBEventConfig):
            # The label at the end of a stream's ARN is the moment when the stream was made: nobody knows it before.
            table = source.stream_arn.partition(":table/")[2].partition("/")[0]
            found.append(Stream(source.name, table, source.batch_size, source.starting_position == "TRIM_HORIZON"))
    return found


def _last(name: str) -> str:
    return name.rpartition(":")[2]


# --- running it


@dataclass(frozen=True)
class _Invocation:
    """What belongs to one run of one function."""

    app: Chalice
    function: str
    values: dict[str, Any] = field(default_factory=dict)


_running: ContextVar[_Invocation | None] = ContextVar("invocation", default=None)
"""None in a test's own code and in a thread that a handler started."""


@dataclass(frozen=True)
class Process:
    """What a function runs in: an app, alone or apart from others."""

    app: Chalice
    apart: Apart | None = None


@dataclass(frozen=True)
class _Limits:
    """What config.json gives a function, megabytes and seconds; Chalice looks it up in three places each time."""

    memory: int
    timeout: float

    @classmethod
    def of(cls, config: Config) -> _Limits:
        return cls(config.lambda_memory_size or 128, config.lambda_timeout or 60)


class Functions:
    """The Lambda functions of one app: runs one of them, in the calling thread.

    Safe from any number of threads. Raises whatever the handler raises. `processes` gives what each function runs in,
    if that is not the one app for all of them.
    """

    def __init__(
        self, app: Chalice, project: Project, api: Api, processes: Callable[[str], Process] | None = None
    ) -> None:
        share(app)
        one = Process(app)
        self._process_of = processes or (lambda function: one)
        self._region, self._account_id = api.region, api.account_id
        names = {handler.name: _DEPLOYED_NAMES[key] for key, handler in app.websocket_handlers.items()}
        configs = {name: project.config(names.get(name, name)) for name in (REST_FUNCTION, *app.handler_map)}
        self._limits = {name: _Limits.of(config) for name, config in configs.items()}
        self._names = {name: config.function_name for name, config in configs.items()}
        self._prefix = f"{project.name}-{project.stage}"

    @property
    def names(self) -> Mapping[str, str]:
        """Of the functions: in the app -> in config.json."""
        return self._names

    @property
    def deployed(self) -> Mapping[str, str]:
        """Of the functions: the name that Lambda knows -> in the app."""
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
        become(process.apart)
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


def share(app: Chalice) -> None:
    """Makes one app object fit for many invocations at once. A second time changes nothing.

    - `current_request` and `lambda_context` are those of the invocation.
    - Each function has its own endpoint in `websocket_api`, as each Lambda has, so that `send` from an HTTP
      route fails here as it does there. It stays one object: what a test patches on it is patched for all.
    - Middleware is a list. Chalice makes it a generator, which the first of two parallel events uses up.
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
    """Forgets what events have left behind, requests and endpoints, as a new Lambda has none."""
    if isinstance(app, _Shared):
        app._latest.clear()
        app._latest.update(app._first)
    if isinstance(app.websocket_api, _PerFunction):
        app.websocket_api.endpoints.clear()
        app.websocket_api._configured = app.websocket_api._configured_first


_sharing = threading.Lock()


class _PerInvocation:
    """An attribute whose value belongs to the invocation; outside of one, the latest, as Chalice has it."""

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


class _PerFunction:
    """A WebsocketAPI with an endpoint for each function; what was configured outside of any is for all."""

    endpoints: dict[str, str]
    _configured: str | None
    _configured_first: str | None
    _clients: dict[str | None, tuple[Any, Any]]  # endpoint -> session, and the client it made

    @property
    def _endpoint(self) -> str | None:
        running = _running.get()
        if running is not None:
            return self.endpoints.get(running.function, self._configured)
        # A thread that a handler started is no function's: any endpoint that there is will do.
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


@contextmanager
def log_to_root(app: Chalice, listener: logging.Handler) -> Iterator[None]:
    """Sends the app's log to `listener` and up to the root logger, where pytest listens; not to stdout."""
    log = app.log
    handlers, propagate = list(log.handlers), log.propagate
    if app.configure_logs:
        log.handlers = [handler for handler in handlers if not _is_chalices(handler)]
        log.propagate = True
    log.addHandler(listener)
    try:
        yield
    finally:
        log.handlers, log.propagate = handlers, propagate


def log_no_failures(app: Chalice, show: Callable[[str, BaseException], None]) -> None:
    """What a view raises goes to `show`, with its method and path, and not to Chalice's own handler.

    Chalice answers 500 then, and logs it. Handlers of the app itself get the record as ever.
    """

    def of_a_view(record: logging.LogRecord) -> bool:
        return record.funcName == "_unhandled_exception_to_response"

    def to_show(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or not of_a_view(record) or (request := app.current_request) is None:
            return True
        show(f"{request.method} {request.path}", error)
        return app.log.hasHandlers()  # else Python itself would print it again

    app.log.addFilter(to_show)
    for handler in app.log.handlers:
        if _is_chalices(handler):
            handler.addFilter(lambda record: not of_a_view(record))


@contextmanager
def loggers_kept() -> Iterator[None]:
    """Afterwards no logger has a handler that a Chalice object made in the block has given it."""
    before = {name: (list(log.handlers), log.propagate) for name, log in _loggers()}
    try:
        yield
    finally:
        for name, log in _loggers():
            handlers, propagate = before.get(name, ([], True))
            if any(_is_chalices(handler) and handler not in handlers for handler in log.handlers):
                log.handlers, log.propagate = handlers, propagate


def _loggers() -> list[tuple[str, logging.Logger]]:
    known = list(logging.root.manager.loggerDict.items())  # at once: a handler may make one meanwhile
    return [(name, log) for name, log in known if isinstance(log, logging.Logger)]


def _is_chalices(handler: logging.Handler) -> bool:
    return handler.formatter is not None and handler.formatter._fmt == Chalice.FORMAT_STRING
