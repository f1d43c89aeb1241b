"""One thing that is examined, and what came of it. Knows neither the files nor AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")


class Unknown(Exception):
    """There is nothing to judge; the message is the note that says why."""


class Outcome(Enum):
    """What a check may come to."""

    OK = "ok"
    NOTE = "note"  # worth knowing; nothing has to be done
    FAILED = "FAILED"  # the stage is not deployed


@dataclass(frozen=True)
class Verdict:
    """An outcome, and for each thing that is to be said a sentence: what is wrong and what to do."""

    outcome: Outcome
    sentences: tuple[str, ...] = ()


OK: Final = Verdict(Outcome.OK)


def failed(problems: Iterable[str]) -> Verdict:
    """A failure, if there is a problem at all."""
    said = tuple(problems)
    return Verdict(Outcome.FAILED, said) if said else OK


def told(problems: Iterable[str], notes: Iterable[str]) -> Verdict:
    """A failure if there is a problem, a note if there is something to know; all of it is said."""
    wrong, known = tuple(problems), tuple(notes)
    if wrong:
        return Verdict(Outcome.FAILED, (*wrong, *known))
    return Verdict(Outcome.NOTE, known) if known else OK


def answers(questions: Iterable[Callable[[], Iterable[str]]]) -> Verdict:
    """The problems that each question finds; one that is not answered hides nothing of what the others find."""
    problems: list[str] = []
    notes: dict[str, None] = {}
    for question in questions:
        try:
            for problem in question():
                problems.append(problem)  # one by one: those before an Unknown count
        except Unknown as unknown:
            notes[str(unknown)] = None
    return told(problems, notes)


def note(sentence: str) -> Verdict:
    return Verdict(Outcome.NOTE, (sentence,))


@dataclass(frozen=True)
class Check(Generic[T]):
    """`title` is what holds where it is ok, `source` where one reads why it should."""

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
    """Each check in its order. What could not be read has a check of its own, and is a note in the others."""
    return tuple(Result(check, _examined(check, about)) for check in checks)


def _examined(check: Check[T], about: T) -> Verdict:
    try:
        return check.examine(about)
    except Unknown as unknown:
        return note(str(unknown))
