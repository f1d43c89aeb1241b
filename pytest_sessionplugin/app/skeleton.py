"""Skeletons of an app's contracts: the parts that its routes, authorizers and handlers give away, without schemas."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.gateway.values import Api, Authorizer, AuthorizerKind, Route, dns_suffix

if TYPE_CHECKING:
    from chalice.app import Chalice, RouteEntry

API_KEY = "api_key"
"""The security scheme of API keys, by Chalice's name."""

_OPERATIONS = {"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"}
"""Methods that OpenAPI has a word for."""
_WITH_BODY = {"POST", "PUT", "PATCH"}
"""Methods whose requests usually have a body."""
_ANSWER_HEADERS = ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Allow-Credentials")
"""Headers of CORS that a browser reads in an answer; it reads the others in the answer to a preflight."""
_AUTHTYPES = {AuthorizerKind.IAM: "awsSigv4", AuthorizerKind.COGNITO: "cognito_user_pools"}
"""Values of x-amazon-apigateway-authtype; that of a function is `custom`."""


def openapi(app: Chalice, api: Api, title: str) -> dict[str, Any]:
    """OpenAPI 3.1 of its REST API. Any answer of the classes 2XX and 4XX is allowed, and any JSON.

    A preflight is not an operation: API Gateway answers it, and no client calls it. An authorizer that asks for the
    whole request gives no security scheme.
    """
    ids = _operation_ids(app)
    paths: dict[str, Any] = {}
    schemes: dict[str, Any] = {}
    for route in api.routes:
        names = re.findall(r"\{([^}]*)\}", route.path)
        item: dict[str, Any] = {"parameters": list(map(_parameter, names))} if names else {}
        for method, view in app.routes[route.path].items():
            if method in _OPERATIONS:
                schemes.update(_schemes(route, method, view))
                item[method.lower()] = _operation(route, method, view, ids[route.path, method])
        paths[route.path] = item
    host = f"{{api}}.execute-api.{{region}}.{dns_suffix(api.region)}"
    deployed = {"url": f"https://{host}/{api.stage}", "description": "A deployed stage", "variables": _variables(api)}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "0.1.0"},
        "servers": [deployed, {"url": "http://127.0.0.1:8000", "description": "sessionplugin serve"}],
        "paths": paths,
        **({"components": {"securitySchemes": schemes}} if schemes else {}),
    }


def asyncapi(app: Chalice, api: Api, title: str) -> dict[str, Any]:
    """AsyncAPI 3.0 of its WebSocket API: one channel, on which any text is allowed in both directions.

    Chalice puts no authorizer before `$connect`: what the handshake needs is in that function.
    """
    handlers = {key: handler.handler_function for key, handler in app.websocket_handlers.items()}
    told = {key: " ".join(_described(handlers.get(key)).values()) for key in ("$connect", "$disconnect")}
    notes = [f"`{key}`: {text}" for key, text in told.items() if text]
    domain = api.websocket_domain
    deployed = {
        "host": domain.name if domain else f"{{api}}.execute-api.{{region}}.{dns_suffix(api.region)}",
        "pathname": f"/{domain.base_path if domain else api.stage}",
        "protocol": "wss",
        "description": "A deployed stage",
        **({} if domain else {"variables": _variables(api)}),
    }
    messages: dict[str, Any] = {"received": {"summary": "A frame of a client."}} if "$default" in handlers else {}
    messages["gatewayError"] = {
        "summary": "Sent when a function fails.",
        "contentType": "application/json",
        "x-answered-by": "API Gateway",
        "payload": {
            "type": "object",
            "required": ["message", "connectionId", "requestId"],
            "properties": {name: {"type": "string"} for name in ("message", "connectionId", "requestId")},
        },
    }
    messages["sent"] = {"summary": "A frame of the app."}
    channel = {
        "address": "/",
        **({"description": "\n\n".join(notes)} if notes else {}),
        "messages": messages,
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }
    operations: dict[str, Any] = {}
    if "$default" in handlers:
        operations["receive"] = _frames("receive", "received") | _described(handlers["$default"])
    if handlers:
        operations["send"] = _frames("send", "gatewayError", "sent")
    return {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": "0.1.0"},
        "defaultContentType": "text/plain",
        "servers": {
            "deployed": deployed,
            "local": {"host": "127.0.0.1:8001", "protocol": "ws", "description": "sessionplugin serve"},
        },
        "channels": {"websocket": channel},
        "operations": operations,
    }


