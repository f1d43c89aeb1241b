"""The skeletons of an app's contracts: what its routes, authorizers, handlers and docstrings give away, and no more."""

from __future__ import annotations

import warnings
from typing import Any

from chalice.app import (
    Authorizer,
    Chalice,
    CognitoUserPoolAuthorizer,
    CORSConfig,
    CustomAuthorizer,
    IAMAuthorizer,
)

from pytest_sessionplugin.app import skeleton
from pytest_sessionplugin.app.description import describe
from pytest_sessionplugin.app.project import Project

HEADER = {"type": "apiKey", "in": "header"}


def openapi(app: Chalice, project: Project, region: str = "us-east-1") -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of authorizers that are not run
        return skeleton.openapi(app, describe(app, project, region), "chat")


def asyncapi(app: Chalice, project: Project) -> dict[str, Any]:
    return skeleton.asyncapi(app, describe(app, project), "chat")


def test_routes_are_operations_with_path_parameters_and_docstrings(app: Chalice, project: Project) -> None:
    @app.route("/rooms/{room}/seats/{seat}", methods=["GET", "PATCH"])
    def a_seat(room: str, seat: str) -> None:
        """A seat
        of a room.

        It may be taken.

        Or not.
        """

    @app.route("/", methods=["DELETE", "FIND"])
    def everything() -> None: ...

    made = openapi(app, project)
    item = made["paths"]["/rooms/{room}/seats/{seat}"]
    assert [(each["name"], each["in"], each["required"]) for each in item["parameters"]] == [
        ("room", "path", True),
        ("seat", "path", True),
    ]
    assert item["get"] == {
        "operationId": "a_seat_get",
        "summary": "A seat of a room.",
        "description": "It may be taken.\n\nOr not.",
        "responses": {
            "2XX": {"description": "Success.", "content": {"*/*": {}}},
            "4XX": {"description": "The request is refused.", "content": {"*/*": {}}},
        },
    }
    assert item["patch"]["requestBody"] == {"content": {"application/json": {}}}
    assert made["paths"]["/"] == {"delete": {"operationId": "everything_delete", "responses": item["get"]["responses"]}}
    assert "components" not in made


def test_an_id_is_the_name_of_the_function_if_that_is_unique(app: Chalice, project: Project) -> None:
    app.route("/a", name="one")(print)
    app.route("/b", methods=["GET", "POST"], name="two")(print)
    app.route("/c", methods=["GET"], name="three")(print)
    app.route("/d", methods=["GET", "PUT"], name="three")(print)
    ids = [item[method].get("operationId") for item in openapi(app, project)["paths"].values() for method in item]
    assert ids == ["one", "two_get", "two_post", None, None, "three_put"]


def test_content_types_and_cors_are_those_of_the_route(app: Chalice, project: Project) -> None:
    cors = CORSConfig(allow_origin="https://a.example", allow_credentials=True, expose_headers=["X-A"], max_age=1)

    @app.route("/labels", methods=["POST"], content_types=["image/png", "text/plain"], cors=cors)
    def labels() -> None: ...

    @app.route("/any", methods=["PUT"], content_types=[])
    def anything() -> None: ...

    paths = openapi(app, project)["paths"]
    assert paths["/labels"]["post"]["requestBody"] == {"content": {"image/png": {}, "text/plain": {}}}
    assert paths["/any"]["put"]["requestBody"] == {"content": {"*/*": {}}}
    assert "options" not in paths["/labels"]
    always, sometimes = (paths["/labels"]["post"]["responses"][each]["headers"] for each in ("2XX", "4XX"))
    assert {name: header["example"] for name, header in always.items()} == {
        "Access-Control-Allow-Origin": "https://a.example",
        "Access-Control-Expose-Headers": "X-A",
        "Access-Control-Allow-Credentials": "true",
    }
    assert all(header["required"] for header in always.values())
    assert not any("required" in header for header in sometimes.values())


