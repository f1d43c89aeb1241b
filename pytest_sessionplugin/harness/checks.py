"""Leftovers that fail a test although its body passed, and the switch that allows each kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sessionplugin.options import BLOCKED_CALLS, LEFT_THREADS, OPEN_SOCKETS, UNFIRED_FAULTS

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.faults import Fault
    from pytest_sessionplugin.aws.races import Race
    from pytest_sessionplugin.errors import BlockedCall
    from pytest_sessionplugin.lambdas.threads import Left


@dataclass(frozen=True)
class Problem:
    """A leftover. Its text ends with the mark that allows it."""

    what: str
    switch: str

    def __str__(self) -> str:
        return f'{self.what}\n    allow it with @pytest.mark.chalice(allow="{self.switch}")'


def problems(
    *,
    open_sockets: Sequence[str | None] = (),
    unfired: Sequence[Fault] = (),
    not_run: Sequence[Race] = (),
    without_block: Sequence[str] = (),
    blocked: Sequence[BlockedCall] = (),
    left: Sequence[Left] = (),
    allowed: Iterable[str] = (),
) -> list[Problem]:
    found = []
    if open_sockets:
        names = ", ".join(filter(None, open_sockets))  # a deployed stage gives no connection ids
        count = f"{len(open_sockets)} WebSocket{'s' if len(open_sockets) > 1 else ''}"
        found.append(
            Problem(
                f"{count} still open{': ' if names else ''}{names}. Close what a test opens, or open it with `with`.",
                OPEN_SOCKETS,
            )
        )
    found += [Problem(f"a fault never fired: {fault}.", UNFIRED_FAULTS) for fault in unfired]
    found += [Problem(f"a race was never run: no call came to {race}.", UNFIRED_FAULTS) for race in not_run]
    found += [
        Problem(f"{budget} counted nothing: write `with` before it, and the calls below.", UNFIRED_FAULTS)
        for budget in without_block
    ]
    found += [Problem(f"{error}", BLOCKED_CALLS) for error in blocked]
    found += [Problem(f"{thread}", LEFT_THREADS) for thread in left]
    return [problem for problem in found if problem.switch not in set(allowed)]
