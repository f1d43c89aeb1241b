"""The @connections API: which request is a call of it, which connection a call names, and the answers.

It knows no connection itself.

Sources: the service model of `apigatewaymanagementapi`, "Use @connections commands in your backend service" in the
developer guide, and captures of real answers.
"""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from pytest_sessionplugin.gateway.core import sigv4
from pytest_sessionplugin.gateway.core.connection import Connection
from pytest_sessionplugin.gateway.core.gateway_responses import TOO_MANY, failure, no_method
from pytest_sessionplugin.gateway.core.routing import MAX_BODY
from pytest_sessionplugin.gateway.values import Api, Manage, Reply, Request, header

MAX_PAYLOAD = 131_072  # bytes

_METHODS = frozenset({"POST", "GET", "DELETE"})


@dataclass(frozen=True)
class Target:
    """A call that is well-formed and allowed: POST, GET or DELETE of one connection."""

    method: str
    connection_id: str


def is_call(request: Request) -> bool:
    """Whether a request to the WebSocket API that asks for no upgrade is meant for this one, rightly or wrongly."""
    return "@connections" in map(unquote, request.path.split("/")) or sigv4.is_signed(request)


def received(request: Request, api: Api, now: float) -> Manage:
    """The call that came over the network. On loopback there is one WebSocket API, the app's own."""
    host = header(request.headers, "host") or ""
    verdict = sigv4.verify(request, api.access_keys, api.region, now)
    if len(request.body) > MAX_BODY:  # nobody has read it to its end, so nobody can say who signed it
        verdict = TOO_LARGE
    return Manage(
        request.method,
        api.host(api.websocket_api_id) if _is_loopback(host) else host,
        request.path,
        request.body,
        verdict if isinstance(verdict, Reply) else None,
    )


def read_call(call: Manage, api: Api) -> Target | Reply:
    """The target of a call, or the answer to a call that cannot have one."""
    if call.host.split(":")[0].lower() != api.host(api.websocket_api_id):
        return failure(403, "Forbidden", "ForbiddenException")
    if call.denied is not None:
        return call.denied
    stage, _, route = call.path.lstrip("/").partition("/")
    if unquote(stage) != api.stage:
        return failure(403, "Forbidden", "ForbiddenException")
    kind, _, connection_id = route.partition("/")
    if unquote(kind) != "@connections" or not connection_id or "/" in connection_id:
        return no_method(call.method, route)
    if call.method not in _METHODS:
        return no_method(call.method, route)
    if call.method == "POST" and len(call.body) > MAX_PAYLOAD:
        return TOO_LARGE
    return Target(call.method, unquote(connection_id))


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


def _is_loopback(host: str) -> bool:
    """`host` as in a header, with a port or without."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        return name.lower() == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _iso(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
