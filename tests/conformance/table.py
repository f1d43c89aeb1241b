"""The report of `make conformance`: for each section its facts, how many hold, and which do not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from tests.conformance.facts import CONFIDENCE, LEFT_OUT, SECTIONS, Confidence, owed

_NAME = re.compile(r"test_([a-h]\d+)_")


class Outcome(Enum):
    HOLDS = "holds"
    MISSED = "missed"
    UNSEEN = "not observable there"


@dataclass(frozen=True)
class Result:
    """Result of the test of a fact. `why` is a sentence."""

    outcome: Outcome
    why: str = ""


def fact_of(test_name: str) -> str | None:
    """The fact that a test covers: "A5" for `test_a5_…`."""
    match = _NAME.match(test_name)
    return match[1].upper() if match else None


def worst(results: list[Result]) -> Result:
    """Joins the results of a fact whose test has several parameters."""
    return max(results, key=lambda result: (Outcome.UNSEEN, Outcome.HOLDS, Outcome.MISSED).index(result.outcome))


def table(gateway: str, results: Mapping[str, Result]) -> str:
    """The whole report; `results` by fact."""
    head = ("", "section", "facts", "hold", "missed", "unseen", "left out", "low")
    rows: list[tuple[str, ...]] = [head]
    for section, title in SECTIONS.items():
        rows.append((section, title, *_counts([each for each in CONFIDENCE if each[0] == section], results)))
    rows.append(("", "all", *_counts(list(CONFIDENCE), results)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [f"{gateway}, fact by fact", ""]
    for row in rows:
        cells = [
            cell.ljust(width) if n < 2 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    lines += ["", "low: one report or an inference, and no test is owed."]
    lines += _listed("missed", {each: r.why for each, r in results.items() if r.outcome is Outcome.MISSED})
    lines += _listed(
        "unseen: not observable there", {each: r.why for each, r in results.items() if r.outcome is Outcome.UNSEEN}
    )
    lines += _listed("left out", {each: f"{left.says}: {left.reason}" for each, left in LEFT_OUT.items()})
    return "\n".join(lines)


def _counts(numbers: list[str], results: Mapping[str, Result]) -> tuple[str, ...]:
    outcomes = [results[each].outcome for each in numbers if each in results]
    low = [each for each in numbers if CONFIDENCE[each] is Confidence.LOW and each not in results]
    left_out = [each for each in numbers if each in LEFT_OUT and each not in low]
    counted = (len(numbers), *(outcomes.count(each) for each in Outcome), len(left_out), len(low))
    return tuple(str(count) if count else "·" for count in counted)


def _listed(title: str, facts: Mapping[str, str]) -> list[str]:
    if not facts:
        return []
    ordered = sorted(facts, key=lambda each: (each[0], int(each[1:])))
    return ["", f"{title}:", *(f"  {each:<4} {facts[each]}" for each in ordered)]


def untested(tested: set[str]) -> list[str]:
    """Facts that need a test and have none."""
    return [each for each in owed() if each not in tested]
