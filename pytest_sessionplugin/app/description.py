"""Describes the deployment of an app: APIs, names of functions, schedules and event sources."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chalice.app import (
    Chalice,
    ChaliceAuthorizer,
    DynamoDBEventConfig,
    KinesisEventConfig,
    Rate,
    S3EventConfig,
    ScheduledEventConfig,
    ScheduleExpression,
    SNSEventConfig,
    SQSEventConfig,
)
from chalice.constants import MAX_COMPRESSION_SIZE

from pytest_sessionplugin.app.modules import unlabelled
from pytest_sessionplugin.app.project import REST_HANDLER
from pytest_sessionplugin.aws import environment, gateway_responses
from pytest_sessionplugin.aws.resources import Resource, Service, named
from pytest_sessionplugin.errors import AuthorizerNotRun, NoApiKey, NoAppName, ProjectError, SessionPluginError
from pytest_sessionplugin.gateway.values import REST_FUNCTION, Api, Authorizer, AuthorizerKind, Route
from pytest_sessionplugin.lambdas.event_sources import Queue, Source, Stream, Topic
from pytest_sessionplugin.lambdas.schedules import Schedule
from pytest_sessionplugin.tokens.cognito import signs_for_all, verifier

if TYPE_CHECKING:
    from chalice.app import RouteEntry

    from pytest_sessionplugin.app.project import Project
    from pytest_sessionplugin.tokens.tokens import Tokens


WEBSOCKET_NAMES = {
    "$connect": "websocket_connect",
    "$default": "websocket_message",
    "$disconnect": "websocket_disconnect",
}
"""The names that `chalice deploy` gives to WebSocket functions, whatever their handlers (deploy/appgraph.py)."""

_KINDS = {"awsSigv4": AuthorizerKind.IAM, "cognito_user_pools": AuthorizerKind.COGNITO}
"""Kinds by x-amazon-apigateway-authtype; any other is a function."""

_LETS_PASS = {
    AuthorizerKind.CUSTOM: "which lets pass any credential",
    AuthorizerKind.COGNITO: (
        "which lets pass tokens whose signature nobody here can verify, unless issuer in [tool.sessionplugin.tokens] "
        "is the user pool's and algorithm is RS256"
    ),
}
"""The credentials that a kind without full emulation lets pass."""


def describe(app: Chalice, project: Project, region: str = "us-east-1", tokens: Tokens | None = None) -> Api:
    """The REST and the WebSocket API as `chalice deploy` makes them (deploy/swagger.py, deploy/appgraph.py).

    `tokens` verifies the tokens of a Cognito user pool whose issuer it signs for. Warns of authorizers that let
    every caller pass, and of routes that cannot be called.
    """
    missing = app._features_used - app.experimental_feature_flags
    if missing:
        raise ProjectError(
            project.root,
            f"{project.app_file}: the app uses {', '.join(sorted(missing))} without asking for it, and `chalice "
            f"deploy` refuses that: app.experimental_feature_flags.update({sorted(missing)}).",
        )
    for path, views in app.routes.items():
        _check_route(project, path, views)
    _check_parameters(project, app.routes)
    routes = tuple(
        Route(
            path,
            frozenset(views),
            _preflight(views),
            _authorizers(project, path, views, tokens),
            frozenset(method for method, view in views.items() if view.api_key_required),
        )
        for path, views in app.routes.items()
    )
    if not_run := _not_run(routes, tokens):
        warnings.warn(AuthorizerNotRun(not_run), stacklevel=2)
    if not project.config_json.get("app_name"):
        file = project.config_path
        warnings.warn_explicit(NoAppName(file, project.stage, project.name), None, str(file), 1)
    keyed = [f"{method} {route.path}" for route in routes for method in sorted(route.keyed)]
    if keyed and not project.api_keys:
        warnings.warn(NoApiKey(", ".join(keyed)), stacklevel=2)
    return replace(
        project.api(region),
        routes=routes,
        websocket={key: handler.name for key, handler in app.websocket_handlers.items()},
        binary_types=frozenset(app.api.binary_types),
        minimum_compression=_minimum_compression(project),
        api_keys=project.api_keys,
        max_url=10_240 if project.config().api_gateway_endpoint_type in ("REGIONAL", "PRIVATE") else 8192,
        access_keys={environment.ACCESS_KEY: environment.SECRET_KEY},
        gateway_responses=gateway_responses.described(project.templates),
    )


def _preflight(views: Mapping[str, RouteEntry]) -> dict[str, str] | None:
    """Headers of the mock OPTIONS method; None without CORS, or if the app has its own OPTIONS method."""
    with_cors = [method for method, view in views.items() if view.cors is not None]
    if not with_cors or "OPTIONS" in views:
        return None
    headers: dict[str, str] = views[with_cors[0]].cors.get_access_control_headers()
    return {**headers, "Access-Control-Allow-Methods": ",".join([*with_cors, "OPTIONS"])}


def _minimum_compression(project: Project) -> int | None:
    """The setting, checked like `chalice deploy` does (deploy/validate.py)."""
    size = project.config().minimum_compression_size
    if size is not None and (type(size) is not int or not 0 <= size <= MAX_COMPRESSION_SIZE):
        raise ProjectError(
            project.root,
            f"minimum_compression_size in .chalice/config.json is {size!r}, and `chalice deploy` refuses that: "
            f"it must be a whole number of bytes from 0 to {MAX_COMPRESSION_SIZE}.",
        )
    return size


def _check_route(project: Project, path: str, views: Mapping[str, RouteEntry]) -> None:
    """Raises ProjectError for a route that API Gateway refuses."""
    if letters := [method for method in views if len(method) == 1]:
        raise ProjectError(
            project.root,
            f"{project.app_file}: the route {path} has the methods {', '.join(letters)}: `methods` is a list, as "
            "methods=['GET'].",
        )
    if not path.startswith("/") or (path.endswith("/") and path != "/"):
        raise ProjectError(
            project.root,
            f"{project.app_file}: the route {path!r} cannot be deployed: a route begins with a slash and does not end "
            "with one.",
        )


def _check_parameters(project: Project, paths: Iterable[str]) -> None:
    """Raises ProjectError for routes whose parameters differ at the same place, which API Gateway refuses."""
    first: dict[str, tuple[str, str]] = {}
    for path in paths:
        parts = path.split("/")
        for place, part in enumerate(parts):
            name, other = first.setdefault("/".join(parts[:place]), (part, path)) if part.startswith("{") else ("", "")
            if name and name != part:
                raise ProjectError(
                    project.root,
                    f"{project.app_file}: the routes {other} and {path} cannot be deployed together: after "
                    f"{'/'.join(parts[:place]) or '/'} one has {name} and one {part}. Give both parameters one name.",
                )


def _authorizers(
    project: Project, path: str, views: Mapping[str, RouteEntry], tokens: Tokens | None
) -> dict[str, Authorizer]:
    for method, view in views.items():
        if view.authorizer is not None and not hasattr(view.authorizer, "name"):
            raise ProjectError(
                project.root,
                f"{project.app_file}: the authorizer of {method} {path} is {view.authorizer!r}; give the function "
                "under @app.authorizer() itself, or an object of Chalice's authorizers.",
            )
    return {
        method: _authorizer(view.authorizer, tokens) for method, view in views.items() if view.authorizer is not None
    }


def _authorizer(authorizer: Any, tokens: Tokens | None) -> Authorizer:
    """An authorizer as in the API's definition (deploy/swagger.py)."""
    if isinstance(authorizer, ChaliceAuthorizer):
        config = authorizer.config
        built_in = Authorizer(AuthorizerKind.BUILT_IN, config.name, config.header)
        return built_in if config.ttl_seconds is None else replace(built_in, ttl=float(config.ttl_seconds))
    definition = authorizer.to_swagger()
    kind = _KINDS.get(definition["x-amazon-apigateway-authtype"], AuthorizerKind.CUSTOM)
    details = definition.get("x-amazon-apigateway-authorizer", {})
    # A custom class may ask for the whole request instead of a header.
    found = Authorizer(kind, authorizer.name, None if details.get("type") == "request" else definition["name"])
    if kind is not AuthorizerKind.COGNITO:
        return found
    pools = tuple(map(str, details.get("providerARNs", ())))
    return replace(found, pools=pools, scopes=tuple(authorizer.scopes), verified=verifier(pools, tokens))


