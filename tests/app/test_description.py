"""An app is described as `chalice deploy` deploys it."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
from chalice.app import Authorizer as Base
from chalice.app import Chalice, CognitoUserPoolAuthorizer, CORSConfig, Cron, CustomAuthorizer, IAMAuthorizer, Rate

from pytest_sessionplugin.app.description import describe, resources, schedules
from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.errors import AuthorizerNotRun, NoApiKey, NoAppName, ProjectError
from pytest_sessionplugin.gateway.values import Authorizer, AuthorizerKind, Route
from pytest_sessionplugin.lambdas.cron import Cron as CronExpression
from pytest_sessionplugin.lambdas.schedules import Schedule
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings


def test_routes_and_handlers_are_described_as_they_are_deployed(app: Chalice, project: Project) -> None:
    @app.route("/plain", methods=["GET", "PUT"])
    def plain() -> None: ...

    @app.route("/cors", methods=["POST"], cors=CORSConfig(allow_origin="https://a.example", max_age=60))
    def cors() -> None: ...

    @app.on_ws_connect(name="hello")
    def connect(event: object) -> None: ...

    @app.on_ws_message()
    def message(event: object) -> None: ...

    app.api.binary_types.append("application/pdf")
    api = describe(app, project, "eu-west-1")
    plain_route, cors_route = api.routes
    assert plain_route == Route("/plain", frozenset({"GET", "PUT"}))
    assert cors_route.preflight == {
        "Access-Control-Allow-Origin": "https://a.example",
        "Access-Control-Allow-Headers": "Authorization,Content-Type,X-Amz-Date,X-Amz-Security-Token,X-Api-Key",
        "Access-Control-Max-Age": "60",
        "Access-Control-Allow-Methods": "POST,OPTIONS",
    }
    assert api.websocket == {"$connect": "hello", "$default": "message"}
    assert {"application/pdf", "image/png"} <= api.binary_types
    assert (api.stage, api.region) == ("api", "eu-west-1")


def test_the_stage_of_the_api_is_that_of_the_config(app: Chalice, project: Project) -> None:
    assert describe(app, Project(project.root, "prod")).stage == "v1"


def test_a_feature_that_was_not_asked_for_is_refused_as_by_chalice_deploy(app: Chalice, project: Project) -> None:
    @app.on_ws_message()
    def message(event: object) -> None: ...

    app.experimental_feature_flags.clear()
    with pytest.raises(ProjectError, match=r"uses WEBSOCKETS .* app.experimental_feature_flags.update"):
        describe(app, project)


def test_each_method_has_the_authorizer_that_it_is_deployed_with(app: Chalice, project: Project) -> None:
    class Whole(Base):
        name = "whole"

        def to_swagger(self) -> dict[str, Any]:
            return {
                "name": "Unused",
                "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {"type": "request"},
            }

    @app.authorizer()
    def guard(request: object) -> None: ...

    @app.authorizer(name="brief", ttl_seconds=0, header="X-Key")
    def keys(request: object) -> None: ...

    kinds = {
        "GET": (guard, Authorizer(AuthorizerKind.BUILT_IN, "guard")),
        "PUT": (keys, Authorizer(AuthorizerKind.BUILT_IN, "brief", "X-Key", 0.0)),
        "POST": (
            CognitoUserPoolAuthorizer("pool", ["arn:x"], header="X-Id").with_scopes(["a/b"]),
            Authorizer(AuthorizerKind.COGNITO, "pool", "X-Id", pools=("arn:x",), scopes=("a/b",)),
        ),
        "PATCH": (CustomAuthorizer("far", "arn:y"), Authorizer(AuthorizerKind.CUSTOM, "far")),
        "DELETE": (IAMAuthorizer(), Authorizer(AuthorizerKind.IAM, "sigv4")),
        "HEAD": (Whole(), Authorizer(AuthorizerKind.CUSTOM, "whole", None)),
        "OPTIONS": (None, None),
    }
    for method, (authorizer, _) in kinds.items():
        app.route("/me", methods=[method], authorizer=authorizer)(lambda: None)
    with pytest.warns(
        AuthorizerNotRun,
        match=r"Cognito \(POST /me\), which .*; custom \(PATCH /me, HEAD /me\), which lets pass any credential; ",
    ):
        (route,) = describe(app, project).routes
    assert route.authorizers == {method: described for method, (_, described) in kinds.items() if described}


POOL = "arn:aws:cognito-idp:us-east-1:1:userpool/us-east-1_x"
POOL_ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x"


def test_the_kit_verifies_the_tokens_of_a_user_pool_for_which_it_signs(app: Chalice, project: Project) -> None:
    app.route("/me", authorizer=CognitoUserPoolAuthorizer("pool", [POOL]))(lambda: None)
    tokens = Tokens(TokenSettings("ES256", POOL_ISSUER))
    (route,) = describe(app, project, tokens=tokens).routes  # without a warning, which would be an error
    verified = route.authorizers["GET"].verified
    assert verified is not None
    older = tokens("alice", exp=1, aud=None, nbf=9999999999)
    assert verified(older)
    head, claims, signature = older.split(".")
    assert not verified(f"{head}.{claims}.{signature[:-8]}AAAAAAAA")
    tokens.rotate()
    assert not verified(older)
    assert verified(tokens("alice"))
    assert verified(
        Tokens(TokenSettings("ES256", "https://another.test"))("alice")
    )  # the keys of another issuer are not known here
    assert not verified("no token")


@pytest.mark.parametrize("settings", [TokenSettings("ES256"), TokenSettings("HS256", POOL_ISSUER)])
def test_a_user_pool_takes_no_token_of_the_kit_that_it_could_not_have_signed(
    app: Chalice, project: Project, settings: TokenSettings
) -> None:
    """The keys of another issuer are not known here, and a pool has no shared secret."""
    app.route("/me", authorizer=CognitoUserPoolAuthorizer("pool", [POOL]))(lambda: None)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        (route,) = describe(app, project, tokens=Tokens(settings)).routes
    verified = route.authorizers["GET"].verified
    if settings.issuer == POOL_ISSUER:
        assert verified is not None
        assert not verified(Tokens(settings)("alice"))
    else:
        assert verified is None
        assert [each.category for each in warned] == [AuthorizerNotRun]


def test_an_app_without_a_name_is_warned_of(app: Chalice, project: Project) -> None:
    """Chalice deploys it with the name None."""
    project.config_path.write_text('{"version": "2.0"}')
    with pytest.warns(NoAppName, match=rf"^{project.config_path} has no app_name, .*None-dev, .*add \"app_name\": "):
        describe(app, Project(project.root))


def test_api_keys_are_those_of_the_settings_and_without_any_it_is_said(app: Chalice, project: Project) -> None:
    app.route("/keyed", methods=["GET"], api_key_required=True)(lambda: None)
    app.route("/keyed", methods=["PUT"])(lambda: None)
    with pytest.warns(NoApiKey, match=r"^GET /keyed need an API key, .* api_keys = \["):
        api = describe(app, project)
    assert (api.routes[0].keyed, api.api_keys) == (frozenset({"GET"}), frozenset())
    (project.root / "pyproject.toml").write_text('[tool.sessionplugin]\napi_keys = ["one", "two"]')
    assert describe(app, Project(project.root)).api_keys == {"one", "two"}


@pytest.mark.parametrize("keys", ['"one"', "[1]", '[""]'])
def test_api_keys_are_texts(app: Chalice, project: Project, keys: str) -> None:
    (project.root / "pyproject.toml").write_text(f"[tool.sessionplugin]\napi_keys = {keys}")
    with pytest.raises(ProjectError, match=r"api_keys .* must be a list of non-empty strings"):
        describe(app, Project(project.root))


@pytest.mark.parametrize(("kind", "limit"), [(None, 8192), ("EDGE", 8192), ("REGIONAL", 10_240), ("PRIVATE", 10_240)])
def test_an_edge_optimised_api_takes_shorter_urls(app: Chalice, project: Project, kind: str | None, limit: int) -> None:
    path = project.root / ".chalice" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "api_gateway_endpoint_type": kind or "EDGE"}))
    if kind is None:
        path.write_text(json.dumps({"version": "2.0", "app_name": "chat", "stages": {"dev": {}}}))
    assert describe(app, Project(project.root)).max_url == limit


@pytest.mark.parametrize("size", [None, 0, 1000, 10_485_760])
def test_answers_are_compressed_from_the_size_of_the_config_on(
    app: Chalice, project: Project, size: int | None
) -> None:
    path = project.root / ".chalice" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "minimum_compression_size": size}))
    assert describe(app, Project(project.root)).minimum_compression == size


@pytest.mark.parametrize("size", [-1, 10_485_761, "100", True, 1.5])
def test_a_size_that_chalice_deploy_refuses_is_refused(app: Chalice, project: Project, size: object) -> None:
    path = project.root / ".chalice" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "minimum_compression_size": size}))
    with pytest.raises(ProjectError, match=r"minimum_compression_size .* from 0 to 10485760"):
        describe(app, Project(project.root))


def test_rates_and_cron_expressions_are_found_and_other_events_are_not(app: Chalice, project: Project) -> None:
    @app.schedule(Rate(1, unit=Rate.MINUTES))
    def each_minute(event: object) -> None: ...

    @app.schedule("rate(2 hours)", name="now-and-then")
    def each_hour(event: object) -> None: ...

    @app.schedule(Cron(0, 12, "*", "*", "?", "*"))
    def at_noon(event: object) -> None: ...

    @app.on_sns_message("topic")
    def told(event: object) -> None: ...

    assert schedules(app, project) == [
        Schedule("each_minute", 60),
        Schedule("now-and-then", 7200),
        Schedule("at_noon", CronExpression("cron(0 12 * * ? *)")),
    ]


def test_decorators_name_queues_topics_buckets_and_streams(app: Chalice) -> None:
    app.on_sqs_message(queue="orders", name="a")(print)
    app.on_sqs_message(queue_arn="arn:aws:sqs:us-east-1:123456789012:more.fifo", name="b")(print)
    app.on_sns_message(topic="arn:aws:sns:us-east-1:123456789012:news", name="c")(print)
    app.on_s3_event(bucket="files", name="d")(print)
    app.on_kinesis_record(stream="clicks", name="e")(print)
    app.on_cw_event({"source": ["aws.s3"]}, name="f")(print)
    assert [(each.service.value, each.name) for each in resources(app)] == [
        ("sqs", "orders"),
        ("sqs", "more.fifo"),
        ("sns", "news"),
        ("s3", "files"),
        ("kinesis", "clicks"),
    ]
