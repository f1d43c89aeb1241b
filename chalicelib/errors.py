"""All refusals as one tree of errors. Attributes carry the evidence; HTTP statuses are in `http`."""

from __future__ import annotations

import math
import zlib
from datetime import timedelta
from typing import Final

CATALOGUE: Final = "https://sessions.example/docs/errors.html#"
"""The rendered docs/errors.md, with an entry for each code. The host is made up until a team publishes the page."""
RETRY_SPREAD: Final = 5  # seconds over which requests that were refused at once come back


class SessionsError(Exception):
    """A refused request. Clients act on `code`; the message is for people."""

    code = "internal_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def is_refusal(error: BaseException) -> bool:
    """Whether a client caused the error or has to wait; any other error is a bug of ours."""
    return isinstance(error, SessionsError) and error.code != SessionsError.code


def code_of(error: BaseException) -> str:
    """The code of a refusal, or `internal_error` for a bug."""
    return error.code if isinstance(error, SessionsError) else SessionsError.code


class InvalidRequest(SessionsError):
    """The request does not follow the protocol. The detail names the part."""

    code = "invalid_request"


class TooLarge(SessionsError):
    """The request has `size` bytes; `limit` are accepted."""

    code = "too_large"

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(f"{what} has {size} bytes; at most {limit} are taken.")
        self.size = size
        self.limit = limit


class UnsupportedMediaType(SessionsError):
    code = "unsupported_media_type"

    def __init__(self, content_type: str, accepted: tuple[str, ...]) -> None:
        super().__init__(f"Send the body as {' or '.join(accepted)}.")
        self.content_type = content_type
        self.accepted = accepted


class Unauthenticated(SessionsError):
    """The credential is missing or invalid. The detail never contains it."""

    code = "unauthenticated"


class NotOwner(SessionsError):
    code = "not_owner"

    def __init__(self, session_id: str, subject: str) -> None:
        super().__init__("Only the owner of the session may do this.")
        self.session_id = session_id
        self.subject = subject


class OriginRefused(SessionsError):
    """A browser opened a socket from a page that is not on the allow-list."""

    code = "origin_refused"

    def __init__(self, origin: str) -> None:
        super().__init__("Pages of this origin may not connect; the service's ALLOWED_ORIGINS lists those that may.")
        self.origin = origin


class SessionNotFound(SessionsError):
    code = "session_not_found"

    def __init__(self, session_id: str) -> None:
        super().__init__("No session has this id.")
        self.session_id = session_id


class SessionEnded(SessionsError):
    code = "session_ended"

    def __init__(self, session_id: str) -> None:
        super().__init__("The session has ended, and an ended session never changes.")
        self.session_id = session_id


class SessionOver(SessionEnded):
    """Somebody wants to come into a session that has ended."""


class SessionPaused(SessionsError):
    code = "session_paused"

    def __init__(self, session_id: str) -> None:
        super().__init__("The session is paused; nothing is published until its owner resumes it.")
        self.session_id = session_id


class NotDurable(SessionsError):
    """The request needs events that are kept."""

    code = "not_durable"

    def __init__(self, session_id: str) -> None:
        super().__init__("The session does not keep its events: it was created without durable.")
        self.session_id = session_id


class NoPresence(SessionsError):
    """The session does not tell who is in."""

    code = "no_presence"

    def __init__(self, session_id: str) -> None:
        super().__init__("The session does not tell who is in: it was created without presence.")
        self.session_id = session_id


class VersionMismatch(SessionsError):
    code = "version_mismatch"

    def __init__(self, session_id: str, version: int) -> None:
        super().__init__(f"The session is at version {version}; read it again before you change it.")
        self.session_id = session_id
        self.version = version


class NotAllowed(SessionsError):
    """The role of a connection does not allow its action."""

    code = "not_allowed"

    def __init__(self, action: str, role: str) -> None:
        super().__init__(f"A {role} may not {action}.")
        self.action = action
        self.role = role


