"""The answers that the service promises, as pure functions of who asks for what, and when. They know no code of it."""

from __future__ import annotations

from typing import Any

VIEWERS = {"viewer", "silenced", "guest viewer"}  # by the session's rule, by the owner's word, by a ticket
GUESTS = {"guest", "guest viewer"}
ROWLESS = {"kicked", "replaced", "forgotten"}  # could not be told and closed, and have no rows any more
SHOWN = {"expired": "ended"}  # as clients are told a status


def of_frame(role: str, action: str, status: str, credential: str) -> dict[str, Any]:
    """Fields of the answer to a frame. `closing` is the last one: the socket is closed after it."""
    if credential in ROWLESS:
        return {"type": "closing", "code": "connection_not_found", "reconnect": "now"}
    if credential == "expired" or (credential == "refreshed" and role in GUESTS):
        return {"type": "closing", "code": "token_expired", "reconnect": "now"}
    if role in VIEWERS and action in ("publish", "send"):
        return {"type": "error", "code": "not_allowed"}
    if role in GUESTS and action == "refresh":
        return {"type": "error", "code": "not_allowed"}
    match action:
        case "hello":
            session = {"status": SHOWN.get(status, status)}
            shown = "viewer" if role in VIEWERS else "participant" if role in GUESTS else role
            return {"type": "welcome", "role": shown, "session": session}
        case "ping":
            return {"type": "pong"}
        case "refresh":
            return {"type": "ack"}
        case "publish" | "send" if status == "active":
            return {"type": "ack", "missed": 0}
        case "publish" | "send":
            return {"type": "error", "code": f"session_{SHOWN.get(status, status)}"}
    return {"type": "error", "code": "invalid_request"}


def of_request(operation: str, caller: str, status: str) -> tuple[int, str | None]:
    """The status of an answer, and the code of a refusal. A `purged` session has a row that counts no more."""
    if caller in ("nobody", "guest"):
        return 401, "unauthenticated"
    if operation in ("create_session", "list_sessions"):
        return DONE[operation], None
    if status in ("purged", "unknown"):
        return 404, "session_not_found"
    if caller == "banned" and operation in ("find_session", "list_events", "issue_ticket", "list_participants"):
        return 403, "banned"
    if caller != "owner" and operation not in ("find_session", "list_events", "issue_ticket"):
        return 403, "not_owner"
    if status in ("ended", "expired"):
        if operation in ("issue_ticket", "issue_guest_ticket"):
            return 410, "session_ended"
        if operation in ("change_session", "send_message", "send_direct"):
            return 409, "session_ended"
    if status == "paused" and operation in ("send_message", "send_direct"):
        return 409, "session_paused"
    if operation in ("set_role_of_owner", "kick_owner"):
        return 400, "invalid_request"
    return DONE[operation], None


DONE = {
    "create_session": 201,
    "list_sessions": 200,
    "find_session": 200,
    "list_events": 200,
    "change_session": 200,
    "end_session": 204,
    "issue_ticket": 201,
    "issue_guest_ticket": 201,
    "list_participants": 200,
    "set_role": 200,
    "kick_participant": 200,
    "send_message": 201,
    "send_direct": 201,
}
