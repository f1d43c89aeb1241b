"""The apps of an account as one: by host, by the name of a function, by a connection."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import pytest

from pytest_sessionplugin.account.apps import Apis, DeployedApp, Stack
from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.interceptor import AwsCall, NotEmulated
from pytest_sessionplugin.gateway.client.transport import Urls
from pytest_sessionplugin.gateway.values import Api, Manage, Reply


class FakeRuntime:
    def __init__(self) -> None:
        self.managed: list[Manage] = []
        self.stalled: list[str] = []

    def manage(self, call: Manage) -> Reply:
        self.managed.append(call)
        return Reply(200, (("X-From", "fake"),), b"{}")

    def stall(self, connection_id: str, held: object) -> None:
        self.stalled.append(connection_id)

    def resume(self, connection_id: str) -> None:
        self.stalled.remove(connection_id)


class FakeFunctions:
    names: ClassVar = {"api_handler": "api_handler", "hourly": "sweep"}


class FakeWebSocket:
    def __init__(self, connection_id: str) -> None:
        self.connection_id = connection_id


class FakeGateway:
    def __init__(self, *connections: str) -> None:
        self.websockets = tuple(map(FakeWebSocket, connections))


class FakeTransport:
    def __init__(self, number: int) -> None:
        self.urls = Urls(f"http://127.0.0.1:800{number}", f"ws://127.0.0.1:900{number}")


def app(number: int, *connections: str) -> DeployedApp:
    nothing = cast(Any, None)
    stack = Stack(f"app{number}", number, nothing, nothing, nothing)
    runtime, gateway = cast(Any, FakeRuntime()), cast(Any, FakeGateway(*connections))
    functions = cast(Any, FakeFunctions())
    api = Api().numbered(number)
    return DeployedApp(
        stack, api, cast(Any, FakeTransport(number)), runtime, gateway, functions, {"sweep": "hourly"}, []
    )


def post(host: str, function: str | None = None) -> AwsCall:
    call = Call("apigatewaymanagementapi", "PostToConnection", function)
    return AwsCall(call, Manage("POST", host, "/api/@connections/A", b""))


@pytest.fixture
def apps() -> tuple[DeployedApp, DeployedApp]:
    return app(0, "A"), app(1, "B")


@pytest.fixture
def apis(apps: tuple[DeployedApp, DeployedApp]) -> Apis:
    apis = Apis(lambda: apps[0])
    for each in apps:
        apis.put(each)
    return apis


def test_a_post_goes_to_the_api_whose_host_it_names(apis: Apis, apps: tuple[DeployedApp, DeployedApp]) -> None:
    host = apps[1].api.host(apps[1].api.websocket_api_id)
    answer = apis.answer(post(f"{host.upper()}:443"))
    assert answer is not None
    assert (answer.status, answer.headers, answer.body) == (200, {"X-From": "fake"}, b"{}")
    assert [len(cast(Any, each.runtime).managed) for each in apps] == [0, 1]


@pytest.mark.parametrize(
    ("host", "function", "second"),
    [
        ("elsewhere.example", None, 0),
        ("elsewhere.example", "sweep", 0),
        ("elsewhere.example", "app1:sweep", 1),
        ("localhost:4566", None, 0),
        ("localhost:4566", "app1:sweep", 1),
        ("127.0.0.1:9001", "sweep", 1),
        ("127.0.0.1:9000", "app1:sweep", 0),
        ("w3bs0cket0.execute-api.us-east-1.amazonaws.com", "app1:sweep", 0),
    ],
)
def test_a_host_that_no_api_or_each_has_is_of_the_port_or_of_the_app_that_calls(
    apis: Apis, apps: tuple[DeployedApp, DeployedApp], host: str, function: str | None, second: int
) -> None:
    apis.answer(post(host, function))
    assert [len(cast(Any, each.runtime).managed) for each in apps] == [1 - second, second]


def test_other_calls_are_passed_on(apis: Apis) -> None:
    assert apis.answer(AwsCall(Call("dynamodb", "GetItem"), request=object())) is None


def test_a_post_before_any_gateway_says_which_fixture_is_missing() -> None:
    with pytest.raises(NotEmulated, match="ask for the fixture chalice_gateway"):
        Apis(lambda: app(0)).answer(post("any"))


def test_functions_have_the_prefix_of_their_app_but_for_the_first(apis: Apis) -> None:
    assert apis.functions == {"api_handler", "sweep", "app1:api_handler", "app1:sweep"}
    assert apis.function_names() == {"sweep": "hourly", "app1:sweep": "app1:hourly"}


def test_asking_for_functions_or_clients_deploys_the_first_app() -> None:
    asked: list[str] = []
    apis = Apis(lambda: asked.append("deploy") or app(0))  # type: ignore[func-returns-value]
    apis.function_names()
    assert apis.clients() is apis
    assert asked == ["deploy", "deploy"]


def test_a_client_is_slow_at_its_own_gateway(apis: Apis, apps: tuple[DeployedApp, DeployedApp]) -> None:
    apis.stall("B", lambda: None)
    assert [cast(Any, each.runtime).stalled for each in apps] == [[], ["B"]]
    apis.resume("B")
    assert [cast(Any, each.runtime).stalled for each in apps] == [[], []]


def test_another_deployment_takes_the_place_of_the_one_before(apis: Apis) -> None:
    again = app(1)
    apis.put(again)
    assert [each.stack.name for each in apis] == ["app0", "app1"]
    assert list(apis)[1] is again
