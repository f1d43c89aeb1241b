"""Cursors of lists: a position as text, which only the list that wrote it takes back."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from chalicelib.errors import InvalidRequest
from chalicelib.model import SESSION_ID, Position, from_rfc3339, rfc3339

LONGEST: Final = 200
SUBJECT_KEY: Final = re.compile(r"[0-9a-f]{32}")


def write_session_cursor(position: Position, owner_id: str) -> str:
    """A position in an owner's list of sessions."""
    return _write(f"{rfc3339(position.created_at)} {position.session_id}", owner_id)


def read_session_cursor(cursor: str, owner_id: str) -> Position:
    """Raises InvalidRequest unless it came from this owner's list."""
    try:
        created_at, _, session_id = _text(cursor).partition(" ")
        position = Position(from_rfc3339(created_at), session_id)
        if not SESSION_ID.fullmatch(session_id) or write_session_cursor(position, owner_id) != cursor:
            raise ValueError("not a cursor of this list")
    except ValueError as exc:
        raise _refusal() from exc
    return position


def write_participant_cursor(subject_key: str, session_id: str) -> str:
    """A position in a session's list of participants: right after the subject with this key."""
    return _write(subject_key, f"participants of {session_id}")


def read_participant_cursor(cursor: str, session_id: str) -> str:
    """Raises InvalidRequest unless it came from this session's list."""
    try:
        subject_key = _text(cursor)
        if not SUBJECT_KEY.fullmatch(subject_key) or write_participant_cursor(subject_key, session_id) != cursor:
            raise ValueError("not a cursor of this list")
    except ValueError as exc:
        raise _refusal() from exc
    return subject_key


def _write(text: str, of: str) -> str:
    check = hashlib.sha256(f"{of}\n{text}".encode()).hexdigest()[:16]
    return base64.urlsafe_b64encode(f"{text} {check}".encode()).decode().rstrip("=")


def _text(cursor: str) -> str:
    """The text of a cursor, unchecked: writing it again shows whether it came from the list. Raises ValueError."""
    if len(cursor) > LONGEST or not re.fullmatch(r"[A-Za-z0-9_-]+", cursor):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().rpartition(" ")[0]


def _refusal() -> InvalidRequest:
    return InvalidRequest("cursor did not come from this list.")
