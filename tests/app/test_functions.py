"""One Chalice object, run as the several Lambdas that it deploys."""

from __future__ import annotations

import functools
import itertools
import json
import logging
import os
import re
import sys
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from chalice.app import AuthRequest, AuthResponse, Blueprint, Chalice

from pytest_sessionplugin.app.description import describe, handler_strings
from pytest_sessionplugin.app.functions import Functions, Process, Processes
from pytest_sessionplugin.app.isolation import View, start_cold, views_in_use
from pytest_sessionplugin.app.project import Memory, Project
from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.gateway.values import REST_FUNCTION, Invoke


def process(app: Chalice) -> Process:
    """Handlers of these tests are local functions; Lambda would look for them in a module."""
    module = ModuleType("app")
    vars(module).update(
        {string.rpartition(".")[2]: app.handler_map.get(name) for name, string in handler_strings(app).items()}, app=app
    )
    return Process.of(app, lambda name: module)


def functions(app: Chalice, project: Project) -> Functions:
    return Functions(process(app), Memory(project), describe(app, project))


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
SEEN = ("OWN", "HIDDEN", "AWS_LAMBDA_FUNCTION_NAME", "_X_AMZN_TRACE_ID")
IMPORTED_WITH = [os.environ.get(name) for name in SEEN[:3]]


@app.lambda_function()
def environment(event, context):
    os.environ["LEFT"] = context.function_name
    return [IMPORTED_WITH, [os.environ.get(name) for name in SEEN[:3]]]


@app.lambda_function()
def another(event, context):
    return [os.environ.get("LEFT"), os.environ["_HANDLER"]]
