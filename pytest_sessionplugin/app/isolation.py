"""Lets several apps and functions share one process and one app object, as if each had its own.

Each has a view of os.environ, and each invocation its own request on the Chalice object. Code runs in a view within
`View.within`, after `become`, or in a thread that such code started. All other code sees the environment of the
process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from chalice.app import Blueprint, Chalice, EventSourceHandler, WebsocketAPI, WebsocketEventSourceHandler

NOTHING: Mapping[str, str] = MappingProxyType({})


class View:
    """Its own variables, and those of the process, or of the view below it, that are not hidden.

    Changes that its code makes stay in the view. A child process started without `env=` gets the environment of the
    process. Methods take that environment, in which names and values are encoded.
    """

    def __init__(
        self, own: Mapping[str, str] = NOTHING, hidden: Collection[str] = (), below: View | None = None
    ) -> None:
        self._own: dict[Any, Any] = {_name(name): _value(value) for name, value in own.items()} if own else {}
        self._hidden = {_name(name) for name in hidden} if hidden else set()
        self._below = below

    @contextmanager
    def within(self) -> Iterator[None]:
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def get(self, process: Storage, name: Any) -> Any:
        try:
            return self._own[name]
        except KeyError:
            if name in self._hidden:
                raise
        return self._get_below(process, name)

    def set(self, process: Storage, name: Any, value: Any) -> None:
        self._own[name] = value

    def delete(self, process: Storage, name: Any) -> None:
        self.get(process, name)
        self._hidden.add(name)
        self._own.pop(name, None)

    def names(self, process: Storage) -> list[Any]:
        below = self._names_below(process)
        return [*self._own, *(name for name in below if name not in self._own and name not in self._hidden)]

    def _get_below(self, process: Storage, name: Any) -> Any:
        return process[name] if self._below is None else self._below.get(process, name)

    def _names_below(self, process: Storage) -> list[Any]:
        return list(process) if self._below is None else self._below.names(process)


class OwnVariables:
    """The variables whose values differ for one function of an app, for all its runs in a test."""

    def __init__(self, own: Mapping[str, str | None], others: Mapping[str, str]) -> None:
        """None is a variable that it lacks. `others` are the variables of the other functions."""
        self.values = {_name(name): None if value is None else _value(value) for name, value in own.items()}
        self.others = {_name(name): _value(others[name]) for name in own if name in others}


class FunctionView(View):
    """The variables of one run of a function: its own over those that all functions of the app see, below.

    A value that a test sets meanwhile is for every function. Changes by the function to other variables than its own
    are made below, as all share one process. `trace` gives the header of X-Ray, which each run has of its own.
    """

    def __init__(self, own: OwnVariables, below: View | None, trace: Callable[[], str] | None = None) -> None:
        super().__init__(below=below)
        self._values, self._others, self._trace = own.values, own.others, trace

    def get(self, process: Storage, name: Any) -> Any:
        if self._has_own(process, name):
            if (value := self._values[name]) is None:
                raise KeyError(name)
            return value
        try:
            return self._get_below(process, name)
        except KeyError:
            if self._trace is None or name != TRACE:
                raise
            return _value(self._trace())

    def set(self, process: Storage, name: Any, value: Any) -> None:
        if self._has_own(process, name):
            self._values[name] = value
        elif self._below is None:
            process[name] = value
        else:
            self._below.set(process, name, value)

    def delete(self, process: Storage, name: Any) -> None:
        if self._has_own(process, name):
            if self._values[name] is None:
                raise KeyError(name)
            self._values[name] = None
        elif self._below is None:
            del process[name]
        else:
            self._below.delete(process, name)

    def names(self, process: Storage) -> list[Any]:
        own = {name: value for name, value in list(self._values.items()) if self._has_own(process, name)}
        below = self._names_below(process)
        traced = [TRACE] if self._trace is not None and TRACE not in below else []
        return [
            *(name for name in below if name not in own),
            *(name for name, value in own.items() if value is not None),
            *traced,
        ]

    def _has_own(self, process: Storage, name: Any) -> bool:
        """Whether the function has its own value, and the others still see theirs."""
        if name not in self._values:
            return False
        try:
            seen = self._get_below(process, name)
        except KeyError:
            seen = None
        return bool(seen == self._others.get(name))


Storage = MutableMapping[Any, Any]


def _name(name: str) -> Any:
    """The name as os.environ stores it: bytes on POSIX, upper case on Windows."""
    environ: Any = os.environ
    return environ.encodekey(name)


def _value(value: str) -> Any:
    environ: Any = os.environ
    return environ.encodevalue(value)


TRACE = _name("_X_AMZN_TRACE_ID")


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
            context = Context()
            context.run(become, view)
            thread.run = partial(context.run, thread.run)  # type: ignore[method-assign]  # no frame of ours
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
        return self._process[name] if view is None else view.get(self._process, name)

    def __setitem__(self, name: Any, value: Any) -> None:
        view = _current.get()
        if view is None:
            self._process[name] = value
        else:
            view.set(self._process, name, value)
            self._restore(name)

    def __delitem__(self, name: Any) -> None:
        view = _current.get()
        if view is None:
            del self._process[name]
        else:
            self._restore(name)  # first: os.environ has already taken it away, whether it was there or not
            view.delete(self._process, name)
            self._restore(name)

    def __iter__(self) -> Iterator[Any]:
        view = _current.get()
        return iter(list(self._process) if view is None else view.names(self._process))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _restore(self, name: Any) -> None:
        """Undoes os.environ's own putenv or unsetenv, which comes before the change of its storage."""
        if name in self._process:
            os.putenv(name, self._process[name])
        else:
            os.unsetenv(name)


