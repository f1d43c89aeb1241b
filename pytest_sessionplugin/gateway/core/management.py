"""The @connections API: tells its calls from other requests, reads the connection they name, and answers.

Sources: the service model of `apigatewaymanagementapi`, "Use @connections commands in your backend service" in the
developer guide, and captures of real answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import unquote

from pytest_sessionplugin.gateway.core import sigv4
from pytest_sessionplugin.gateway.core.connection import Connection
from pytest_sessionplugin.gateway.core.gateway_responses import FORBIDDEN, TOO_MANY, failure, no_method
from pytest_sessionplugin.gateway.core.routing import MAX_BODY
from pytest_sessionplugin.gateway.values import Api, Manage, Reply, Request, header, on_loopback

MAX_PAYLOAD = 131_072  # bytes

_METHODS = frozenset({"POST", "GET", "DELETE"})


@dataclass(frozen=True)
class Target:
    """A well-formed and allowed call: POST, GET or DELETE of one connection."""

    method: str
    connection_id: str


def is_call(request: Request) -> bool:
    """Whether a request to the WebSocket API without an upgrade is meant as a call, well-formed or not."""
    return "@connections" in map(unquote, request.path.split("/")) or sigv4.is_signed(request)


def received(request: Request, api: Api, now: float) -> Manage:
    """A call over the network."""
    verdict = sigv4.verify(request, api.access_keys, api.region, now)
    if len(request.body) > MAX_BODY:  # it was not read to its end, so its signature cannot be checked
        verdict = TOO_LARGE
    return Manage(
        request.method,
        header(request.headers, "host") or "",
        request.path,
        request.body,
        verdict if isinstance(verdict, Reply) else None,
    )


def read_call(call: Manage, api: Api) -> Target | Reply:
    """The target of a call, or the answer to a call without a valid one."""
    if not is_host(call.host, api):
        return _elsewhere(call, api)
    if call.denied is not None:
        return call.denied
    route = _route(call, api)
    if route is None:
        return _elsewhere(call, api)
    kind, _, connection_id = route.partition("/")
    if unquote(kind) != "@connections" or not connection_id or "/" in connection_id:
        return no_method(call.method, route)
    if call.method not in _METHODS:
        return no_method(call.method, route)
    if call.method == "POST" and len(call.body) > MAX_PAYLOAD:
        return TOO_LARGE
    return Target(call.method, unquote(connection_id))


def is_host(host: str, api: Api) -> bool:
    """Whether a host, with or without a port, is that of the WebSocket API. A loopback one stands for any API."""
    names = (api.host(api.websocket_api_id), api.websocket_domain and api.websocket_domain.name)
    return host.partition(":")[0].lower() in names or on_loopback(f"//{host}")


def is_meant(call: Manage, api: Api) -> bool:
    """Whether a call is for this API: host, and stage or base path."""
    return is_host(call.host, api) and _route(call, api) is not None


def _route(call: Manage, api: Api) -> str | None:
    """The path below the stage, or at a domain of the app's own below the base path; None if it is not below it."""
    base = _base(call, api)
    depth = base.count("/") + 1 if base else 0
    parts = call.path.lstrip("/").split("/", depth)
    if unquote("/".join(parts[:depth])) != base:
        return None
    return "".join(parts[depth:])


def _base(call: Manage, api: Api) -> str:
    """The stage, or the base path of a domain of the app's own, without slashes around it."""
    own = api.websocket_domain
    return own.base_path if own is not None and api.websocket_host(call.host) == own.name else api.stage


def _elsewhere(call: Manage, api: Api) -> Reply:
    """A refusal that knows the address, or addresses, of the API; at a host that is right, the one that is meant."""
    scheme = "http" if on_loopback(f"//{call.host}") else "https"
    right = [f"https://{api.host(api.websocket_api_id)}/{api.stage}"]
    if api.websocket_domain is not None:
        right.append(f"https://{api.websocket_domain}")
    if is_host(call.host, api):
        right = [f"{scheme}://{'/'.join(filter(None, (call.host, _base(call, api))))}"]
    asked = f"{scheme}://{call.host}{call.path.partition('/@connections')[0]}"
    return replace(FORBIDDEN, why=f"{asked} is not the WebSocket API of the app, which is {' and '.join(right)}")


TOO_LARGE = failure(413, "Request Too Long", "PayloadTooLargeException")
POSTED = Reply(200)
DELETED = Reply(204)
# The body of a real one is empty: SDKs tell a GoneException by the header alone.
GONE = Reply(410, (("x-amzn-ErrorType", "GoneException"),))
SLOW_READER = TOO_MANY


def described(connection: Connection) -> Reply:
    identity = {"sourceIp": connection.source_ip}
    if connection.user_agent is not None:
        identity["userAgent"] = connection.user_agent
    body = {
        "connectedAt": _iso(connection.connected_at),
        "identity": identity,
        "lastActiveAt": _iso(connection.last_active),
    }
    return Reply(200, (("Content-Type", "application/json"),), json.dumps(body).encode())


def _iso(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
