"""Everything that a contract lacks of its app, and what it has that the app lacks. What is written in it stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.contract import merge
from pytest_sessionplugin.contract.edits import Addition, applied
from pytest_sessionplugin.contract.merge import Merge
from pytest_sessionplugin.errors import ContractError
from tests.contract.files import opened

ANY: dict[str, Any] = {"2XX": {"description": "Success."}, "4XX": {"description": "Refused."}}
WITH_CORS = {**ANY, "2XX": {"description": "Success.", "headers": {"Access-Control-Allow-Origin": {}}}}
MEMBER: dict[str, Any] = {"type": "apiKey", "in": "header", "name": "Authorization"}
KEY: dict[str, Any] = {"type": "apiKey", "in": "header", "name": "x-api-key"}

FILE = """
openapi: 3.1.0
paths:
  /rooms/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      operationId: room
      summary: A room.
      responses: {"200": {description: the room}}
"""
BARE = "openapi: 3.1.0\npaths:\n  /:\n    get: {summary: all, responses: {default: {description: any}}%s}\n%s"

ROOM = ("paths", "/rooms/{id}")


def app(path: str = "/rooms/{name}", method: str = "get", **operation: Any) -> dict[str, Any]:
    """The skeleton of an app with one route."""
    return {
        "paths": {path: {method: {"responses": ANY, **operation}}},
        "components": {"securitySchemes": {"member": MEMBER, "api_key": KEY}},
    }


def guarded(**needed: list[str]) -> dict[str, Any]:
    return app("/", security=[needed])


def compared(folder: Path, text: str, skeleton: dict[str, Any], **others: str) -> Merge:
    """The comparison. With its additions, the file lacks nothing more."""
    compare = merge.asyncapi if "asyncapi:" in text else merge.openapi
    root = opened(folder, text, **others)
    found = compare(root, skeleton)
    again = compare(opened(folder, json.dumps(applied(root.value, found.additions))), skeleton)
    assert (again.additions, again.by_hand, again.gone) == ([], found.by_hand, found.gone)
    return found


# --- OpenAPI: operations


def test_a_whole_file_lacks_nothing_whatever_it_calls_its_parameters(tmp_path: Path) -> None:
    assert compared(tmp_path, FILE, app(operationId="other", summary="Another text.")) == Merge()


def test_a_path_and_a_method_that_are_new_are_added(tmp_path: Path) -> None:
    skeleton = app(method="put")
    skeleton["paths"]["/"] = {"get": {"responses": ANY}, "post": {"responses": ANY}}
    found = compared(tmp_path, FILE, skeleton)
    assert found.additions == [
        Addition((*ROOM, "put"), {"responses": ANY}),
        Addition(("paths", "/"), skeleton["paths"]["/"]),
    ]
    assert found.added == ["PUT /rooms/{id}", "GET /, POST /"]
    assert found.gone == ["GET /rooms/{id}"]


def test_paths_without_a_value_take_some(tmp_path: Path) -> None:
    [addition] = compared(tmp_path, "openapi: 3.0.3\npaths:\n", app("/")).additions
    assert addition.path == ("paths", "/")


def test_a_preflight_in_the_file_is_that_of_a_route_with_cors(tmp_path: Path) -> None:
    text = FILE + "    options: {responses: {default: {description: any}}}\n"
    assert compared(tmp_path, text, app()).gone == ["OPTIONS /rooms/{id}"]
    assert compared(tmp_path, text, app(responses=WITH_CORS)).gone == []


def test_path_parameters_are_added_where_they_are_in_no_list(tmp_path: Path) -> None:
    text = """
openapi: 3.1.0
paths:
  /{a}/{b}/{c}:
    get: {responses: {}, summary: x, parameters: [{$ref: "#/components/parameters/b"}, {name: c, in: path}]}
    put: {responses: {}, summary: x, parameters: [{name: b, in: path}]}
  /{d}/x/{e}:
    parameters: [{name: d, in: query}]
    get: {responses: {}, summary: x}
