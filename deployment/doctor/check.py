"""One thing that is examined, and what came of it. Knows neither the files nor AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from deployment.doctor.findings import Findings, NotRead


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


def note(sentence: str) -> Verdict:
    return Verdict(Outcome.NOTE, (sentence,))


@dataclass(frozen=True)
class Check:
    """`title` is what holds where it is ok, `source` where one reads why it should."""

    id: str
    title: str
    source: str
    examine: Callable[[Findings], Verdict]


@dataclass(frozen=True)
class Result:
    """A check and its verdict."""

    check: Check
    verdict: Verdict

    @property
    def outcome(self) -> Outcome:
        return self.verdict.outcome


def examine(checks: Iterable[Check], findings: Findings) -> tuple[Result, ...]:
    """Each check in its order. What could not be read has a check of its own, and is a note in the others."""
    return tuple(Result(check, _examined(check, findings)) for check in checks)


def _examined(check: Check, findings: Findings) -> Verdict:
    try:
        return check.examine(findings)
    except NotRead as error:
        return note(f"Not looked at, since {error.check} failed.")
