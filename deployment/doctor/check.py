"""A check and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")


class Unknown(Exception):
    """The check does not apply; the message becomes the note."""


class Outcome(Enum):
    """Possible outcomes of a check."""

    OK = "ok"
    NOTE = "note"  # worth knowing; needs no action
    FAILED = "FAILED"  # blocks the deploy


@dataclass(frozen=True)
class Verdict:
    """An outcome with one sentence for each problem: what is wrong and what to do."""

    outcome: Outcome
    sentences: tuple[str, ...] = ()


OK: Final = Verdict(Outcome.OK)


def failed(problems: Iterable[str]) -> Verdict:
    """A failure if there is any problem."""
    said = tuple(problems)
    return Verdict(Outcome.FAILED, said) if said else OK


def told(problems: Iterable[str], notes: Iterable[str]) -> Verdict:
    """A failure if there is any problem, a note if there is anything to know; says all of it."""
    wrong, known = tuple(problems), tuple(notes)
    if wrong:
        return Verdict(Outcome.FAILED, (*wrong, *known))
    return Verdict(Outcome.NOTE, known) if known else OK


def answers(questions: Iterable[Callable[[], Iterable[str]]]) -> Verdict:
    """All problems that the questions find. A question that cannot be answered does not hide the others' findings."""
    problems: list[str] = []
    notes: dict[str, None] = {}
    for question in questions:
        try:
            for problem in question():
                problems.append(problem)  # one by one, to keep the problems found before an Unknown
        except Unknown as unknown:
            notes[str(unknown)] = None
    return told(problems, notes)


def note(sentence: str) -> Verdict:
    return Verdict(Outcome.NOTE, (sentence,))


@dataclass(frozen=True)
class Check(Generic[T]):
    """`title` states the rule that holds if the check passes; `source` is a page that explains it."""

    id: str
    title: str
    source: str
    examine: Callable[[T], Verdict]


@dataclass(frozen=True)
class Result:
    """A check and its verdict."""

    check: Check[Any]
    verdict: Verdict

    @property
    def outcome(self) -> Outcome:
        return self.verdict.outcome


def examine(checks: Iterable[Check[T]], about: T) -> tuple[Result, ...]:
    """Runs the checks in order. Unreadable input fails its own check, and is a note in the others."""
    return tuple(Result(check, _examined(check, about)) for check in checks)


def _examined(check: Check[T], about: T) -> Verdict:
    try:
        return check.examine(about)
    except Unknown as unknown:
        return note(str(unknown))
