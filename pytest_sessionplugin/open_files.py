"""How many files this process may have open: each socket is one. Raises no hard limit."""

from __future__ import annotations

import contextlib
import sys


def allow_as_many_as_may_be() -> None:
    """The soft limit becomes the hard one: many shells have 1,024 of many more, and a server needs one a client."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS has a limit of its own below "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
