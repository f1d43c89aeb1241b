"""One Chalice object, run as the several Lambdas that it deploys."""

from __future__ import annotations

import json
import logging
import sys
import threading
import uuid
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin.errors import AuthorizerNotRun, NoApiKey, ProjectError
from pytest_sessionplugin.gateway.values import REST_FUNCTION, Authorizer, AuthorizerKind, Invoke, Route
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings

if TYPE_CHECKING:
    from chalice.app import Chalice

    from pytest_sessionplugin.app.functions import Functions
    from pytest_sessionplugin.app.project import Project


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Chalice:
    from chalice.app import Chalice

    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "")  # Chalice adds to it
    app = Chalice("chat", configure_logs=False)
    app.experimental_feature_flags.add("WEBSOCKETS")
    return app


def functions(app: Chalice, project: Project) -> Functions:
    from pytest_sessionplugin.app.description import describe
    from pytest_sessionplugin.app.functions import Functions

    return Functions(app, project, describe(app, project))


def rest(path: str = "/", **parameters: str) -> Invoke:
    event: dict[str, Any] = {
        "requestContext": {"resourcePath": path, "httpMethod": "GET"},
        "headers": {},
        "multiValueHeaders": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": parameters,
        "body": None,
        "stageVariables": None,
    }
    return Invoke(str(uuid.uuid4()), REST_FUNCTION, event)


def websocket(function: str, body: str = "") -> Invoke:
    context = {"domainName": "d", "stage": "api", "connectionId": "VNR=", "apiId": "w3b"}
    return Invoke(str(uuid.uuid4()), function, {"requestContext": context, "body": body})


def in_threads(count: int, run: Callable[[int], object]) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)


# --- what is deployed


def test_routes_and_handlers_are_described_as_they_are_deployed(app: Chalice, project: Project) -> None:
    from chalice.app import CORSConfig

    from pytest_sessionplugin.app.description import describe

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
    from pytest_sessionplugin.app.description import describe
    from pytest_sessionplugin.app.project import Project

    assert describe(app, Project(project.root, "prod")).stage == "v1"


def test_a_feature_that_was_not_asked_for_is_refused_as_by_chalice_deploy(app: Chalice, project: Project) -> None:
    @app.on_ws_message()
    def message(event: object) -> None: ...

    app.experimental_feature_flags.clear()
    with pytest.raises(ProjectError, match=r"uses WEBSOCKETS .* app.experimental_feature_flags.update"):
        functions(app, project)


def test_each_method_has_the_authorizer_that_it_is_deployed_with(app: Chalice, project: Project) -> None:
    from chalice.app import Authorizer as Base
    from chalice.app import CognitoUserPoolAuthorizer, CustomAuthorizer, IAMAuthorizer

    from pytest_sessionplugin.app.description import describe

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
    from chalice.app import CognitoUserPoolAuthorizer

    from pytest_sessionplugin.app.description import describe

    app.route("/me", authorizer=CognitoUserPoolAuthorizer("pool", [POOL]))(lambda: None)
    tokens = Tokens(TokenSettings("RS256", POOL_ISSUER))
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
    assert verified(Tokens(TokenSettings("RS256", "https://another.test"))("alice"))  # nobody here has its keys
    assert not verified("no token")


@pytest.mark.parametrize("settings", [TokenSettings("RS256"), TokenSettings("HS256", POOL_ISSUER)])
def test_a_user_pool_takes_no_token_of_the_kit_that_it_could_not_have_signed(
    app: Chalice, project: Project, settings: TokenSettings
) -> None:
    """Of another issuer there are no keys here; a shared secret is no pool's."""
    from chalice.app import CognitoUserPoolAuthorizer

    from pytest_sessionplugin.app.description import describe

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


def test_api_keys_are_those_of_the_settings_and_without_any_it_is_said(app: Chalice, project: Project) -> None:
    from pytest_sessionplugin.app.description import describe
    from pytest_sessionplugin.app.project import Project

    app.route("/keyed", methods=["GET"], api_key_required=True)(lambda: None)
    app.route("/keyed", methods=["PUT"])(lambda: None)
    with pytest.warns(NoApiKey, match=r"^GET /keyed need an API key, .* api_keys = \["):
        api = describe(app, project)
    assert (api.routes[0].keyed, api.api_keys) == (frozenset({"GET"}), frozenset())
    (project.root / "pyproject.toml").write_text('[tool.sessionplugin]\napi_keys = ["one", "two"]')
    assert describe(app, Project(project.root)).api_keys == {"one", "two"}


