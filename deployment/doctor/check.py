"""A check and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Note(str):
    """A finding that is worth knowing and needs no action. Any other sentence is a problem."""

    __slots__ = ()


class Unknown(Exception):
    """The check cannot be made; the message becomes a note."""


class Outcome(Enum):
    """Possible outcomes of a check."""

    OK = "ok"
    NOTE = "note"
    FAILED = "FAILED"  # blocks the deploy


@dataclass(frozen=True)
class Check(Generic[T]):
    """`title` states the rule that holds if the check passes; `source` is a page that explains it.

    `examine` finds sentences: what is wrong, and what to do.
    """

    id: str
    title: str
    source: str
    examine: Callable[[T], Iterable[str]]


def check(id: str, title: str, source: str) -> Callable[[Callable[[T], Iterable[str]]], Check[T]]:
    """Makes a check of the function that examines."""
    return lambda examine: Check(id, title, source, examine)


@dataclass(frozen=True)
class Result:
    """A check and its findings."""

    check: Check[Any]
    findings: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        if all(isinstance(one, Note) for one in self.findings):
            return Outcome.NOTE if self.findings else Outcome.OK
        return Outcome.FAILED


def examine(checks: Iterable[Check[T]], about: T) -> tuple[Result, ...]:
    """Runs the checks in order. Unreadable input fails its own check, and is a note in the others."""
    return tuple(Result(one, tuple(dict.fromkeys(answers([partial(one.examine, about)])))) for one in checks)


def answers(questions: Iterable[Callable[[], Iterable[str]]]) -> Iterator[str]:
    """All findings. A question that cannot be answered does not hide those of the others, nor its own before that."""
    for question in questions:
        try:
            yield from question()
        except Unknown as unknown:
            yield Note(unknown)
