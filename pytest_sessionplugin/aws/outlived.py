"""Threads that outlive the test that started them: their calls to AWS are blocked, and remembered. Ends no thread.

Such a thread, of an executor that an app keeps, is at home in the next test too, and its calls are answered there. In
between it would call AWS as the process of the developer can.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection
from weakref import WeakKeyDictionary

from pytest_sessionplugin.errors import BlockedCall


class Outlived:
    """For a whole process. `mocked` says whether a mock of somebody else would answer a call."""

    def __init__(self, mocked: Callable[[], bool]) -> None:
        self.blocked: Counter[str] = Counter()  # sentence -> how often
        self._mocked = mocked
        self._tests: WeakKeyDictionary[threading.Thread, str] = WeakKeyDictionary()

    def note(self, before: Collection[threading.Thread], test: str) -> None:
        """The threads that run and were not there `before` have outlived this test."""
        for thread in threading.enumerate():
            if thread not in before:
                self._tests.setdefault(thread, test)

    def check(self, service: str, operation: str) -> None:
        """Raises BlockedCall in a thread that has outlived its test."""
        thread = threading.current_thread()
        test = self._tests.get(thread)
        if test is None or self._mocked():
            return
        error = BlockedCall(
            service,
            operation,
            f"the thread {thread.name!r} has outlived {test}, in which it was started. Let it end there.",
        )
        self.blocked[str(error)] += 1
        raise error
