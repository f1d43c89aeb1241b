"""HTTP answers that API Gateway makes itself, without a function.

Source: "Gateway response types" in the developer guide.
"""

from __future__ import annotations

import json

from pytest_sessionplugin.gateway.values import Reply

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