def _not_run(routes: tuple[Route, ...], tokens: Tokens | None) -> str:
    """The methods whose callers pass unverified, by kind of authorizer, each with the reason."""
    methods: dict[AuthorizerKind, list[str]] = {}
    for route in routes:
        for method, authorizer in route.authorizers.items():
            known = authorizer.kind is AuthorizerKind.COGNITO and signs_for_all(authorizer.pools, tokens)
            if authorizer.kind in _LETS_PASS and not known:
                methods.setdefault(authorizer.kind, []).append(f"{method} {route.path}")
    return "; ".join(f"{kind.value} ({', '.join(guarded)}), {_LETS_PASS[kind]}" for kind, guarded in methods.items())


def function_names(app: Chalice) -> dict[str, str]:
    """Every name of a function, in the app or deployed -> its name in the app."""
    views = {view.view_name for methods in app.routes.values() for view in methods.values()}
    own = {name: name for name in (REST_FUNCTION, *app.handler_map) if name not in views}
    return own | {
        WEBSOCKET_NAMES[key]: handler.name
        for key, handler in app.websocket_handlers.items()
        if WEBSOCKET_NAMES[key] not in own
    }


def handler_strings(app: Chalice) -> dict[str, str]:
    """The handler string of each function by its name in the app, as `chalice deploy` gives it to Lambda.

    In a copy of an app, the names of its modules end in `@label`; the strings do not.
    """
    configs = (
        *app.pure_lambda_functions,
        *app.event_sources,
        *app.builtin_auth_handlers,
        *app.websocket_handlers.values(),
    )
    return {REST_FUNCTION: REST_HANDLER, **{each.name: unlabelled(each.handler_string) for each in configs}}


