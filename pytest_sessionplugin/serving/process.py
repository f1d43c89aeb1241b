"""The process of `serve`: its end on Ctrl-C and SIGTERM, and how many files it may open."""

from __future__ import annotations

import contextlib
import sys
import threading


class Stop:
    """A request to stop, made by a signal. The first one interrupts the main thread, even in an import that hangs;
    later ones are ignored, so that the clean-up completes.
    """

    def __init__(self) -> None:
        self._asked = False
        self._never = threading.Event()  # never set: setting one in a signal handler may deadlock with its waiter

    def ask(self, *_: object) -> None:
        """A handler for signal.signal(). Raises KeyboardInterrupt the first time."""
        if not self._asked:
            self._asked = True
            raise KeyboardInterrupt

    def wait(self, seconds: float | None = None) -> bool:
        """Waits, and returns whether a stop was requested: a KeyboardInterrupt raised in a `__del__` is lost."""
        return self._asked or self._never.wait(seconds) or self._asked


def raise_open_file_limit() -> None:
    """Raises the soft limit of open files to the hard one: each client takes one, and many shells start with 1,024."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS has a limit of its own below "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
