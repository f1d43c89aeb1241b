"""A view of os.environ for each app or function, so that several run in one process as if each had its own.

Code runs in a view within `View.within`, after `become`, or in a thread that such code started. All other code sees
the environment of the process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


class View:
    """Its own variables, and those of the process that are not hidden.

    Changes that its code makes stay in the view. A child process started without `env=` gets the environment of the
    process.
    """

    def __init__(self, own: Mapping[str, str], hidden: Iterable[str]) -> None:
        environ: Any = os.environ  # its names and values are bytes on POSIX, upper case on Windows
        self.own = {environ.encodekey(name): environ.encodevalue(value) for name, value in own.items()}
        self.hidden = {environ.encodekey(name) for name in hidden}

    @contextmanager
    def within(self) -> Iterator[None]:
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[View | None] = ContextVar("view", default=None)


def become(view: View | None) -> None:
    """Switches this context to a view; None is the environment of the process."""
    _current.set(view)


@contextmanager
def views_in_use() -> Iterator[None]:
    """Makes os.environ and new threads follow the current view. Blocks must not be nested."""
    environs: list[Any] = [os.environ, *([os.environb] if os.supports_bytes_environ else [])]
    process, start = environs[0]._data, threading.Thread.start

    def start_in_view(thread: threading.Thread) -> None:
        """Hands the view on, since a new thread begins with an empty context."""
        if (view := _current.get()) is not None:
            run = thread.run

            def run_in_view() -> None:
                become(view)
                run()

            thread.run = run_in_view  # type: ignore[method-assign]  # this one thread
        start(thread)

    for environ in environs:
        environ._data = _Variables(process)
    threading.Thread.start = start_in_view  # type: ignore[method-assign,assignment]  # restored below
    try:
        yield
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]  # as it was
        for environ in environs:
            environ._data = process


class _Variables(MutableMapping[Any, Any]):
    """The storage behind os.environ, which stays the same object for code that holds it."""

    def __init__(self, process: dict[Any, Any]) -> None:
        self._process = process

    def __getitem__(self, name: Any) -> Any:
        view = _current.get()
        if view is None:
            return self._process[name]
        try:
            return view.own[name]
        except KeyError:
            if name in view.hidden:
                raise
        return self._process[name]

    def __setitem__(self, name: Any, value: Any) -> None:
        view = _current.get()
        if view is None:
            self._process[name] = value
        else:
            view.own[name] = value
            self._restore(name)

    def __delitem__(self, name: Any) -> None:
        view = _current.get()
        if view is None:
            del self._process[name]
            return
        self._restore(name)
        self[name]  # raises the KeyError of an absent name
        view.hidden.add(name)
        view.own.pop(name, None)

    def __iter__(self) -> Iterator[Any]:
        view = _current.get()
        names = list(self._process)
        if view is None:
            return iter(names)
        own = list(view.own)
        return iter([*own, *(name for name in names if name not in view.own and name not in view.hidden)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _restore(self, name: Any) -> None:
        """Undoes os.environ's own putenv or unsetenv, which comes before the change of its storage."""
        if name in self._process:
            os.putenv(name, self._process[name])
        else:
            os.unsetenv(name)
