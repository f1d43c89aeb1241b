"""Several apps in one process, each as if it were alone: its own view of os.environ, and of what `app` is.

On AWS each function is a process. Here code runs for an app within `Apart.within`, after `become`, or in a thread that
such code has started; all other code sees the process as it is.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pytest_sessionplugin.app.modules import NamedCopy


class View:
    """os.environ as one app sees it: what it was told, and of the rest what is not hidden from it.

    What the app itself sets and deletes only it sees. A child process that it starts without `env=` has the environment
    of this process.
    """

    def __init__(self, told: Mapping[str, str], hidden: Iterable[str]) -> None:
        environ: Any = os.environ  # its names and values are bytes on POSIX, upper case on Windows
        self.told = {environ.encodekey(name): environ.encodevalue(value) for name, value in told.items()}
        self.hidden = {environ.encodekey(name) for name in hidden}


@dataclass(frozen=True)
class Apart:
    """An app that is not alone in its process. Without a view it sees the environment of the process."""

    modules: NamedCopy
    view: View | None = None

    @contextmanager
    def within(self) -> Iterator[None]:
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Apart | None] = ContextVar("apart", default=None)


def become(apart: Apart | None) -> None:
    """From now on this context is that of the app; None is the process's own."""
    _current.set(apart)


@contextmanager
def told_apart() -> Iterator[None]:
    """While the block runs apps are told apart. One such block at a time."""
    environs: list[Any] = [os.environ, *([os.environb] if os.supports_bytes_environ else [])]
    process = environs[0]._data
    start, import_module = threading.Thread.start, importlib.import_module

    def start_in_its_app(thread: threading.Thread) -> None:
        """A new thread has no context: what it runs for is that for which it was started."""
        if (apart := _current.get()) is not None:
            run = thread.run

            def run_in_its_app() -> None:
                become(apart)
                run()

            thread.run = run_in_its_app  # type: ignore[method-assign]  # this one thread
        start(thread)

    def import_in_its_app(name: str, package: str | None = None) -> ModuleType:
        apart = _current.get()
        return import_module(apart.modules.named(name) if apart is not None else name, package)

    for environ in environs:
        environ._data = _Variables(process)
    threading.Thread.start = start_in_its_app  # type: ignore[method-assign,assignment]  # put back below
    importlib.import_module = import_in_its_app
    try:
        yield
    finally:
        importlib.import_module = import_module
        threading.Thread.start = start  # type: ignore[method-assign]  # as it was
        for environ in environs:
            environ._data = process


class _Variables(MutableMapping[Any, Any]):
    """What os.environ reads and writes, so that os.environ stays the same object, whoever holds it."""

    def __init__(self, process: dict[Any, Any]) -> None:
        self._process = process

    def __getitem__(self, name: Any) -> Any:
        view = _view()
        if view is None:
            return self._process[name]
        try:
            return view.told[name]
        except KeyError:
            if name in view.hidden:
                raise
        return self._process[name]

    def __setitem__(self, name: Any, value: Any) -> None:
        view = _view()
        if view is None:
            self._process[name] = value
        else:
            view.told[name] = value
            self._keep(name)

    def __delitem__(self, name: Any) -> None:
        view = _view()
        if view is None:
            del self._process[name]
            return
        self._keep(name)
        self[name]  # a KeyError is the answer
        view.hidden.add(name)
        view.told.pop(name, None)

    def __iter__(self) -> Iterator[Any]:
        view = _view()
        names = list(self._process)
        if view is None:
            return iter(names)
        told = list(view.told)
        return iter([*told, *(name for name in names if name not in view.told and name not in view.hidden)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _keep(self, name: Any) -> None:
        """os.environ has changed the environment of the process before it asks for ours to be changed."""
        if name in self._process:
            os.putenv(name, self._process[name])
        else:
            os.unsetenv(name)


def _view() -> View | None:
    apart = _current.get()
    return apart.view if apart is not None else None