@pytest.mark.parametrize("keys", ['"one"', "[1]", '[""]'])
def test_api_keys_are_texts(app: Chalice, project: Project, keys: str) -> None:
    from pytest_sessionplugin.app.description import describe
    from pytest_sessionplugin.app.project import Project

    (project.root / "pyproject.toml").write_text(f"[tool.sessionplugin]\napi_keys = {keys}")
    with pytest.raises(ProjectError, match=r"api_keys .* must be a list of texts that are not empty"):
        describe(app, Project(project.root))


@pytest.mark.parametrize(("kind", "limit"), [(None, 8192), ("EDGE", 8192), ("REGIONAL", 10_240), ("PRIVATE", 10_240)])
def test_an_edge_optimised_api_takes_shorter_urls(app: Chalice, project: Project, kind: str | None, limit: int) -> None:
    from pytest_sessionplugin.app.description import describe
    from pytest_sessionplugin.app.project import Project

    path = project.root / ".chalice" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "api_gateway_endpoint_type": kind or "EDGE"}))
    if kind is None:
        path.write_text(json.dumps({"version": "2.0", "app_name": "chat", "stages": {"dev": {}}}))
    assert describe(app, Project(project.root)).max_url == limit


@pytest.mark.parametrize("size", [None, 0, 1000, 10_485_760])
def test_answers_are_compressed_from_the_size_of_the_config_on(
    app: Chalice, project: Project, size: int | None
) -> None:
    from pytest_sessionplugin.app.description import describe
    from pytest_sessionplugin.app.project import Project

    path = project.root / ".chalice" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "minimum_compression_size": size}))
    assert describe(app, Project(project.root)).minimum_compression == size


@pytest.mark.parametrize("size", [-1, 10_485_761, "100", True, 1.5])
def test_a_size_that_chalice_deploy_refuses_is_refused(app: Chalice, project: Project, size: object) -> None:
    from pytest_sessionplugin.app.description import describe
    from pytest_sessionplugin.app.project import Project

    path = project.root / ".chalice" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "minimum_compression_size": size}))
    with pytest.raises(ProjectError, match=r"minimum_compression_size .* from 0 to 10485760"):
        describe(app, Project(project.root))


def test_a_built_in_authorizer_runs_as_the_function_that_it_is_deployed_as(app: Chalice, project: Project) -> None:
    from chalice.app import AuthRequest, AuthResponse

    @app.authorizer(name="brief")
    def guard(request: AuthRequest) -> AuthResponse:
        return AuthResponse(["/a", "*"], principal_id=request.token)

    arn = "arn:aws:execute-api:us-east-1:1:r3st/api/GET/a:b"
    event = {"type": "TOKEN", "authorizationToken": "alice", "methodArn": arn}
    answer = functions(app, project)(Invoke("id", "brief", event))
    assert answer["principalId"] == "alice"
    assert answer["policyDocument"]["Statement"][0]["Resource"] == [
        "arn:aws:execute-api:us-east-1:1:r3st/api/*/a",
        "arn:aws:execute-api:us-east-1:1:r3st/api/*/*",
    ]


def test_rates_are_found_in_seconds_and_other_events_are_not(app: Chalice) -> None:
    from chalice.app import Cron, Rate

    from pytest_sessionplugin.app.description import schedules
    from pytest_sessionplugin.lambdas.schedules import Schedule

    @app.schedule(Rate(1, unit=Rate.MINUTES))
    def each_minute(event: object) -> None: ...

    @app.schedule("rate(2 hours)", name="now-and-then")
    def each_hour(event: object) -> None: ...

    @app.schedule(Cron(0, 12, "*", "*", "?", "*"))
    def at_noon(event: object) -> None: ...

    @app.on_sns_message("topic")
    def told(event: object) -> None: ...

    assert schedules(app) == [Schedule("each_minute", 60), Schedule("now-and-then", 7200)]


# --- one invocation


