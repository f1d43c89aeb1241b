"""The service's log lines: a constant message, values in fields, and the context of the event.

In Lambda a line is JSON, by aws-lambda-powertools, which is imported for the first line; elsewhere it is for people.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

from chalicelib.errors import SettingsError, Unavailable

NAME: Final = "sessions"
SUBJECT_DIGITS: Final = 16
LEVELS: Final = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
TALKATIVE: Final = ("botocore", "urllib3")
"""Loggers that log requests and answers at DEBUG: titles, tokens' subjects, keys of Parameter Store."""
IN_THE_MESSAGE: Final = frozenset({"operation", "outcome", "code", "exception", "stage", "function_name"})
"""Fields that a line for people has in its message, below it, or not at all."""

NAMING_ERRORS: Final = (ImportError, NameError, SettingsError, Unavailable)
"""Exceptions whose text names parts of the program or its settings, and holds nothing from a client."""
DENIALS: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ForbiddenException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)
"""Errors of AWS whose text says who may not do what to which resource."""
TRACEBACK_LINES: Final = 200  # a recursion has a thousand for each cause, and CloudWatch takes 256 KB for one event
LINE_LENGTH: Final = 500


@dataclass(frozen=True)
class Place:
    stage: str
    function: str | None  # None outside Lambda


def place(environment: Mapping[str, str]) -> Place:
    return Place(environment.get("STAGE", "").strip() or "local", environment.get("AWS_LAMBDA_FUNCTION_NAME") or None)


# --- the context of the current thread

_context: ContextVar[Mapping[str, Any] | None] = ContextVar("context", default=None)


@contextmanager
def about(**fields: Any) -> Iterator[None]:
    """Adds fields to the lines that are logged in the block."""
    before = _context.set({**(_context.get() or {}), **fields})
    try:
        yield
    finally:
        _context.reset(before)


def learn(**fields: Any) -> None:
    """Adds fields to the rest of the innermost block. Does nothing outside of one."""
    context = _context.get()
    if context is not None:
        _context.set({**context, **fields})


def subject_hash(subject: str) -> str:
    """The first digits of a subject's SHA-256, without a key: it tells people apart and does not name them.

    A pseudonym, not anonymity: a guessed subject can be checked against it.
    """
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:SUBJECT_DIGITS]


# --- lines


class Log:
    """The service's logger. A message never holds input from a client, and fields hold no secrets.

    `because` is logged as a redacted traceback, whichever handler listens.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    @property
    def name(self) -> str:
        return self._logger.name

    def listens(self, level: int) -> bool:
        return self._logger.isEnabledFor(level)

    def debug(self, message: str, **fields: Any) -> None:
        self.log(logging.DEBUG, message, **fields)

    def info(self, message: str, **fields: Any) -> None:
        self.log(logging.INFO, message, **fields)

    def warning(self, message: str, because: BaseException | None = None, **fields: Any) -> None:
        self.log(logging.WARNING, message, because, **fields)

    def exception(self, message: str, **fields: Any) -> None:
        """In an except block: an error, because of the exception that is handled there."""
        self.log(logging.ERROR, message, sys.exc_info()[1], **fields)

    def log(self, level: int, message: str, because: BaseException | None = None, **fields: Any) -> None:
        if not self.listens(level):
            return
        known = {**(_context.get() or {}), **fields}
        if because is not None:
            known |= {"exception": written(because), "exception_name": type(because).__name__}
        known = {name: value for name, value in known.items() if value is not None}
        extra = {**known, "fields": known}
        record = self._logger.makeRecord(self.name, level, NAME, 0, message, (), None, extra=extra)
        record.exc_text = known.get("exception")  # formatters append this instead of the exception's own text
        self._logger.handle(record)


log = Log(NAME)


# --- levels and formats


def level_of(environment: Mapping[str, str]) -> str:
    """The lowest level that is logged."""
    level = environment.get("LOG_LEVEL", "INFO").upper()
    return level if level in LEVELS else "INFO"


def set_levels(environment: Mapping[str, str]) -> None:
    """LOG_LEVEL sets this logger alone. In Lambda the talkative libraries stay at INFO, whatever level Lambda sets."""
    logging.getLogger(NAME).setLevel(level_of(environment))
    if place(environment).function is not None:
        for logger in map(logging.getLogger, TALKATIVE):
            logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))


class Lines(logging.Formatter):
    """JSON in Lambda, else text in the format that the constructor is given. Decided when the first line comes."""

    def format(self, record: logging.LogRecord) -> str:
        return self._form.format(record)

    @cached_property
    def _form(self) -> logging.Formatter:
        return Readable(self._fmt) if place(os.environ).function is None else as_json()


class Readable(logging.Formatter):
    """`sessions - INFO - connect refused as not_owner  request_id=… subject=…`, with the traceback below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        shown = [
            f"{name}={_shown(value)}"
            for name, value in fields.items()
            if name not in IN_THE_MESSAGE and not (name == "correlation_id" and value == fields.get("request_id"))
        ]
        return "  ".join([super().formatMessage(record), *([" ".join(shown)] if shown else [])])

    def formatException(self, ei: Any) -> str:
        return written(ei[1])


def _shown(value: Any) -> str:
    """Escapes anything that would move a terminal's cursor, colour it or begin a line."""
    text = str(value)
    return text if text.isprintable() and " " not in text else json.dumps(text)


def as_json() -> logging.Formatter:
    """One object per line, in ASCII: CR, LF and escape sequences in a value are escaped."""
    from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

    class Formatter(LambdaPowertoolsFormatter):
        def format(self, record: logging.LogRecord) -> str:
            plain = logging.makeLogRecord({name: of for name, of in vars(record).items() if name != "fields"})
            return str(super().format(plain))

        def formatException(self, ei: Any) -> str:  # of Chalice's own records
            return written(ei[1])

    return Formatter(
        json_serializer=partial(json.dumps, default=str, separators=(",", ":")),
        json_deserializer=str,  # a message is text, whatever it looks like
        log_record_order=["level", "message", "timestamp"],
        use_rfc3339=True,
        utc=True,
        serialize_stacktrace=False,
        location=None,
    )


# --- tracebacks


def written(error: BaseException) -> str:
    """The redacted traceback, causes first as in Python. An exception's text is in it only where that is safe."""
    lines = [line[:LINE_LENGTH] for line in _lines(error, set())]
    left_out = len(lines) - TRACEBACK_LINES
    if left_out > 0:
        half = TRACEBACK_LINES // 2
        lines[half:-half] = [f"  … {left_out} lines"]
    return "\n".join(["Redacted traceback:", *lines])


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        yield "which was the cause of" if error.__cause__ else "during which came"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"
    yield _kind(error)


def _kind(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    text = _safe_text(error)
    return f"{name}: {text}" if text else name


def _safe_text(error: BaseException) -> str:
    if isinstance(error, NAMING_ERRORS):
        return str(error)
    answer = getattr(error, "response", None)  # of botocore's ClientError, which is not imported for this
    if not isinstance(answer, dict):
        return ""
    said = answer.get("Error") or {}
    code = str(said.get("Code", ""))
    text = f"{getattr(error, 'operation_name', '')} {code}"
    return f"{text}: {said.get('Message')}" if code in DENIALS else text
