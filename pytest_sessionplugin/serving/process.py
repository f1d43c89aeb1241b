"""The wish that a process end, as Ctrl-C and SIGTERM say it. It ends nothing itself."""

from __future__ import annotations

import contextlib
import sys
import threading


class Stop:
    """The first wish interrupts whatever the main thread does: the import of an app may hang. Later ones change
    nothing, so what is done to end is done to its end.
    """

    def __init__(self) -> None:
        self._asked = False
        self._never = threading.Event()  # to set one in a signal's handler may wait for ever for who waits for it

    def ask(self, *_: object) -> None:
        """For signal.signal(). Raises KeyboardInterrupt."""
        if not self._asked:
            self._asked = True
            raise KeyboardInterrupt

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it was asked for; it may have been where no exception leaves, as in a __del__."""
        return self._asked or self._never.wait(seconds) or self._asked


def allow_as_many_as_may_be() -> None:
    """The soft limit becomes the hard one: many shells have 1,024 of many more, and a server needs one a client."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS has a limit of its own below "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
