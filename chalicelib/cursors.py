"""A position in the caller's own list as text, and back.

The owner is never in one, so a cursor can reach nothing else. Its check is no signature: it tells one that was
cut, edited or lent from one that is ours.
"""

from __future__ import annotations

import base64
import hashlib
import re

from chalicelib.errors import InvalidRequest
from chalicelib.model import SESSION_ID, Position
from chalicelib.moments import from_rfc3339, rfc3339


def write(position: Position, owner_id: str) -> str:
    text = f"{rfc3339(position.created_at)} {position.session_id}"
    return base64.urlsafe_b64encode(f"{text} {_check(text, owner_id)}".encode()).decode().rstrip("=")


def read(cursor: str, owner_id: str) -> Position:
    """Raises InvalidRequest for what is no cursor of this owner's list."""
    try:
        if len(cursor) > 200 or not re.fullmatch(r"[A-Za-z0-9_-]+", cursor):
            raise ValueError("not base64url")
        text, _, check = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().rpartition(" ")
        created_at, _, session_id = text.partition(" ")
        position = Position(from_rfc3339(created_at), session_id)
        if (
            check != _check(text, owner_id)
            or not SESSION_ID.fullmatch(session_id)
            or write(position, owner_id) != cursor
        ):
            raise ValueError("not a cursor of this list")
    except ValueError as exc:
        raise InvalidRequest("cursor is none that this list gave you.") from exc
    return position


def _check(text: str, owner_id: str) -> str:
    return hashlib.sha256(f"{owner_id}\n{text}".encode()).hexdigest()[:16]
