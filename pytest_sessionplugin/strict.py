"""What fails a test at its end although its body passed, and the switch that allows each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.fault import Fault
    from pytest_sessionplugin.aws.race import Race
    from pytest_sessionplugin.errors import BlockedCall
    from pytest_sessionplugin.left_threads import Left

OPEN_SOCKETS = "open_sockets"
UNFIRED_FAULTS = "unfired_faults"
BLOCKED_CALLS = "blocked_calls"
LEFT_THREADS = "left_threads"
SWITCHES = (OPEN_SOCKETS, UNFIRED_FAULTS, BLOCKED_CALLS, LEFT_THREADS)


@dataclass(frozen=True)
class Problem:
    """Something that was left, and what to write on a test that means it."""

    what: str
    switch: str

    def __str__(self) -> str:
        return f'{self.what}\n    allow it with @pytest.mark.chalice(allow="{self.switch}")'


def problems(
    *,
    open_sockets: Sequence[str | None] = (),
    unfired: Sequence[Fault] = (),
    not_run: Sequence[Race] = (),
    blocked: Sequence[BlockedCall] = (),
    left: Sequence[Left] = (),
    allowed: Iterable[str] = (),
) -> list[Problem]:
    found = []
    if open_sockets:
        names = ", ".join(filter(None, open_sockets))  # a deployed stage tells none
        count = f"{len(open_sockets)} WebSocket{'s' if len(open_sockets) > 1 else ''}"
        found.append(
            Problem(
                f"{count} still open{': ' if names else ''}{names}. Close what a test opens, or open it with `with`.",
                OPEN_SOCKETS,
            )
        )
    found += [Problem(f"a fault never fired: {fault}.", UNFIRED_FAULTS) for fault in unfired]
    found += [Problem(f"a race was never run: no call came to {race}.", UNFIRED_FAULTS) for race in not_run]
    found += [Problem(f"{error}", BLOCKED_CALLS) for error in blocked]
    found += [Problem(f"{thread}", LEFT_THREADS) for thread in left]
    return [problem for problem in found if problem.switch not in set(allowed)]
