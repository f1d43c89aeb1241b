"""HTTP answers that API Gateway makes itself, without a function, and the form that an API may give them.

Source: "Gateway response types" in the developer guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qs

from pytest_sessionplugin.gateway.values import GatewayResponse, Reply, Request, header

WITHOUT_BODY = frozenset({204, 304})
"""Statuses whose answers end with their headers (RFC 9112, 6.3)."""


def failure(status: int, message: str | None, error_type: str | None = None) -> Reply:
    """SDKs tell errors apart by the header `x-amzn-ErrorType`; the body is {"message": …}."""
    headers = [("Content-Type", "application/json")]
    if error_type is not None:
        headers.append(("x-amzn-ErrorType", error_type))
    return Reply(status, tuple(headers), json.dumps({"message": message}).encode())


MISSING_TOKEN = failure(403, "Missing Authentication Token", "MissingAuthenticationTokenException")
TOO_LARGE = failure(413, "Request Too Long", "BadRequestException")
URL_TOO_LONG = failure(413, "Request Entity Too Large")
TOO_MANY = failure(429, "Too Many Requests", "LimitExceededException")
HEADERS_TOO_LARGE = failure(431, "Request Header Fields Too Large")
UNAUTHORIZED = failure(401, "Unauthorized", "UnauthorizedException")
FORBIDDEN = failure(403, "Forbidden", "ForbiddenException")


def no_method(method: str, route: str) -> Reply:
    """The answer to a signed call of an unknown route; `route` has no stage and no leading slash."""
    return failure(404, f"No method found matching route {route} for http method {method}.", "NotFoundException")


# --- the form that an API gives them

_TYPES = {
    "AccessDeniedException": "ACCESS_DENIED",
    "AuthorizerConfigurationException": "AUTHORIZER_CONFIGURATION_ERROR",
    "ForbiddenException": "INVALID_API_KEY",
    "IncompleteSignatureException": "DEFAULT_4XX",  # as of a bearer token where no route is; it has no type of its own
    "InvalidSignatureException": "INVALID_SIGNATURE",
    "MissingAuthenticationTokenException": "MISSING_AUTHENTICATION_TOKEN",
    "NotFoundException": "RESOURCE_NOT_FOUND",
    "UnauthorizedException": "UNAUTHORIZED",
    "UnrecognizedClientException": "DEFAULT_4XX",
    "UnsupportedMediaTypeException": "UNSUPPORTED_MEDIA_TYPE",
}
_VARIABLE = re.compile(r"\$(?:\{(context(?:\.\w+)+)\}|(context(?:\.\w+)+))")


def formed(reply: Reply, request: Request, responses: Mapping[str, GatewayResponse]) -> Reply:
    """The answer in the API's own form. A type without one has that of DEFAULT_4XX or DEFAULT_5XX, whose status, if it
    is set, is that of each type without one.

    What API Gateway refuses before it looks at the API stays as it is: a request that is too large.
    """
    error_type = header(reply.headers, "x-amzn-errortype")
    if error_type is None or reply.status == 413:
        return reply
    family = f"DEFAULT_{reply.status // 100}XX"
    kind = "INTEGRATION_TIMEOUT" if reply.status == 504 else _TYPES.get(error_type, family)
    fallback = responses.get(family, GatewayResponse())
    found = responses.get(kind, fallback)
    headers = {name.lower(): (name, value) for name, value in reply.headers}
    for name, expression in found.headers.items():
        if (value := _value(expression, request)) is not None:
            headers[name.lower()] = (name, value)
    body = reply.body if found.template is None else _filled(found.template, reply, request, kind).encode()
    return Reply(found.status or fallback.status or reply.status, tuple(headers.values()), body, reply.why)


def _value(expression: str, request: Request) -> str | None:
    """The value of a mapping expression; None for one that is absent, whose header is left out."""
    if len(expression) >= 2 and expression[0] == expression[-1] == "'":
        return expression[1:-1]
    source, _, name = expression.rpartition(".")
    match source:
        case "context":
            return request.id if name == "requestId" else None
        case "method.request.header":
            return header(request.headers, name.lower())
        case "method.request.querystring":
            return parse_qs(request.query, keep_blank_values=True).get(name, [None])[0]
    return None


def _filled(template: str, reply: Reply, request: Request, kind: str) -> str:
    message = json.loads(reply.body)
    told = message.get("message", message.get("Message"))
    values = {
        "context.requestId": request.id,
        "context.error.message": told or "",
        "context.error.messageString": json.dumps(told),
        "context.error.responseType": kind,
    }
    return _VARIABLE.sub(lambda found: values.get(found[1] or found[2], ""), template)
