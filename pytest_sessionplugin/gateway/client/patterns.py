"""Patterns of frames: whether a frame is like one, why it is not, and which of several frames is which."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pytest_sessionplugin.gateway.redaction import brief

Pattern = Mapping[str, Any]


def fits(pattern: Any, value: Any) -> bool:
    """Whether an object has these keys with these values, at any depth; other values are equal.

    A list fits if each of its elements does. An empty object or list fits only another one.
    """
    return not differences(pattern, value)


def differences(pattern: Any, value: Any, options: Collection[str] = ()) -> list[str]:
    """Says of each part that does not fit where it is, what it is and what it should be.

    `options` are keyword arguments for which a key may have been meant.
    """
    return list(_differences("", pattern, value, options))


def _differences(path: str, pattern: Any, value: Any, options: Collection[str]) -> Iterator[str]:
    if isinstance(pattern, Mapping) and pattern and isinstance(value, dict):
        for key, wanted in pattern.items():
            if key in value:
                yield from _differences(f"{path}.{key}" if path else str(key), wanted, value[key], ())
            else:
                yield f"{path or 'it'} has no {key}{_nearest(str(key), [*map(str, value), *options])}"
    elif isinstance(pattern, (list, tuple)) and isinstance(value, list) and len(pattern) == len(value):
        for index, (wanted, element) in enumerate(zip(pattern, value, strict=True)):
            yield from _differences(f"{path}[{index}]", wanted, element, ())
    elif not _equal(list(pattern) if isinstance(pattern, tuple) else pattern, value):
        yield f"{path or 'it'} is {brief(value)}, not {brief(pattern)}"


def _equal(wanted: Any, value: Any) -> bool:
    """In JSON true is not 1."""
    kinds = {type(wanted), type(value)}
    return not (bool in kinds and kinds & {int, float}) and bool(wanted == value)


def _nearest(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f" (did you mean {near[0]}?)" if near else ""


def parsed(text: str) -> Any:
    """The value of a frame; a frame that is not JSON is its own value."""
    try:
        return json.loads(text)
    except ValueError:
        return text


class Matching:
    """Finds a frame for each of several patterns, whatever the order in which the frames come."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._frames: dict[int, Any] = {}  # by the index of the pattern

    def add(self, frame: Any) -> bool:
        """Takes a frame that fits a pattern for which there is none yet; others may change their pattern for it."""
        return self._place(frame, set())

    def _place(self, frame: Any, tried: set[int]) -> bool:
        for index, pattern in enumerate(self._patterns):
            if index in tried or not fits(pattern, frame):
                continue
            tried.add(index)
            if index not in self._frames or self._place(self._frames[index], tried):
                self._frames[index] = frame
                return True
        return False

    @property
    def missing(self) -> list[Pattern]:
        """Patterns without a frame."""
        return [pattern for index, pattern in enumerate(self._patterns) if index not in self._frames]

    @property
    def frames(self) -> list[Any]:
        """The frames in the order of their patterns."""
        return [self._frames[index] for index in sorted(self._frames)]