# --- one app object for many invocations


@dataclass(frozen=True)
class FunctionRun:
    """One run of one function, and the attributes that Chalice sets for it."""

    app: Chalice | None
    function: str
    has_app: bool = True  # whether its process in Lambda has it
    values: dict[str, Any] = field(default_factory=dict)


running: ContextVar[FunctionRun | None] = ContextVar("invocation", default=None)
"""None in a test's own code and in a thread that a handler started."""

_sharing = threading.Lock()


def share(app: Chalice) -> None:
    """Makes one app object fit for many invocations at once. Idempotent.

    - `current_request` and `lambda_context` belong to the invocation.
    - Each function has its own endpoint in `websocket_api`, as each Lambda has, so that `send` from an HTTP
      route fails here as it does there. It stays one object: a test that patches it patches it for all.
    - Middleware is a list. Chalice makes it a generator, which the first of two parallel events exhausts.
    """
    with _sharing:
        if isinstance(app, _Shared):
            return
        for handler in app.handler_map.values():
            if isinstance(handler, EventSourceHandler):
                handler._middleware_handlers = list(handler._middleware_handlers)
            if isinstance(handler, WebsocketEventSourceHandler):
                _share_websocket_api(handler.websocket_api)
        _share_websocket_api(app.websocket_api)
        latest = {name: vars(app).pop(name) for name in ("current_request", "lambda_context") if name in vars(app)}
        app.__class__ = type(type(app).__name__, (_Shared, type(app)), {"_latest": latest, "_first": dict(latest)})


def take_app_away(blueprints: Iterable[Blueprint], handlers: Iterable[object]) -> None:
    """Lets Blueprints be as without their app in functions that Lambda runs without it, and these have no middleware.

    Idempotent. All other code finds the Blueprints registered.
    """
    with _sharing:
        for handler in handlers:
            if isinstance(handler, EventSourceHandler):
                handler._middleware_handlers = []
        for blueprint in blueprints:
            if not isinstance(blueprint, _WithoutApp):
                vars(blueprint)["_registered"] = vars(blueprint).pop("_current_app")
                blueprint.__class__ = type(type(blueprint).__name__, (_WithoutApp, type(blueprint)), {})


class _WithoutApp:
    """A Blueprint that has its app where the function that runs has it."""

    _registered: Chalice | None

    @property
    def _current_app(self) -> Chalice | None:
        run = running.get()
        return self._registered if run is None or run.has_app else None

    @_current_app.setter
    def _current_app(self, app: Chalice) -> None:
        self._registered = app


def start_cold(app: Chalice) -> None:
    """Forgets the requests and endpoints of earlier events, as a new Lambda does."""
    if isinstance(app, _Shared):
        app.forget_requests()
    if isinstance(app.websocket_api, _PerFunction):
        app.websocket_api.forget_endpoints()


class _PerInvocation:
    """An attribute of the invocation; outside of one, the latest value, as in Chalice."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, app: Any, owner: type | None = None) -> Any:
        run = running.get()
        values = run.values if run is not None and run.app is app else app._latest
        try:
            return values[self._name]
        except KeyError:
            raise AttributeError(f"{type(app).__name__!r} object has no attribute {self._name!r}") from None

    def __set__(self, app: Any, value: Any) -> None:
        run = running.get()
        if run is not None and run.app is app:
            run.values[self._name] = value
        app._latest[self._name] = value


class _Shared:
    _latest: dict[str, Any]  # of the last invocation, whichever it was
    _first: dict[str, Any]  # before any
    current_request = _PerInvocation()
    lambda_context = _PerInvocation()

    def forget_requests(self) -> None:
        self._latest.clear()
        self._latest.update(self._first)


class _PerFunction:
    """A WebsocketAPI with an endpoint for each function. One configured outside of a function is for all."""

    endpoints: dict[str, str]
    _configured: str | None
    _configured_first: str | None
    _clients: dict[str | None, tuple[Any, Any]]  # endpoint -> session, and the client it made

    def forget_endpoints(self) -> None:
        self.endpoints.clear()
        self._configured = self._configured_first

    @property
    def _endpoint(self) -> str | None:
        run = running.get()
        if run is not None:
            return self.endpoints.get(run.function, self._configured)
        # A thread that a handler started belongs to no function: any endpoint will do.
        return self._configured or next(iter(self.endpoints.values()), None)

    @_endpoint.setter
    def _endpoint(self, value: str) -> None:
        run = running.get()
        if run is not None:
            self.endpoints[run.function] = value
        else:
            self._configured = value

    @property
    def _client(self) -> Any:
        session, client = self._clients.get(self._endpoint, (None, None))
        return client if session is vars(self)["session"] else None

    @_client.setter
    def _client(self, value: Any) -> None:
        self._clients[self._endpoint] = (vars(self)["session"], value)


def _share_websocket_api(api: object) -> None:
    if isinstance(api, WebsocketAPI) and not isinstance(api, _PerFunction):
        configured = vars(api).pop("_endpoint")
        vars(api).pop("_client")
        vars(api).update(endpoints={}, _configured=configured, _configured_first=configured, _clients={})
        api.__class__ = type(type(api).__name__, (_PerFunction, type(api)), {})
