"""WebSocket handshakes: which of them reach $connect, and the HTTP answer to one that is refused."""

from __future__ import annotations

import http

from .replies import HEADERS_TOO_LARGE, TOO_MANY, URL_TOO_LONG, WITHOUT_BODY, failure
from .rest import MAX_HEADERS
from .results import Answer, Fault, ProxyResult
from .values import Api, Handshake, Reply

MAX_URL = 4_096  # characters of path and query


def refuse_early(handshake: Handshake, api: Api) -> Reply | None:
    """The answer to a handshake that reaches no API. Both / and /{stage} do: locally and deployed."""
    if handshake.throttled:
        return TOO_MANY
    if len(handshake.path) + len(handshake.query) > MAX_URL:
        return URL_TOO_LONG
    if sum(len(value) for _, value in handshake.headers) > MAX_HEADERS:
        return HEADERS_TOO_LARGE
    if handshake.path.removesuffix("/") not in ("", f"/{api.stage}"):
        return failure(403, "Forbidden", "ForbiddenException")
    return None


def refusal(answer: Answer) -> Reply:
    """The status that the function chose; 502 if it broke, 504 if it took too long.

    Only the status is documented: the headers and the body that the function returned are dropped.
    """
    if isinstance(answer, ProxyResult):
        reply = failure(answer.status, _phrase(answer.status))
        return Reply(reply.status) if reply.status in WITHOUT_BODY else reply
    if answer is Fault.LATE:
        return failure(504, "Endpoint request timed out")
    return failure(502, "Internal server error")


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return str(status)
