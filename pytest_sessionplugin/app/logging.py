"""What Chalice does to the loggers of a process, and how its log is led elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from chalice.app import Chalice


@contextmanager
def log_to_root(app: Chalice, listener: logging.Handler) -> Iterator[None]:
    """Sends the app's log to `listener` and up to the root logger, where pytest listens; not to stdout."""
    log = app.log
    handlers, propagate = list(log.handlers), log.propagate
    if app.configure_logs:
        log.handlers = [handler for handler in handlers if not _is_chalices(handler)]
        log.propagate = True
    log.addHandler(listener)
    try:
        yield
    finally:
        log.handlers, log.propagate = handlers, propagate


def log_no_failures(app: Chalice, show: Callable[[str, BaseException], None]) -> None:
    """What a view raises goes to `show`, with its method and path, and not to Chalice's own handler.

    Chalice answers 500 then, and logs it. Handlers of the app itself get the record as ever.
    """

    def of_a_view(record: logging.LogRecord) -> bool:
        return record.funcName == "_unhandled_exception_to_response"

    def to_show(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is None or not of_a_view(record) or (request := app.current_request) is None:
            return True
        show(f"{request.method} {request.path}", error)
        return app.log.hasHandlers()  # else Python itself would print it again

    app.log.addFilter(to_show)
    for handler in app.log.handlers:
        if _is_chalices(handler):
            handler.addFilter(lambda record: not of_a_view(record))


@contextmanager
def loggers_kept() -> Iterator[None]:
    """Afterwards no logger has a handler that a Chalice object made in the block has given it."""
    before = {name: (list(log.handlers), log.propagate) for name, log in _loggers()}
    try:
        yield
    finally:
        for name, log in _loggers():
            handlers, propagate = before.get(name, ([], True))
            if any(_is_chalices(handler) and handler not in handlers for handler in log.handlers):
                log.handlers, log.propagate = handlers, propagate


def _loggers() -> list[tuple[str, logging.Logger]]:
    known = list(logging.root.manager.loggerDict.items())  # at once: a handler may make one meanwhile
    return [(name, log) for name, log in known if isinstance(log, logging.Logger)]


def _is_chalices(handler: logging.Handler) -> bool:
    return handler.formatter is not None and handler.formatter._fmt == Chalice.FORMAT_STRING


@dataclass(frozen=True)
class LoggerState:
    handlers: tuple[logging.Handler, ...]
    filters: tuple[object, ...]
    level: int
    propagate: bool


_NEW = LoggerState((), (), logging.NOTSET, True)


def states() -> Mapping[str, LoggerState]:
    """Of all loggers, the root among them."""
    return {
        logger.name: LoggerState(tuple(logger.handlers), tuple(logger.filters), logger.level, logger.propagate)
        for logger in _every_logger()
    }


def put_back(before: Mapping[str, LoggerState]) -> None:
    """All are as they were; one that was not there is as new. A library's null handler stays: it adds it but once."""
    for logger in _every_logger():
        was = before.get(logger.name, _NEW)
        null = [each for each in logger.handlers if type(each) is logging.NullHandler and each not in was.handlers]
        logger.handlers = [*was.handlers, *null]
        logger.filters = list(was.filters)  # type: ignore[arg-type]  # as it has them
        logger.propagate = was.propagate
        logger.setLevel(was.level)


def _every_logger() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())  # at once: a handler may make one meanwhile
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]
