"""How figures are taken and shown: medians of runs that alternate, side by side."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

_Taken = TypeVar("_Taken")


@dataclass(frozen=True)
class Figure:
    """One line of the result: what was measured, ours, the rival's (or a bound), and what is asked of it."""

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
    """The median of each act's figures, taken in turns so that a busy moment meets all of them."""
    return [statistics.median(figures) for figures in each_in_turns(runs, *acts)]


def each_in_turns(runs: int, *acts: Callable[[], _Taken]) -> list[list[_Taken]]:
    """All that each act gave, taken in turns."""
    taken: list[list[_Taken]] = [[] for _ in acts]
    for run in range(runs):
        for figures, act in zip(taken, acts, strict=True):
            figures.append(act())
        progress(f"{run + 1}/{runs}")
    return taken


def progress(text: str) -> None:
    """Says on a terminal how far a long measurement is."""
    if sys.stderr.isatty():
        print(f"\r\033[K  {text}", end="", file=sys.stderr, flush=True)


def table(figures: Sequence[Figure]) -> str:
    rows = [("what", "ours", "beside it", "asked", "")]
    rows += [(one.what, one.ours, one.beside, one.asked, "met" if one.met else "MISSED") for one in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
