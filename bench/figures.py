"""Taking and showing figures: medians of alternating runs, side by side."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

_Taken = TypeVar("_Taken")


@dataclass(frozen=True)
class Effort:
    """How much to measure: everything, or one short round that shows that a benchmark still runs."""

    short: bool

    def of(self, full: int, smoke: int = 1) -> int:
        return smoke if self.short else full

    def seconds(self, full: float) -> float:
        return full / 10 if self.short else full


FULL, SMOKE = Effort(short=False), Effort(short=True)


@dataclass(frozen=True)
class Figure:
    """One line of the result: the subject, our figure, the rival's (or a bound), and the target."""

    what: str
    ours: str
    beside: str
    asked: str
    met: bool


def milliseconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def in_turns(runs: int, *acts: Callable[[], float]) -> list[float]:
    """The median of each act's figures. The acts take turns, so that a busy moment slows all of them."""
    return [statistics.median(figures) for figures in each_in_turns(runs, *acts)]


def each_in_turns(runs: int, *acts: Callable[[], _Taken]) -> list[list[_Taken]]:
    """All results of each act; the acts take turns."""
    taken: list[list[_Taken]] = [[] for _ in acts]
    for run in range(runs):
        for figures, act in zip(taken, acts, strict=True):
            figures.append(act())
        progress(f"{run + 1}/{runs}")
    return taken


def progress(text: str) -> None:
    """Shows on a terminal how far a long measurement has come."""
    if sys.stderr.isatty():
        print(f"\r\033[K  {text}", end="", file=sys.stderr, flush=True)


def table(figures: Sequence[Figure], *, judged: bool = True) -> str:
    rows = [("benchmark", "ours", "rival", "target", "")]
    rows += [
        (one.what, one.ours, one.beside, one.asked, ("met" if one.met else "MISSED") if judged else "")
        for one in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