class Banned(SessionsError):
    """The owner keeps the subject out for a while."""

    code = "banned"

    def __init__(self, session_id: str, until: str) -> None:
        super().__init__(f"The owner of the session keeps this subject out until {until}.")
        self.session_id = session_id
        self.until = until


class Duplicate(SessionsError):
    """The session takes one connection of a subject."""

    code = "duplicate"

    def __init__(self, session_id: str) -> None:
        super().__init__("The session takes one connection of a subject, and there is another.")
        self.session_id = session_id


class SessionFull(SessionsError):
    code = "session_full"

    def __init__(self, session_id: str, limit: int) -> None:
        super().__init__(f"The session takes at most {limit} connections.")
        self.session_id = session_id
        self.limit = limit


class IdempotencyMismatch(SessionsError):
    code = "idempotency_mismatch"

    def __init__(self, key: str) -> None:
        super().__init__("This key was used for another request; use a new key for each request.")
        self.key = key


class NotConnected(SessionsError):
    """The connection gets a last frame and is closed. `reconnect` says when its client may come back: `now`, `never`,
    or `after` so many seconds."""

    reconnect = "now"
    after: timedelta | None = None

    def __init__(self, detail: str, connection_id: str) -> None:
        super().__init__(detail)
        self.connection_id = connection_id


class ConnectionNotFound(NotConnected):
    """A frame arrived on a socket without a row: it was swept, or never admitted."""

    code = "connection_not_found"

    def __init__(self, connection_id: str) -> None:
        super().__init__("This connection is not in a session; connect again.", connection_id)


class TokenExpired(NotConnected):
    """The token that opened the socket has expired."""

    code = "token_expired"

    def __init__(self, connection_id: str) -> None:
        super().__init__(
            "The token that opened this connection has expired; connect again with a new one.", connection_id
        )


class Kicked(NotConnected):
    """The owner closed the connections of the subject, or keeps it out."""

    code = "kicked"
    reconnect = "never"

    def __init__(self, connection_id: str) -> None:
        super().__init__("The owner of the session has closed this connection.", connection_id)


class Replaced(NotConnected):
    """Another connection of the subject has taken the place of this one."""

    code = "replaced"
    reconnect = "never"

    def __init__(self, connection_id: str) -> None:
        super().__init__("Another connection of this subject has taken the place of this one.", connection_id)


class TooFast(NotConnected):
    """Frames come far faster than the connection's rate, though they are refused."""

    code = "rate_limited"
    reconnect = "after"

    def __init__(self, connection_id: str, after: timedelta) -> None:
        super().__init__("Frames came far too fast, and went on coming.", connection_id)
        self.after = after


class TryAgain(SessionsError):
    """The same request may succeed after a while, of which `retry_after` is the least in seconds."""

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after

    def wait(self, request_id: str) -> int:
        """The seconds that this request is to wait, spread by its id: not all come back in the same moment."""
        return self.retry_after + zlib.crc32(request_id.encode()) % RETRY_SPREAD


class RateLimited(TryAgain):
    """Frames or messages come faster than the rate of their connection or session. `after` is the least wait."""

    code = "rate_limited"

    def __init__(self, after: timedelta) -> None:
        super().__init__("This comes too fast; slow down, and try again.", max(1, math.ceil(after.total_seconds())))
        self.after = after


class Unavailable(TryAgain):
    """A part that the service needs did not answer in time."""

    code = "unavailable"

    def __init__(self, what: str, retry_after: int = 1) -> None:
        super().__init__(f"{what} did not answer in time; try again.", retry_after)
        self.what = what


class IllegalTransition(SessionsError):
    """A bug: a transition that a session's state machine does not have."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__(f"A session cannot go from {before} to {after}.")
        self.before = before
        self.after = after


class SettingsError(Exception):
    """Settings are missing or weak. `problems` has a sentence for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems
