"""What apps do to loggers when they are imported: remembered, and undone. It logs nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    handlers: tuple[logging.Handler, ...]
    filters: tuple[object, ...]
    level: int
    propagate: bool


_NEW = State((), (), logging.NOTSET, True)


def states() -> Mapping[str, State]:
    """Of all loggers, the root among them."""
    return {
        logger.name: State(tuple(logger.handlers), tuple(logger.filters), logger.level, logger.propagate)
        for logger in _loggers()
    }


def put_back(before: Mapping[str, State]) -> None:
    """All are as they were; one that was not there is as new. A library's null handler stays: it adds it but once."""
    for logger in _loggers():
        was = before.get(logger.name, _NEW)
        null = [each for each in logger.handlers if type(each) is logging.NullHandler and each not in was.handlers]
        logger.handlers = [*was.handlers, *null]
        logger.filters = list(was.filters)  # type: ignore[arg-type]  # as it has them
        logger.propagate = was.propagate
        logger.setLevel(was.level)


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())  # at once: a handler may make one meanwhile
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]
