"""The loggers of an app: where their records go, and how to restore loggers after the app is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from chalice.app import Chalice


@contextmanager
def log_to_root(app: Chalice, listener: logging.Handler) -> Iterator[None]:
    """Sends the app's log to `listener` and to the root logger, where pytest listens, instead of stdout."""
    log = app.log
    handlers, propagate = list(log.handlers), log.propagate
    if app.configure_logs:
        log.handlers = [handler for handler in handlers if not _is_of_chalice(handler)]
        log.propagate = True
    log.addHandler(listener)
    try:
        yield
    finally:
        log.handlers, log.propagate = handlers, propagate


def log_no_failures(app: Chalice, show: Callable[[str, BaseException], None]) -> None:
    """Sends the exceptions of views to `show`, with method and path, instead of Chalice's own log handler.

    Chalice answers such a request with 500 and logs the exception. Handlers that the app added still get the record.
    """

    def of_a_view(record: logging.LogRecord) -> bool:
        return record.funcName == "_unhandled_exception_to_response"

    def to_show(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or not of_a_view(record) or (request := app.current_request) is None:
            return True
        show(f"{request.method} {request.path}", error)
        return app.log.hasHandlers()  # without handlers Python itself would print it again

    app.log.addFilter(to_show)
    for handler in app.log.handlers:
        if _is_of_chalice(handler):
            handler.addFilter(lambda record: not of_a_view(record))


@contextmanager
def loggers_kept() -> Iterator[None]:
    """Removes the handlers that Chalice objects add to loggers in the block."""
    before = {log.name: (list(log.handlers), log.propagate) for log in _loggers()}
    try:
        yield
    finally:
        for log in _loggers():
            handlers, propagate = before.get(log.name, ([], True))
            if any(_is_of_chalice(handler) and handler not in handlers for handler in log.handlers):
                log.handlers, log.propagate = handlers, propagate


@dataclass(frozen=True)
class LoggerState:
    handlers: tuple[logging.Handler, ...]
    filters: tuple[object, ...]
    level: int
    propagate: bool


_NEW = LoggerState((), (), logging.NOTSET, True)


def states() -> Mapping[str, LoggerState]:
    """The state of each logger by its name, the root included."""
    return {
        log.name: LoggerState(tuple(log.handlers), tuple(log.filters), log.level, log.propagate)
        for log in (logging.root, *_loggers())
    }


def put_back(before: Mapping[str, LoggerState]) -> None:
    """Restores all loggers, and resets new ones. NullHandlers stay, since a library adds its own only once."""
    for log in (logging.root, *_loggers()):
        was = before.get(log.name, _NEW)
        null = [each for each in log.handlers if type(each) is logging.NullHandler and each not in was.handlers]
        log.handlers = [*was.handlers, *null]
        log.filters = list(was.filters)  # type: ignore[arg-type]  # as it has them
        log.propagate = was.propagate
        log.setLevel(was.level)


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())  # a copy: handlers may make loggers meanwhile
    return [log for log in known if isinstance(log, logging.Logger)]


def _is_of_chalice(handler: logging.Handler) -> bool:
    return handler.formatter is not None and handler.formatter._fmt == Chalice.FORMAT_STRING