def _frames(action: str, *messages: str) -> dict[str, Any]:
    channel = "#/channels/websocket"
    references = [{"$ref": f"{channel}/messages/{message}"} for message in messages]
    return {"action": action, "channel": {"$ref": channel}, "messages": references}


def _variables(api: Api) -> dict[str, Any]:
    return {"api": {"default": "abcdef1234"}, "region": {"default": api.region}}


def _described(function: Callable[..., Any] | None) -> dict[str, str]:
    """The first paragraph of a docstring as `summary`, the others as `description`."""
    text = inspect.getdoc(function) if function is not None else None
    first, _, rest = (text or "").partition("\n\n")
    said = {"summary": " ".join(first.split()), "description": rest.strip()}
    return {key: text for key, text in said.items() if text}


# --- OpenAPI


def _operation(route: Route, method: str, view: RouteEntry, id: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": id} if id else {}
    found |= _described(view.view_function)
    if method in _WITH_BODY:
        found["requestBody"] = {"content": {kind: {} for kind in view.content_types or ["*/*"]}}
    found["responses"] = {
        "2XX": _response("Success.", view, always=True),
        "4XX": _response("The request is refused.", view, always=False),  # some by API Gateway, without CORS
    }
    if needed := _needed(route, method):
        found["security"] = [needed]
    return found


def _operation_ids(app: Chalice) -> dict[tuple[str, str], str | None]:
    """The name of the function by path and method; with the method if others have it; none if that is not unique."""
    views = {(path, method): view for path, methods in app.routes.items() for method, view in methods.items()}
    names = {key: view.view_name for key, view in views.items()}
    longer = {key: f"{name}_{key[1].lower()}" for key, name in names.items()}
    times = Counter(names.values())
    chosen = {key: name if times[name] == 1 else longer[key] for key, name in names.items()}
    times = Counter(chosen.values())
    return {key: name if times[name] == 1 else None for key, name in chosen.items()}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _response(description: str, view: RouteEntry, *, always: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"description": description}
    allowed = view.cors.get_access_control_headers() if view.cors is not None else {}
    if headers := {name: _header(allowed[name], always=always) for name in _ANSWER_HEADERS if name in allowed}:
        found["headers"] = headers
    return found | {"content": {"*/*": {}}}


def _header(value: object, *, always: bool) -> dict[str, Any]:
    return {**({"required": True} if always else {}), "schema": {"type": "string"}, "example": str(value)}


# --- security


def _needed(route: Route, method: str) -> dict[str, list[str]]:
    """The security schemes of a method, all of which a request needs, with their scopes."""
    found: dict[str, list[str]] = {}
    authorizer = route.authorizers.get(method)
    if authorizer is not None and authorizer.header is not None:
        found[_key(authorizer)] = list(authorizer.scopes)
    if method in route.keyed:
        found[API_KEY] = []
    return found


def _schemes(route: Route, method: str, view: RouteEntry) -> Mapping[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    authorizer = route.authorizers.get(method)
    if authorizer is not None and authorizer.header is not None:
        described = _described(getattr(view.authorizer, "func", None)).values()
        found[_key(authorizer)] = {
            "type": "apiKey",
            "in": "header",
            "name": authorizer.header,
            "description": " ".join(described) or _SAID[authorizer.kind],
            "x-amazon-apigateway-authtype": _AUTHTYPES.get(authorizer.kind, "custom"),
        }
    if method in route.keyed:
        found[API_KEY] = {"type": "apiKey", "in": "header", "name": "x-api-key"}
    return found


_SAID = {
    AuthorizerKind.BUILT_IN: "A credential that a function of the app checks.",
    AuthorizerKind.CUSTOM: "A credential that another function checks.",
    AuthorizerKind.COGNITO: "A token of an Amazon Cognito user pool.",
    AuthorizerKind.IAM: "An AWS Signature, version 4.",
}


def _key(authorizer: Authorizer) -> str:
    """The name of an authorizer with the letters that OpenAPI takes in one."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", authorizer.name)
