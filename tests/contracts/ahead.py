"""Parts of the contracts whose code is still to come: operations, frames and codes by their names."""

from __future__ import annotations

from typing import Final

AHEAD: Final = frozenset(
    {
        *("list_participants", "set_role", "kick_participant", "send_message"),
        *("send", "refresh", "direct", "role"),
        *("banned", "duplicate", "session_full", "not_allowed", "rate_limited", "kicked", "replaced"),
    }
)
