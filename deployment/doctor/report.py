"""The findings as lines for people and as JSON for programs. Judges nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TextIO

from deployment.doctor.check import Outcome, Result

COLOURS: Final = {Outcome.OK: "32", Outcome.NOTE: "33", Outcome.FAILED: "1;31"}
WIDTH: Final = max(len(outcome.value) for outcome in Outcome)


def failures(results: Sequence[Result]) -> list[Result]:
    return [one for one in results if one.outcome is Outcome.FAILED]


def lines(stage: str, results: Sequence[Result], *, coloured: bool) -> Iterator[str]:
    """One line for each check, failures last, and a summary."""
    columns = max((len(one.check.id) for one in results), default=0)
    for one in sorted(results, key=lambda one: one.outcome is Outcome.FAILED):
        said = " ".join(one.findings) or f"{one.check.title}."
        yield f"{_word(one.outcome, coloured)}  {one.check.id:{columns}}  {said}"
    yield f"{stage}: {summary(results)}"


def summary(results: Sequence[Result]) -> str:
    """Such as `34 checks: 32 ok, 2 notes, 0 failed`."""
    counts = Counter(one.outcome for one in results)
    notes = counts[Outcome.NOTE]
    return (
        f"{len(results)} checks: {counts[Outcome.OK]} ok, {notes} note{'' if notes == 1 else 's'}, "
        f"{counts[Outcome.FAILED]} failed"
    )


def document(stage: str, results: Sequence[Result]) -> str:
    """`{"stage", "failed", "checks": [{"id", "title", "source", "outcome", "sentences"}]}`."""
    checks = [
        {
            "id": one.check.id,
            "title": one.check.title,
            "source": one.check.source,
            "outcome": one.outcome.name.lower(),
            "sentences": list(one.findings),
        }
        for one in results
    ]
    return json.dumps({"stage": stage, "failed": len(failures(results)), "checks": checks}, indent=2)


def is_coloured(out: TextIO, environment: Mapping[str, str]) -> bool:
    """On a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return out.isatty() and not environment.get("NO_COLOR")


def _word(outcome: Outcome, coloured: bool) -> str:
    word = f"{outcome.value:{WIDTH}}"
    return f"\x1b[{COLOURS[outcome]}m{word}\x1b[0m" if coloured else word