components: {parameters: {b: {name: b, in: path}}}
"""
    skeleton = app("/{a}/{b}/{c}")
    skeleton["paths"]["/{a}/{b}/{c}"]["put"] = {"responses": ANY}
    skeleton["paths"]["/{d}/x/{e}"] = {"get": {"responses": ANY}}
    found = compared(tmp_path, text, skeleton)
    names = {addition.path: addition.value for addition in found.additions}
    assert [each["name"] for each in names["paths", "/{a}/{b}/{c}", "parameters"]] == ["a", "c"]
    appended = [each.value["name"] for each in found.additions if each.path[-1] == "-"]
    assert appended == ["d", "e"]
    assert found.added[0] == "/{a}/{b}/{c}: the path parameter a"


def test_a_docstring_is_added_to_an_operation_that_nobody_has_described(tmp_path: Path) -> None:
    text = BARE.replace("summary: all, ", "") % ("", "")
    found = compared(tmp_path, text, app("/", summary="All.", description="Even more."))
    assert [each.path[-1] for each in found.additions] == ["summary", "description"]
    assert compared(tmp_path, text.replace("{resp", "{description: mine, resp"), app("/", summary="All.")) == Merge()


@pytest.mark.parametrize(
    ("content", "lacks"),
    [
        ("image/png: {}", ["text/csv"]),
        ("image/png: {}, text/*: {}", []),
        ('"*/*": {}', []),
        (None, []),  # somebody has decided that it takes no body
    ],
)
def test_content_types_that_a_route_names_are_added_to_a_body(
    tmp_path: Path, content: str | None, lacks: list[str]
) -> None:
    text = BARE % (f", requestBody: {{content: {{{content}}}}}" if content else "", "")
    found = compared(tmp_path, text, app("/", requestBody={"content": {"image/png": {}, "text/csv": {}}}))
    assert [each.path[-1] for each in found.additions] == lacks


def test_the_usual_content_type_need_not_be_in_a_body(tmp_path: Path) -> None:
    text = BARE % (", requestBody: {content: {application/merge-patch+json: {}}}", "")
    assert compared(tmp_path, text, app("/", requestBody={"content": {"application/json": {}}})) == Merge()


def test_an_id_that_another_operation_has_gets_the_method(tmp_path: Path) -> None:
    found = compared(tmp_path, FILE, {**app(), "paths": app()["paths"] | app("/", operationId="room")["paths"]})
    assert found.additions[0].value["get"]["operationId"] == "room_get"
    text = (
        FILE.replace("responses:", "links: {}\n      responses:") + "    put: {operationId: room_get, responses: {}}\n"
    )
    skeleton = {"paths": app(method="put")["paths"] | app("/", operationId="room")["paths"]}
    assert "operationId" not in merge.openapi(opened(tmp_path, text), skeleton).additions[-1].value["get"]


# --- OpenAPI: security


def test_a_scheme_is_added_with_the_operation_that_needs_it(tmp_path: Path) -> None:
    found = compared(tmp_path, BARE % ("", ""), guarded(member=["read"], api_key=[]))
    assert found.additions == [
        Addition(("components",), {"securitySchemes": {"member": MEMBER, "api_key": KEY}}),
        Addition(("paths", "/", "get", "security"), [{"member": ["read"], "api_key": []}]),
    ]
    assert found.added == [
        "the security scheme member",
        "the security scheme api_key",
        "GET /: security by member and api_key",
    ]


def test_in_openapi_3_0_a_header_has_no_scopes(tmp_path: Path) -> None:
    text = (BARE % ("", "")).replace("3.1.0", "3.0.3")
    assert compared(tmp_path, text, guarded(member=["read"])).additions[-1].value == [{"member": []}]


@pytest.mark.parametrize(
    "scheme",
    ["{type: http, scheme: bearer}", "{type: oauth2, flows: {}}", "{type: apiKey, in: header, name: authorization}"],
)
def test_a_scheme_for_the_same_header_is_the_authorizers(tmp_path: Path, scheme: str) -> None:
    components = f"components: {{securitySchemes: {{token: {scheme}}}}}\n"
    assert compared(tmp_path, BARE % (", security: [token: []]", components), guarded(member=[])) == Merge()
    assert compared(tmp_path, BARE % ("", f"{components}security: [token: []]\n"), guarded(member=[])) == Merge()
    [addition] = compared(tmp_path, BARE % ("", components), guarded(member=[])).additions
    assert addition.value == [{"token": []}]


@pytest.mark.parametrize(
    ("theirs", "is_same"),
    [
        ("{type: http, scheme: bearer}", False),
        ("{type: apiKey, in: header, name: Authorization, x-amazon-apigateway-authtype: custom}", False),
        ("{type: apiKey, in: header, name: Authorization, x-amazon-apigateway-authtype: awsSigv4}", True),
        ("{type: apiKey, in: header, name: Authorization}", True),
    ],
)
def test_a_signature_is_no_token(tmp_path: Path, theirs: str, is_same: bool) -> None:
    text = BARE % (", security: [mine: []]", f"components: {{securitySchemes: {{mine: {theirs}}}}}\n")
    skeleton = guarded(sigv4=[])
    skeleton["components"]["securitySchemes"] = {
        "sigv4": {**MEMBER, "x-amazon-apigateway-authtype": "awsSigv4"},
        "member": {**MEMBER, "x-amazon-apigateway-authtype": "custom"},
    }
    assert (compared(tmp_path, text, skeleton) == Merge()) is is_same
    signed = "awsSigv4" in theirs
    skeleton["paths"] = guarded(member=[])["paths"]
    assert (compared(tmp_path, text, skeleton) == Merge()) is not signed


def test_each_alternative_needs_the_credential(tmp_path: Path) -> None:
    components = "components: {securitySchemes: {token: {type: http, scheme: bearer}, api_key: {type: mutualTLS}}}\n"
    text = BARE % (", security: [{token: []}, {api_key: []}, {lost: []}]", components)
    found = compared(tmp_path, text, guarded(member=[], api_key=[]))
    at = ("paths", "/", "get", "security")
    assert [each.path for each in found.additions[1:]] == [
        (*at, "0", "api_key-x-api-key"),
        (*at, "1", "token"),
        (*at, "1", "api_key-x-api-key"),
        (*at, "2", "token"),
        (*at, "2", "api_key-x-api-key"),
    ]


def test_the_security_of_all_operations_is_extended_for_the_one_alone(tmp_path: Path) -> None:
    components = "components: {securitySchemes: {token: {type: http, scheme: bearer}}}\nsecurity: [token: []]\n"
    found = compared(tmp_path, BARE % ("", components), guarded(member=[], api_key=[]))
    assert found.additions == [
        Addition(("components", "securitySchemes", "api_key"), KEY),
        Addition(("paths", "/", "get", "security"), [{"token": [], "api_key": []}]),
    ]


@pytest.mark.parametrize("security", ["[]", "[{}]", "[{token: []}, {}]"])
def test_a_route_that_the_file_opens_to_all_is_told(tmp_path: Path, security: str) -> None:
    text = BARE % (f", security: {security}", "")
    found = compared(tmp_path, text, guarded(member=[]))
    assert found.by_hand == ["GET / needs member in the app, and its `security` in the file lets all pass"]


# --- OpenAPI: files


def test_a_path_in_another_file_is_compared_and_not_changed(tmp_path: Path) -> None:
    text = 'openapi: 3.1.0\npaths: {/: {$ref: "root.yaml#/path"}}\n'
    root = "path: {get: {summary: all, responses: {}}}"
    assert compared(tmp_path, text, app("/"), root=root) == Merge()
    assert compared(tmp_path, text, app("/", "put"), root=root).by_hand == ["PUT /, which belongs into root.yaml#/path"]


def test_a_path_that_is_a_reference_within_the_file_is_changed_where_it_is(tmp_path: Path) -> None:
    text = 'openapi: 3.1.0\npaths: {/: {$ref: "#/components/pathItems/all"}}\ncomponents: {pathItems: {all: {}}}\n'
    [addition] = compared(tmp_path, text, app("/")).additions
    assert addition.path == ("components", "pathItems", "all", "get")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"api\.yaml#: `openapi` must be a version 3\.0 or 3\.1"):
        merge.openapi(opened(tmp_path, "swagger: '2.0'"), app())
    with pytest.raises(ContractError, match=r"api\.yaml#: `asyncapi` must be a version 3\.0"):
        merge.asyncapi(opened(tmp_path, "asyncapi: 2.6.0"), CHAT)


# --- AsyncAPI

CHANNEL = {"address": "/", "description": "Any may.", "messages": {"received": {}, "gatewayError": {}, "sent": {}}}


def frames(action: str, *messages: str) -> dict[str, Any]:
    references = [{"$ref": f"#/channels/websocket/messages/{name}"} for name in messages]
    return {"action": action, "channel": {"$ref": "#/channels/websocket"}, "messages": references}


CHAT: dict[str, Any] = {
    "channels": {"websocket": CHANNEL},
    "operations": {
        "receive": {**frames("receive", "received"), "summary": "Says the same."},
        "send": frames("send", "gatewayError", "sent"),
    },
}


def test_a_channel_and_operations_are_added(tmp_path: Path) -> None:
    found = compared(tmp_path, "asyncapi: 3.0.0\n", CHAT)
    assert found.additions == [
        Addition(("channels",), {"websocket": CHANNEL}),
        Addition(("operations",), CHAT["operations"]),
    ]
    assert found.added == ["the channel websocket", "an operation to receive", "an operation to send"]


def test_a_channel_that_is_there_gets_messages_if_it_has_none(tmp_path: Path) -> None:
    found = compared(tmp_path, "asyncapi: 3.0.0\nchannels: {room/a: {title: mine}}\n", CHAT)
    assert [each.path for each in found.additions] == [("channels", "room/a", "messages"), ("operations",)]
    operation = found.additions[1].value["receive"]
    assert operation["messages"] == [{"$ref": "#/channels/room~1a/messages/received"}]


def test_an_operation_is_for_all_messages_that_a_channel_has(tmp_path: Path) -> None:
    text = "asyncapi: 3.0.0\nchannels: {room: {title: mine, messages: {hi: {}}}}\n"
    [addition] = compared(tmp_path, text, CHAT).additions
    assert addition.value["send"] == {"action": "send", "channel": {"$ref": "#/channels/room"}}


def test_a_reply_is_sent_and_docstrings_are_added_to_what_nobody_has_described(tmp_path: Path) -> None:
    text = """
asyncapi: 3.0.0
channels: {room: {messages: {hi: {}}}}
operations: {hi: {action: receive, channel: {$ref: "#/channels/room"}, reply: {messages: []}}}
"""
    found = compared(tmp_path, text, CHAT)
    assert found.additions == [
        Addition(("channels", "room", "description"), "Any may."),
        Addition(("operations", "hi", "summary"), "Says the same."),
    ]


def test_operations_of_frames_that_the_app_does_not_take_are_gone(tmp_path: Path) -> None:
    text = "asyncapi: 3.0.0\nchannels: {room: {title: x, messages: {hi: {}}}}\noperations: {hi: {action: receive}}\n"
    skeleton = {**CHAT, "operations": {"send": CHAT["operations"]["send"]}}
    assert compared(tmp_path, text, skeleton).gone == ["operation hi"]


def test_a_channel_in_another_file_is_told(tmp_path: Path) -> None:
    text = 'asyncapi: 3.0.0\nchannels: {room: {$ref: "room.yaml"}}\n'
    found = compared(tmp_path, text, CHAT, room="{title: mine}")
    assert found.by_hand == [
        "an operation to receive, whose channel is in another file",
        "an operation to send, whose channel is in another file",
    ]
