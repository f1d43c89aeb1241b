"""Problems: refusals and bugs as HTTP tells them, by a status and RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chalicelib import errors, jsontext
from chalicelib.errors import SessionsError
from chalicelib.http import Reply

STATUSES: Final[Mapping[type[SessionsError], tuple[int, str]]] = {
    errors.InvalidRequest: (400, "Invalid request"),
    errors.Unauthenticated: (401, "Not authenticated"),
    errors.NotOwner: (403, "Not the owner"),
    errors.Banned: (403, "Banned"),
    errors.OriginRefused: (403, "Origin refused"),
    errors.SessionNotFound: (404, "No such session"),
    errors.SessionOver: (410, "Session ended"),
    errors.SessionEnded: (409, "Session ended"),
    errors.SessionPaused: (409, "Session paused"),
    errors.NotDurable: (409, "Session not durable"),
    errors.Duplicate: (409, "Connected already"),
    errors.SessionFull: (409, "Session full"),
    errors.VersionMismatch: (412, "Version mismatch"),
    errors.TooLarge: (413, "Too large"),
    errors.UnsupportedMediaType: (415, "Unsupported media type"),
    errors.IdempotencyMismatch: (422, "Idempotency-Key used before"),
    errors.RateLimited: (429, "Too fast"),
    errors.Unavailable: (503, "Unavailable"),
}
BUG: Final = (500, "Internal error")


def reply(error: Exception, request_id: str) -> Reply:
    """RFC 9457 problem details: tell a refusal, and nothing about a bug."""
    status, title = _meaning(error)
    code, detail = "internal_error", "Something went wrong here, and was logged."
    if isinstance(error, SessionsError) and (status, title) != BUG:
        code, detail = error.code, error.detail
    body = {
        "type": f"{errors.CATALOGUE}{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "requestId": request_id,
    }
    headers = {"Content-Type": "application/problem+json"}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, errors.TryAgain):
        headers["Retry-After"] = str(error.wait(request_id))
    return Reply(status, jsontext.compact(body), headers)


def handshake_status(error: Exception) -> int:
    """The status that refuses a handshake, which is all that API Gateway passes on."""
    return _meaning(error)[0]


def _meaning(error: Exception) -> tuple[int, str]:
    return next((meaning for kind, meaning in STATUSES.items() if isinstance(error, kind)), BUG)
