"""Copies of apps that one test runs apart from each other, as Lambda runs each function in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pytest_sessionplugin.apart import Apart, View, told_apart
from pytest_sessionplugin.chalice_internals import Process, log_to_root, loggers_kept, share
from pytest_sessionplugin.gateway.values import REST_FUNCTION
from pytest_sessionplugin.named_copies import NamedCopy

if TYPE_CHECKING:
    import logging

    from pytest_sessionplugin.project import Project


class Processes:
    """Those of one test: all copies are gone when the stack is closed. `listener` hears the logs of the apps."""

    def __init__(self, stack: ExitStack, listener: logging.Handler) -> None:
        self._stack = stack
        self._listener = listener
        self._lock = threading.RLock()
        self._apart = False

    def new(self, project: Project, label: str, view: View | None = None) -> Process:
        """A new copy of the app, whose modules are `app@label` and `chalicelib@label`."""
        with self._lock:
            if not self._apart:
                self._stack.enter_context(told_apart())
                self._apart = True
            modules = NamedCopy(project.root, label)
            modules.open()
            self._stack.callback(modules.close)
            apart = Apart(modules, view)
            self._stack.enter_context(loggers_kept())
            with apart.within():
                app = project.load_named(modules)
            share(app)
            self._stack.enter_context(log_to_root(app, self._listener))
            return Process(app, apart)

    def each_its_own(
        self, project: Project, label: str, first: Process, view: View | None = None
    ) -> Callable[[str], Process]:
        """For each function a copy, made when it first runs; `first` is that of the HTTP routes."""
        made = {REST_FUNCTION: first}

        def process_of(function: str) -> Process:
            with self._lock:
                if function not in made:
                    made[function] = self.new(project, f"{label}:{function}", view)
                return made[function]

        return process_of
