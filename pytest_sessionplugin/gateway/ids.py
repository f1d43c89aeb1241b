"""Random ids, made a few hundred at a time: to ask the system for one costs more than the rest of a short request.

Safe from any number of threads. They are as hard to guess as what the system gives.
"""

from __future__ import annotations

import base64
import secrets
import uuid

STOCK = 256

_ids: list[str] = []
_uuids: list[str] = []


def new_id() -> str:
    """An id in the form of API Gateway: 15 URL-safe base64 characters and '='."""
    try:
        return _ids.pop()
    except IndexError:
        random = secrets.token_bytes(11 * STOCK)
        made = [base64.urlsafe_b64encode(random[at : at + 11]).decode() for at in range(0, len(random), 11)]
        _ids.extend(made[1:])
        return made[0]


def new_uuid() -> str:
    """A UUID of version 4 (RFC 9562, 5.4), as the id of a REST request is."""
    try:
        return _uuids.pop()
    except IndexError:
        random = secrets.token_bytes(16 * STOCK)
        made = [str(uuid.UUID(bytes=random[at : at + 16], version=4)) for at in range(0, len(random), 16)]
        _uuids.extend(made[1:])
        return made[0]