"""


def test_each_function_gets_a_copy_of_the_app_when_it_first_runs(project: Project) -> None:
    (project.root / "app.py").write_text(COPIED)
    before = vars(os.environ)["_data"]
    with ExitStack() as stack:
        processes = Processes(stack, logging.NullHandler())
        first = processes.new(project, "orders")
        process_of = processes.each_its_own(project, "orders", first)
        run = Functions(first, Memory(project), describe(first.app, project), process_of)
        assert sys.modules.keys() & {"app@orders", "app@orders:environment"} == {"app@orders"}
        for _ in range(2):
            run(Invoke("id", "environment", {}))
            copy = vars(sys.modules["app@orders:environment"])["app"]
        assert process_of(run.function("environment")).app is copy is not first.app
        assert process_of(run.function(REST_FUNCTION)) is first
    assert not [name for name in sys.modules if "@" in name]
    assert vars(os.environ)["_data"] is before


def test_a_function_with_a_copy_of_its_own_is_imported_with_its_variables_and_keeps_what_it_sets(
    project: Project,
) -> None:
    (project.root / "app.py").write_text(COPIED)
    memory = Memory(project)
    with environment.applied(memory.variables), ExitStack() as stack:
        processes = Processes(stack, logging.NullHandler())
        first = processes.new(project, "orders")
        process_of = processes.each_its_own(project, "orders", first)
        run = Functions(first, memory, describe(first.app, project), process_of)
        assert run(Invoke("id", "environment", {})) == [[None, None, "chat-dev-environment"]] * 2
        assert run(Invoke("id", "another", {})) == [None, "app.another"]
        assert "LEFT" not in os.environ


def test_a_copy_is_imported_and_run_in_its_view(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "app.py").write_text(COPIED)
    monkeypatch.setenv("HIDDEN", "x")
    memory = Memory(project)
    with environment.applied(memory.variables), ExitStack() as stack:
        view = View({"OWN": "1", **memory.variables}, hidden=["HIDDEN"])
        process = Processes(stack, logging.NullHandler()).new(project, "orders", view)
        run = Functions(process, memory, describe(process.app, project))
        imported = ["1", None, "chat-dev"]
        assert run(Invoke("id", "environment", {})) == [imported, ["1", None, "chat-dev-environment"]]
        assert run(Invoke("id", "another", {})) == ["chat-dev-environment", "app.another"]
        assert "OWN" not in os.environ
        assert "LEFT" not in os.environ


# --- variables

STAGES = {
    "dev": {
        "environment_variables": {"WHO": "stage"},
        "lambda_memory_size": 256,
        "lambda_functions": {
            "api_handler": {"environment_variables": {"FIRST": "yes"}},
            "worker": {"environment_variables": {"WHO": "worker", "ONLY": "worker"}, "lambda_memory_size": 512},
            "websocket_message": {"environment_variables": {"WHO": "socket"}},
        },
    }
}


class Deployed:
    """An app whose functions, of three kinds, give the variables that they are asked for."""

    def __init__(self, app: Chalice, project: Project, **variables: str) -> None:
        (project.root / ".chalice" / "config.json").write_text(json.dumps({"app_name": "chat", "stages": STAGES}))

        def values(names: str) -> list[str | None]:
            found: list[list[str | None]] = []
            thread = threading.Thread(target=lambda: found.append([os.environ.get(name) for name in names.split(",")]))
            thread.start()
            thread.join(10)
            assert found == [[dict(os.environ).get(name) for name in names.split(",")]]
            return found[0]

        @app.route("/{names}")
        def index(names: str) -> list[str | None]:
            return values(names)

        @app.lambda_function()
        def worker(event: Any, context: Any) -> list[str | None]:
            os.environ.update(event.get("set", {}))
            for name in event.get("delete", ()):
                del os.environ[name]
            return [*values(event["names"]), *([context.log_stream_name] if event.get("context") else [])]

        @app.on_ws_message()
        def message(event: Any) -> dict[str, Any]:
            return {"statusCode": 200, "body": json.dumps(values(event.body))}

        self.memory = Memory(project, variables=variables)
        self._run = functools.cache(lambda: Functions(process(app), self.memory, describe(app, project)))

    def worker(self, names: str, **event: Any) -> list[str | None]:
        return list(self._run()(Invoke("id", "worker", {"names": names, **event})))

    def values(self, names: str) -> dict[str, list[str | None]]:
        return {
            "api_handler": json.loads(self._run()(rest("/{names}", names=names))["body"]),
            "message": json.loads(self._run()(websocket("message", names))["body"]),
            "worker": self.worker(names),
        }


@pytest.fixture
def deployed(app: Chalice, project: Project) -> Iterator[Deployed]:
    deployed = Deployed(app, project)
    with environment.applied(deployed.memory.variables), views_in_use():
        yield deployed


def test_each_function_sees_its_own_variables_over_those_that_all_share(deployed: Deployed) -> None:
    assert deployed.values("WHO,ONLY,FIRST") == {
        "api_handler": ["stage", None, "yes"],
        "message": ["socket", None, None],
        "worker": ["worker", "worker", None],
    }
    assert [os.environ.get(name) for name in ("WHO", "ONLY", "FIRST")] == ["stage", None, "yes"]


def test_a_variable_of_the_template_is_over_that_of_config_json(app: Chalice, project: Project) -> None:
    def of(value: str) -> dict[str, Any]:
        return {"Properties": {"Environment": {"Variables": {"WHO": value}}}}

    path = project.root / ".chalice" / "resources.json"
    tables = json.loads(path.read_text())["Resources"]
    functions = {"APIHandler": of("template"), "WebsocketMessage": of("merged")}
    path.write_text(json.dumps({"Resources": tables | functions}))
    deployed = Deployed(app, project)
    with environment.applied(deployed.memory.variables), views_in_use():
        assert deployed.values("WHO,ONLY,FIRST") == {
            "api_handler": ["template", None, "yes"],
            "message": ["merged", None, None],
            "worker": ["worker", "worker", None],
        }


def test_each_function_sees_the_variables_that_lambda_gives_it(deployed: Deployed, project: Project) -> None:
    names = "AWS_LAMBDA_FUNCTION_NAME,AWS_LAMBDA_FUNCTION_MEMORY_SIZE,_HANDLER,AWS_LAMBDA_LOG_GROUP_NAME"
    assert deployed.values(names) == {
        "api_handler": ["chat-dev", "256", "app.app", "/aws/lambda/chat-dev"],
        "message": ["chat-dev-websocket_message", "256", "app.message", "/aws/lambda/chat-dev-websocket_message"],
        "worker": ["chat-dev-worker", "512", "app.worker", "/aws/lambda/chat-dev-worker"],
    }
    shared = [str(project.root), "$LATEST", "on-demand"]
    names = "LAMBDA_TASK_ROOT,AWS_LAMBDA_FUNCTION_VERSION,AWS_LAMBDA_INITIALIZATION_TYPE"
    assert list(deployed.values(names).values()) == [shared] * 3
    stream, of_context = deployed.worker("AWS_LAMBDA_LOG_STREAM_NAME", context=True)
    assert stream == of_context


def test_each_run_has_a_trace_of_its_own_and_nothing_else_has_one(deployed: Deployed) -> None:
    traces = [trace for (trace,) in deployed.values("_X_AMZN_TRACE_ID").values()]
    assert len(set(traces)) == 3
    for trace in traces:
        assert re.fullmatch("Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", trace or "")
    assert "_X_AMZN_TRACE_ID" not in os.environ


def test_a_run_keeps_its_trace_while_time_passes(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(1_700_000_000)
    monkeypatch.setattr("pytest_sessionplugin.app.functions.time", SimpleNamespace(time=lambda: next(seconds)))
    first, second = deployed.worker("_X_AMZN_TRACE_ID,_X_AMZN_TRACE_ID")
    assert first == second


def test_a_variable_that_a_test_sets_or_takes_away_is_for_every_function(deployed: Deployed) -> None:
    with pytest.MonkeyPatch.context() as patch:  # undone before `deployed` is, whose values would come back otherwise
        patch.setenv("WHO", "test")
        patch.setenv("ONLY", "test")
        patch.setenv("AWS_LAMBDA_FUNCTION_NAME", "test")
        patch.delenv("FIRST")
        assert (
            list(deployed.values("WHO,ONLY,FIRST,AWS_LAMBDA_FUNCTION_NAME").values())
            == [["test", "test", None, "test"]] * 3
        )


def test_a_variable_that_the_settings_name_is_for_every_function(app: Chalice, project: Project) -> None:
    deployed = Deployed(app, project, WHO="all", AWS_LAMBDA_FUNCTION_NAME="")
    with environment.applied(deployed.memory.variables), views_in_use():
        assert list(deployed.values("WHO,AWS_LAMBDA_FUNCTION_NAME").values()) == [["all", ""]] * 3


def test_a_function_changes_its_own_variables_for_itself_and_others_for_all(deployed: Deployed) -> None:
    assert deployed.worker("WHO,NEW", set={"WHO": "changed", "NEW": "new"}, delete=["ONLY", "_HANDLER"])
    assert deployed.values("WHO,NEW,ONLY,_HANDLER") == {
        "api_handler": ["stage", "new", None, "app.app"],
        "message": ["socket", "new", None, "app.message"],
        "worker": ["changed", "new", None, None],
    }
    assert os.environ["NEW"] == "new"
    with pytest.raises(KeyError, match="ONLY"):
        deployed.worker("WHO", delete=["ONLY"])
    assert deployed.worker("NEW", delete=["NEW"]) == [None]
    assert "NEW" not in os.environ


def test_functions_at_once_each_see_their_own(deployed: Deployed) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for _ in range(50):
            if (seen := deployed.worker("WHO") if number % 2 else deployed.values("WHO")["api_handler"]) != [
                "worker" if number % 2 else "stage"
            ]:
                wrong.append(seen)

    in_threads(4, work)
    assert wrong == []
