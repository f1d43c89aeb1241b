"""Parts of the contracts whose code is still to come: operations and frames by their names."""

from __future__ import annotations

from typing import Final

AHEAD: Final = frozenset(
    {
        *("list_participants", "set_role", "kick_participant"),
        "role",
    }
)
