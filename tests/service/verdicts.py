"""The answers that the service promises, as pure functions of who asks for what, and when. They know no code of it."""

from __future__ import annotations

from typing import Any

VIEWERS = {"viewer", "guest viewer"}
GUESTS = {"guest", "guest viewer"}
ROWLESS = {"kicked", "replaced", "forgotten"}  # could not be told and closed, and have no rows any more
SHOWN = {"expired": "ended"}  # as clients are told a status


def of_frame(role: str, action: str, status: str, credential: str) -> dict[str, Any]:
    """Fields of the answer to a frame. `closing` is the last one: the socket is closed after it."""
    if credential in ROWLESS:
        return {"type": "closing", "code": "connection_not_found", "reconnect": "now"}
    if credential == "expired":
        return {"type": "closing", "code": "token_expired", "reconnect": "now"}
    if role in VIEWERS and action in ("publish", "send"):
        return {"type": "error", "code": "not_allowed"}
    if role in GUESTS and action == "refresh":
        return {"type": "error", "code": "not_allowed"}
    match action:
        case "hello":
            session = {"status": SHOWN.get(status, status)}
            return {"type": "welcome", "role": role.replace("guest", "").strip() or "participant", "session": session}
        case "ping":
            return {"type": "pong"}
        case "refresh":
            return {"type": "ack"}
        case "publish" | "send" if status == "active":
            return {"type": "ack", "missed": 0}
        case "publish" | "send":
            return {"type": "error", "code": f"session_{SHOWN.get(status, status)}"}
    return {"type": "error", "code": "invalid_request"}
