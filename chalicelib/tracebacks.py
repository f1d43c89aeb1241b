"""What an exception says in a log: its kind and where it was raised. No values, and no text that may have some."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Final

from chalicelib.errors import SettingsError, Unavailable

OF_NAMES: Final = (ImportError, NameError, SettingsError, Unavailable)
"""Kinds whose text has names of the program or of its settings in it, and nothing that somebody sent."""

OF_THE_CALLER: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ForbiddenException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    }
)
"""Refusals of AWS whose text says who may not do what to which resource."""


MOST_LINES: Final = 200
"""Of a traceback: one of a recursion has a thousand a cause, and CloudWatch takes 256 KB a line of the log."""
MOST_CHARACTERS: Final = 500  # of a line


def written(error: BaseException) -> str:
    """Causes first, as Python has it; the text of an exception only where that is known to be safe."""
    lines = [line[:MOST_CHARACTERS] for line in _lines(error, set())]
    left_out = len(lines) - MOST_LINES
    if left_out > 0:
        half = MOST_LINES // 2
        lines[half:-half] = [f"  … {left_out} lines"]
    return "\n".join(["Traceback, without what somebody may have sent:", *lines])


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
    if isinstance(error, OF_NAMES):
        return str(error)
    answer = getattr(error, "response", None)  # of a ClientError of botocore's, which is not imported for this
    if not isinstance(answer, dict):
        return ""
    said = answer.get("Error") or {}
    code = str(said.get("Code", ""))
    text = f"{getattr(error, 'operation_name', '')} {code}"
    return f"{text}: {said.get('Message')}" if code in OF_THE_CALLER else text
