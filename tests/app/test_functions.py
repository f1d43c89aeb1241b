"""One Chalice object, run as the several Lambdas that it deploys."""

from __future__ import annotations

import logging
import os
import sys
import threading
import uuid
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from chalice.app import AuthRequest, AuthResponse, Blueprint, Chalice

from pytest_sessionplugin.app.description import describe
from pytest_sessionplugin.app.functions import Functions, Processes
from pytest_sessionplugin.app.isolation import View, start_cold
from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.gateway.values import REST_FUNCTION, Invoke


def functions(app: Chalice, project: Project) -> Functions:
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


def test_a_built_in_authorizer_runs_as_the_function_that_it_is_deployed_as(app: Chalice, project: Project) -> None:
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


def test_warnings_that_chalice_itself_calls_for_are_not_the_errors_of_an_app(app: Chalice, project: Project) -> None:
    """On Python 3.12 reading a DynamoDB record does; the filters of this run make an error of any warning."""
    seen: list[Any] = []

    @app.on_dynamodb_record("arn:aws:dynamodb:us-east-1:1:table/rooms/stream/x")
    def index(event: Any) -> None:
        seen.extend(record.timestamp.year for record in event)
        warnings.warn("its own", DeprecationWarning, stacklevel=1)

    dynamodb = {"ApproximateCreationDateTime": 0, "SequenceNumber": "1", "SizeBytes": 1, "StreamViewType": "KEYS_ONLY"}
    record = {"dynamodb": dynamodb, "awsRegion": "", "eventID": "", "eventName": "INSERT", "eventSourceARN": "a:b/c"}
    run = functions(app, project)
    with pytest.raises(DeprecationWarning, match="its own"):
        run(Invoke("id", "index", {"Records": [record]}))
    assert seen == [1970]


# --- many at once


def test_each_of_1200_requests_in_8_threads_has_its_own_request_and_context(app: Chalice, project: Project) -> None:
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


def test_the_first_frames_of_100_apps_in_parallel_all_pass_the_middleware(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chalice keeps middleware in a generator, which only the first to come would find full."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "")
    together = threading.Barrier(4)
    apps = [functions(guarded(), project) for _ in range(100)]
    answers: list[object] = []

    def work(_: int) -> None:
        for run in apps:
            invoke = websocket("message")
            together.wait(5)
            answer = run(invoke)
            answers.append((answer["statusCode"], answer["body"] == invoke.invocation_id))

    in_threads(4, work)
    assert answers == [(401, True)] * 400


def guarded() -> Chalice:
    """An app that has handled nothing yet, and lets nothing through to its handler."""
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


# --- copies of an app

COPIED = """
import os
from chalice import Chalice

app = Chalice("chat", configure_logs=False)
IMPORTED_WITH = os.environ.get("OWN")


@app.lambda_function()
def environment(event, context):
    return [IMPORTED_WITH, os.environ["OWN"], os.environ.get("HIDDEN")]
"""


def test_each_function_gets_a_copy_of_the_app_when_it_first_runs(project: Project) -> None:
    (project.root / "app.py").write_text(COPIED)
    before = vars(os.environ)["_data"]
    with ExitStack() as stack:
        processes = Processes(stack, logging.NullHandler())
        first = processes.new(project, "orders")
        process_of = processes.each_its_own(project, "orders", first)
        assert process_of(REST_FUNCTION) is first
        assert sys.modules.keys() & {"app@orders", "app@orders:environment"} == {"app@orders"}
        second = process_of("environment")
        assert second is process_of("environment")
        assert second.app is vars(sys.modules["app@orders:environment"])["app"] is not first.app
    assert not [name for name in sys.modules if "@" in name]
    assert vars(os.environ)["_data"] is before


def test_a_copy_is_imported_and_run_in_its_view(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "app.py").write_text(COPIED)
    monkeypatch.setenv("HIDDEN", "x")
    with ExitStack() as stack:
        process = Processes(stack, logging.NullHandler()).new(project, "orders", View({"OWN": "1"}, hidden=["HIDDEN"]))
        run = Functions(process.app, project, describe(process.app, project), lambda function: process)
        assert run(Invoke("id", "environment", {})) == ["1", "1", None]
        assert "OWN" not in os.environ