def test_the_context_is_that_of_the_function(app: Chalice, project: Project) -> None:
    contexts: list[Any] = []

    @app.route("/")
    def index() -> None:
        contexts.append(app.lambda_context)

    @app.on_ws_message(name="message")
    def message(event: Any) -> None:
        contexts.append(event.context)

    run = functions(app, project)
    first, second = rest(), websocket("message")
    run(first)
    run(second)
    assert [context.function_name for context in contexts] == ["chat-dev", "chat-dev-websocket_message"]
    assert [context.aws_request_id for context in contexts] == [first.invocation_id, second.invocation_id]
    assert 19_000 < contexts[0].get_remaining_time_in_millis() <= 20_000  # the lambda_timeout of the config
    assert contexts[0].memory_limit_in_mb == 128
    assert contexts[0].invoked_function_arn == "arn:aws:lambda:us-east-1:123456789012:function:chat-dev"


def test_what_a_handler_raises_is_raised(app: Chalice, project: Project) -> None:
    @app.on_ws_message()
    def message(event: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        functions(app, project)(websocket("message"))


# --- many at once


def test_each_of_1200_requests_in_8_threads_has_its_own_request_and_context(app: Chalice, project: Project) -> None:
    from chalice.app import Blueprint

    blueprint = Blueprint("blueprint")

    @app.route("/app/{name}")
    def of_app(name: str) -> dict[str, Any]:
        for _ in range(50):
            pass
        request: Any = app.current_request
        return {"name": request.uri_params["name"], "id": app.lambda_context.aws_request_id}

    @blueprint.route("/blueprint/{name}")
    def of_blueprint(name: str) -> dict[str, Any]:
        request: Any = blueprint.current_request
        return {"name": request.uri_params["name"], "id": blueprint.lambda_context.aws_request_id}

    app.register_blueprint(blueprint)
    run = functions(app, project)
    right: list[bool] = []

    def work(thread: int) -> None:
        for number in range(150):
            invoke = rest(["/app/{name}", "/blueprint/{name}"][number % 2], name=f"{thread}-{number}")
            answer = run(invoke)["body"]
            right.append(answer == f'{{"name":"{thread}-{number}","id":"{invoke.invocation_id}"}}')

    in_threads(8, work)
    assert right == [True] * 1200


def test_the_first_frames_of_400_apps_in_parallel_all_pass_the_middleware(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chalice keeps middleware in a generator, which only the first to come would find full."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "")
    together = threading.Barrier(4)
    apps = [functions(guarded(), project) for _ in range(400)]
    answers: list[object] = []

    def work(_: int) -> None:
        for run in apps:
            invoke = websocket("message")
            together.wait(5)
            answer = run(invoke)
            answers.append((answer["statusCode"], answer["body"] == invoke.invocation_id))

    in_threads(4, work)
    assert answers == [(401, True)] * 1600


def guarded() -> Chalice:
    """An app that has handled nothing yet, and lets nothing through to its handler."""
    from chalice.app import Chalice

    app = Chalice("chat", configure_logs=False)
    app.experimental_feature_flags.add("WEBSOCKETS")

    @app.on_ws_message()
    def message(event: Any) -> dict[str, Any]:
        return {"statusCode": 200, "body": "past the guard"}

    @app.middleware("websocket")
    def guard(event: Any, get_response: Any) -> dict[str, Any]:
        return {"statusCode": 401, "body": event.context.aws_request_id}

    return app


def test_a_websocket_function_has_no_request_of_another_one(app: Chalice, project: Project) -> None:
    @app.route("/")
    def index() -> None: ...

    @app.on_ws_message()
    def message(event: Any) -> None:
        app.current_request  # noqa: B018

    run = functions(app, project)
    run(rest())
    with pytest.raises(AttributeError, match="'Chalice' object has no attribute 'current_request'"):
        run(websocket("message"))
    assert app.current_request is not None  # a test may look at the latest, as with plain Chalice


def test_a_thread_that_a_handler_starts_has_the_latest_request(app: Chalice, project: Project) -> None:
    seen: list[Any] = []

    @app.route("/{name}")
    def index(name: str) -> None:
        thread = threading.Thread(target=lambda: seen.append(app.current_request))
        thread.start()
        thread.join(10)

    functions(app, project)(rest("/{name}", name="a"))
    assert seen[0].uri_params == {"name": "a"}


# --- websocket_api


class Session:
    """Stands for boto3's: its clients remember where they were to send."""

    region_name = "us-east-1"

    def __init__(self) -> None:
        self.made: list[str] = []

    def client(self, name: str, endpoint_url: str) -> Any:
        self.made.append(endpoint_url)

        class Client:
            class exceptions:
                GoneException = KeyError

            def post_to_connection(self, **arguments: Any) -> None: ...

        return Client()


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def pushing(app: Chalice, session: Session) -> Chalice:
    app.websocket_api.session = session

    @app.on_ws_message()
    def message(event: Any) -> None:
        app.websocket_api.send(event.connection_id, "x")

    @app.route("/push")
    def push() -> str:
        try:
            app.websocket_api.send("VNR=", "x")
        except ValueError as error:
            return str(error)
        return "sent"

    @app.route("/configured")
    def configured() -> str:
        app.websocket_api.configure_from_api_id("other", "v2")
        app.websocket_api.send("VNR=", "x")
        return "sent"

    return app


def test_send_from_a_route_fails_as_on_aws_although_a_handler_could(pushing: Chalice, project: Project) -> None:
    run = functions(pushing, project)
    run(websocket("message"))
    assert "WebsocketAPI.configure must be called before using" in run(rest("/push"))["body"]


def test_each_function_sends_to_the_endpoint_that_it_configured(
    pushing: Chalice, project: Project, session: Session
) -> None:
    run = functions(pushing, project)
    for _ in range(2):
        run(websocket("message"))
        run(rest("/configured"))
    assert run(rest("/push"))["body"] == "sent"  # the same Lambda, and warm
    assert session.made == [
        "https://w3b.execute-api.us-east-1.amazonaws.com/api",
        "https://other.execute-api.us-east-1.amazonaws.com/v2",
    ]


def test_a_cold_start_forgets_the_endpoints_and_keeps_the_clients(
    pushing: Chalice, project: Project, session: Session
) -> None:
    from pytest_sessionplugin.app.functions import start_cold

    run = functions(pushing, project)
    run(rest("/configured"))
    start_cold(pushing)
    assert "configure must be called" in run(rest("/push"))["body"]
    run(rest("/configured"))
    assert len(session.made) == 1


def test_what_is_configured_outside_of_a_function_is_for_all(
    pushing: Chalice, project: Project, session: Session
) -> None:
    pushing.websocket_api.configure("own.example", "v1")
    run = functions(pushing, project)
    assert run(rest("/push"))["body"] == "sent"
    assert session.made == ["https://own.example/v1"]


def test_a_patch_on_websocket_api_reaches_every_function(
    pushing: Chalice, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, sent = functions(pushing, project), []
    monkeypatch.setattr(pushing.websocket_api, "send", lambda *arguments: sent.append(arguments))
    run(websocket("message"))
    assert run(rest("/push"))["body"] == "sent"
    assert sent == [("VNR=", "x"), ("VNR=", "x")]


def test_a_handler_may_send_from_threads_of_its_own(app: Chalice, project: Project) -> None:
    app.websocket_api.session = Session()
    errors: list[Exception] = []

    @app.on_ws_message()
    def message(event: Any) -> None:
        def send() -> None:
            try:
                app.websocket_api.send("VNR=", "x")
            except Exception as error:  # noqa: BLE001 - kept for the assertion
                errors.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        thread.join(10)

    functions(app, project)(websocket("message"))
    assert errors == []


# --- logs


def test_the_log_goes_to_pytest_and_afterwards_as_before(caplog: pytest.LogCaptureFixture) -> None:
    from chalice.app import Chalice

    from pytest_sessionplugin.app.logging import log_to_root, loggers_kept

    listener = logging.NullHandler()
    with loggers_kept():
        app = Chalice("logs-of-chat")
        as_made = list(app.log.handlers)
        with log_to_root(app, listener):
            app.log.error("heard")
            assert listener in app.log.handlers
        assert (app.log.handlers, app.log.propagate) == (as_made, False)
    assert (app.log.handlers, app.log.propagate) == ([], True)
    assert caplog.messages == ["heard"]
