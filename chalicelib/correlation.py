"""The id that a request, the log lines and the frames which it causes have in common. Makes none."""

from __future__ import annotations

import re
from typing import Final

from chalicelib.credentials import JWT

HEADER: Final = "X-Correlation-Id"
SAFE: Final = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")


def correlation_id(sent: str | None, request_id: str) -> str:
    """What the client sent if it is SAFE, and has no JWT in it, which would be spread; else the id of the request."""
    return sent if sent and SAFE.fullmatch(sent) and not JWT.search(sent) else request_id
