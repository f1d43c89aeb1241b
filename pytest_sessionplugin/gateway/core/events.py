"""The events that API Gateway gives to Lambda functions.

Sources: "Input format of a Lambda function for proxy integration" and "WebSocket API mapping template reference" in
the developer guide, and captures of real CONNECT, MESSAGE and DISCONNECT events.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from pytest_sessionplugin.gateway.core.connection import Connection
from pytest_sessionplugin.gateway.core.sigv4 import ALGORITHM
from pytest_sessionplugin.gateway.values import Api, Handshake, Headers, Request, header

Event = dict[str, Any]

# Headers of one hop or of the body on it, and those that API Gateway sets itself.
_DROPPED = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-amzn-trace-id",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
    }
)

# A REST API also drops these: "Amazon API Gateway important notes".
_DROPPED_BY_REST = frozenset(
    {"content-md5", "expect", "max-forwards", "proxy-authenticate", "server", "www-authenticate"}
)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

IDENTITY = (
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)


def rest_event(
    api: Api,
    request: Request,
    *,
    resource: str,
    path: str,
    parameters: dict[str, str],
    extended_id: str,
    now: float,
    authorizer: Mapping[str, Any] | None = None,
    identity: Mapping[str, str] | None = None,
) -> Event:
    """`resource` is the template of the route, `path` the path without the stage, still percent-encoded.

    `authorizer` is the context from the route's authorizer, `identity` the fields of IDENTITY from IAM, with an API
    key.
    """
    given = tuple(pair for pair in request.headers if not _is_dropped_by_rest(*pair))
    headers = forwarded(given, request.source_ip, request.id, now)
    query = parse_qsl(request.query, keep_blank_values=True)
    body, is_base64 = _body(request, api)
    return {
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": single(headers),
        "multiValueHeaders": multiple(headers),
        "queryStringParameters": single(query) or None,
        "multiValueQueryStringParameters": multiple(query) or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "r3s0rc",
            "resourcePath": resource,
            "httpMethod": request.method,
            "extendedRequestId": extended_id,
            "requestTime": clf(now),
            "path": f"/{api.stage}{path}",
            "accountId": api.account_id,
            "protocol": "HTTP/1.1",
            "stage": api.stage,
            "domainPrefix": api.rest_api_id,
            "requestTimeEpoch": milliseconds(now),
            "requestId": request.id,
            "identity": {
                **dict.fromkeys(IDENTITY),
                **(identity or {}),
                "sourceIp": request.source_ip,
                "userAgent": header(request.headers, "user-agent"),
            },
            "domainName": api.host(api.rest_api_id),
            "apiId": api.rest_api_id,
            **({} if authorizer is None else {"authorizer": dict(authorizer)}),
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


def connect_event(api: Api, connection: Connection, handshake: Handshake, request_id: str, now: float) -> Event:
    """The two query keys are absent when there is no query string (REST has null)."""
    headers = forwarded(handshake.headers, handshake.source_ip, request_id, now)
    event: Event = {"headers": single(headers), "multiValueHeaders": multiple(headers)}
    if query := parse_qsl(handshake.query, keep_blank_values=True):
        event["queryStringParameters"] = single(query)
        event["multiValueQueryStringParameters"] = multiple(query)
    event["requestContext"] = _context(api, connection, "$connect", "CONNECT", request_id, now)
    event["isBase64Encoded"] = False
    return event


def message_event(api: Api, connection: Connection, text: str, request_id: str, message_id: str, now: float) -> Event:
    context = _context(api, connection, "$default", "MESSAGE", request_id, now)
    context["messageId"] = message_id
    return {"requestContext": context, "body": text, "isBase64Encoded": False}


def disconnect_event(api: Api, connection: Connection, code: int, reason: str, request_id: str, now: float) -> Event:
    context = _context(api, connection, "$disconnect", "DISCONNECT", request_id, now)
    context["disconnectStatusCode"] = code
    context["disconnectReason"] = reason
    headers = {
        "Host": connection.host,
        "x-api-key": "",
        "X-Forwarded-For": connection.source_ip,
        "x-restapi": "",
    }
    return {
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "requestContext": context,
        "isBase64Encoded": False,
    }


def _context(api: Api, connection: Connection, route_key: str, event_type: str, request_id: str, now: float) -> Event:
    identity = {"sourceIp": connection.source_ip}
    if connection.user_agent is not None:
        identity["userAgent"] = connection.user_agent
    return {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": request_id,
        "requestTime": clf(now),
        "messageDirection": "IN",
        "stage": api.stage,
        "connectedAt": milliseconds(connection.connected_at),
        "requestTimeEpoch": milliseconds(now),
        "identity": identity,
        "requestId": request_id,
        "domainName": connection.host,
        "connectionId": connection.id,
        "apiId": api.websocket_api_id,
    }


def _body(request: Request, api: Api) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    if is_binary(header(request.headers, "content-type"), api):
        return base64.b64encode(request.body).decode(), True
    return request.body.decode(errors="replace"), False


def is_binary(content_type: str | None, api: Api) -> bool:
    """Whether the media type, without its parameters, is one of the API's binary types."""
    media_type = (content_type or "").split(";")[0].strip().lower()
    return media_type in api.binary_types or "*/*" in api.binary_types


def _is_dropped_by_rest(name: str, value: str) -> bool:
    """Whether a REST API drops a header; a signature is for API Gateway alone."""
    name = name.lower()
    return name in _DROPPED_BY_REST or (name == "authorization" and value.strip().startswith(ALGORITHM))


def forwarded(headers: Headers, source_ip: str, request_id: str, now: float) -> Headers:
    """The client's headers in its own spelling, without hop-by-hop headers, with those that API Gateway adds."""
    kept = (pair for pair in headers if pair[0].lower() not in _DROPPED)
    hops = [value for name, value in headers if name.lower() == "x-forwarded-for"]
    return (
        *kept,
        ("X-Amzn-Trace-Id", f"Root=1-{int(now):08x}-{request_id.encode().hex():0<24.24}"),
        ("X-Forwarded-For", ", ".join([*hops, source_ip])),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    )


def single(pairs: Headers | list[tuple[str, str]]) -> dict[str, str]:
    """The last value of each name."""
    return dict(pairs)


def multiple(pairs: Headers | list[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def milliseconds(now: float) -> int:
    return round(now * 1000)


def clf(now: float) -> str:
    """The time in the common log format: 16/Mar/2025:00:46:22 +0000. The second is that of its milliseconds."""
    at = datetime.fromtimestamp(milliseconds(now) // 1000, UTC)
    day, time = f"{at.day:02}/{_MONTHS[at.month - 1]}/{at.year}", f"{at.hour:02}:{at.minute:02}:{at.second:02}"
    return f"{day}:{time} +0000"
