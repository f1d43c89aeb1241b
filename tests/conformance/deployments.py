"""The suite's apps on one implementation, each deployed when it is first used."""

from __future__ import annotations

import contextlib
from types import TracebackType

from tests.conformance.adapters import APPS, Adapter, Deployed


class Deployments:
    """All apps end with the block."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._stack = contextlib.ExitStack()
        self._up: dict[str, Deployed | None] = {}
        self._stale = False

    def __enter__(self) -> Deployments:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def up(self, name: str) -> Deployed | None:
        """None if the implementation does not have it."""
        if self._stale:
            self._stale = False
            self._up.clear()
            self._stack.close()
        if name not in self._up:
            self._up[name] = self._stack.enter_context(self._adapter.deploy(APPS / name))
        return self._up[name]

    def renew(self) -> None:
        """Ends all running apps; the next use deploys anew.

        Called after a test that broke off, whose handlers may still run or whose server may be dead: later tests must
        not fail for it.
        """
        self._stale = True