def test_authorizers_and_api_keys_are_security_schemes(app: Chalice, project: Project) -> None:
    class Whole(Authorizer):
        name = "whole"

        def to_swagger(self) -> dict[str, Any]:
            return {"x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": {"type": "request"}}

    @app.authorizer()
    def member(request: object) -> None:
        """The word of a member."""

    @app.authorizer()
    def guest(request: object) -> None: ...

    pool = CognitoUserPoolAuthorizer("people", provider_arns=["arn:x"], scopes=["a", "b"])
    door = CustomAuthorizer("front door", authorizer_uri="arn:y", header="X-Door")
    kinds = {"member": member, "guest": guest, "pool": pool, "door": door, "iam": IAMAuthorizer(), "whole": Whole()}
    for name, authorizer in kinds.items():
        app.route(f"/{name}", authorizer=authorizer, name=name)(print)
    app.route("/both", authorizer=member, api_key_required=True)(print)
    app.route("/key", api_key_required=True)(print)
    made = openapi(app, project)
    assert {path: item["get"].get("security") for path, item in made["paths"].items()} == {
        "/member": [{"member": []}],
        "/guest": [{"guest": []}],
        "/pool": [{"people": ["a", "b"]}],
        "/door": [{"front_door": []}],
        "/iam": [{"sigv4": []}],
        "/whole": None,
        "/both": [{"member": [], "api_key": []}],
        "/key": [{"api_key": []}],
    }
    schemes = made["components"]["securitySchemes"]
    assert schemes["api_key"] == {**HEADER, "name": "x-api-key"}
    assert schemes["member"] == {
        **HEADER,
        "name": "Authorization",
        "description": "The word of a member.",
        "x-amazon-apigateway-authtype": "custom",
    }
    kinds_of = {name: (each["name"], each.get("x-amazon-apigateway-authtype")) for name, each in schemes.items()}
    assert kinds_of["people"] == ("Authorization", "cognito_user_pools")
    assert kinds_of["sigv4"] == ("Authorization", "awsSigv4")
    assert kinds_of["front_door"] == ("X-Door", "custom")


def test_servers_have_the_stage_and_the_region_of_the_app(app: Chalice, project: Project) -> None:
    app.route("/")(print)
    china, _ = openapi(app, Project(project.root, "prod"), "cn-north-1")["servers"]
    assert china["url"] == "https://{api}.execute-api.{region}.amazonaws.com.cn/v1"
    assert china["variables"]["region"] == {"default": "cn-north-1"}


def test_handlers_of_a_websocket_are_a_channel_and_two_operations(app: Chalice, project: Project) -> None:
    @app.on_ws_connect()
    def arrive(event: object) -> None:
        """Any truck may come."""

    @app.on_ws_message()
    def talk(event: object) -> None:
        """Says the same.

        In capitals.
        """

    made = asyncapi(app, project)
    channel = made["channels"]["websocket"]
    assert channel["description"] == "`$connect`: Any truck may come."
    assert channel["bindings"]["ws"]["method"] == "GET"
    assert list(channel["messages"]) == ["received", "gatewayError", "sent"]
    assert made["operations"]["receive"] == {
        "action": "receive",
        "channel": {"$ref": "#/channels/websocket"},
        "messages": [{"$ref": "#/channels/websocket/messages/received"}],
        "summary": "Says the same.",
        "description": "In capitals.",
    }
    assert [each["$ref"].rpartition("/")[2] for each in made["operations"]["send"]["messages"]] == [
        "gatewayError",
        "sent",
    ]
    assert made["servers"]["deployed"]["host"] == "{api}.execute-api.{region}.amazonaws.com"
    assert made["servers"]["deployed"]["pathname"] == "/api"


def test_an_app_that_takes_no_frames_has_no_operation_for_them(app: Chalice, project: Project) -> None:
    @app.on_ws_disconnect()
    def leave(event: object) -> None: ...

    made = asyncapi(app, project)
    assert list(made["operations"]) == ["send"]
    assert "description" not in made["channels"]["websocket"]


def test_a_domain_of_its_own_is_the_server_of_the_websocket(app: Chalice, project: Project) -> None:
    (project.root / "pyproject.toml").write_text('[tool.sessionplugin]\nwebsocket_domain = "ws.example.com/chat"\n')
    deployed = asyncapi(app, Project(project.root))["servers"]["deployed"]
    assert (deployed["host"], deployed["pathname"], "variables" in deployed) == ("ws.example.com", "/chat", False)