def schedules(app: Chalice, project: Project) -> list[Schedule]:
    """The functions with a schedule. Raises ProjectError for an expression that EventBridge refuses."""
    found = []
    for source in app.event_sources:
        if isinstance(source, ScheduledEventConfig):
            try:
                found.append(Schedule.of(source.name, _text(source.schedule_expression)))
            except SessionPluginError as error:
                raise ProjectError(project.root, f"{project.app_file}: {error}") from error
    return found


def _text(expression: Any) -> Any:
    """A schedule's text; what else it is, as it is."""
    unit: Any = getattr(expression, "unit", "")
    if isinstance(expression, Rate) and not isinstance(unit, str):  # to_string() would fail
        return f"rate({expression.value} {unit})"
    return expression.to_string() if isinstance(expression, ScheduleExpression) else expression


def scheduled(app: Chalice) -> tuple[str, ...]:
    """All functions with a schedule, rate or cron expression, in the order of the app."""
    return tuple(source.name for source in app.event_sources if isinstance(source, ScheduledEventConfig))


def event_sources(app: Chalice) -> list[Source]:
    """The queues, topics and streams that trigger a function, each given by name or by ARN."""
    found: list[Source] = []
    for source in app.event_sources:
        if isinstance(source, SQSEventConfig):
            found.append(Queue(source.name, _last(source.queue or source.queue_arn or ""), source.batch_size))
        elif isinstance(source, SNSEventConfig):
            found.append(Topic(source.name, _last(source.topic)))
        elif isinstance(source, DynamoDBEventConfig):
            # The label at the end of the ARN, the moment of the stream's creation, cannot be known here.
            table = source.stream_arn.partition(":table/")[2].partition("/")[0]
            found.append(Stream(source.name, table, source.batch_size, source.starting_position == "TRIM_HORIZON"))
    return found


def events_taken(app: Chalice) -> dict[str, str]:
    """How each function that something else than a schedule triggers gets its events: by its name, a sentence."""
    found: dict[str, str] = {}
    for source in app.event_sources:
        if isinstance(source, (SQSEventConfig, SNSEventConfig, DynamoDBEventConfig)):
            found[source.name] = f"chalice_gateway.deliver_events() gives {source.name} the events of its source"
        elif not isinstance(source, ScheduledEventConfig):
            found[source.name] = f"{source.name} takes the events of its source"
    for handler in app.websocket_handlers.values():
        found[handler.name] = f"chalice_gateway.websocket() runs {handler.name}"
    return found


def resources(app: Chalice) -> list[Resource]:
    """The queues, topics, buckets and Kinesis streams that its decorators name."""
    found: list[Resource] = []
    for source in app.event_sources:
        if isinstance(source, SQSEventConfig):
            found.append(named(Service.SQS, source.queue or source.queue_arn or ""))
        elif isinstance(source, SNSEventConfig):
            found.append(named(Service.SNS, source.topic))
        elif isinstance(source, S3EventConfig):
            found.append(named(Service.S3, source.bucket))
        elif isinstance(source, KinesisEventConfig):
            found.append(named(Service.KINESIS, source.stream))
    return found


def _last(name: str) -> str:
    return name.rpartition(":")[2]
