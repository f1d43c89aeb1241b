"""Leftovers and deviations that fail a test although its body passed, and the switch that allows each kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_sessionplugin.options import BLOCKED_CALLS, LEFT_THREADS, OFF_CONTRACT, OPEN_SOCKETS, UNFIRED_FAULTS

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.faults import Fault
    from pytest_sessionplugin.aws.races import Race
    from pytest_sessionplugin.contract.contract import Deviation
    from pytest_sessionplugin.errors import BlockedCall
    from pytest_sessionplugin.lambdas.threads import Left


MOST = 5  # deviations that are told, of different places in the contract


@dataclass(frozen=True)
class Problem:
    """A leftover, or a deviation. Its text ends with the mark that allows it."""

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
    off_contract: Sequence[tuple[Deviation, str]] = (),
    allowed: Iterable[str] = (),
) -> list[Problem]:
    """`off_contract` has each deviation with its line of the trace."""
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
    if off_contract:
        found.append(Problem(_told(off_contract), OFF_CONTRACT))
    return [problem for problem in found if problem.switch not in set(allowed)]


def _told(deviations: Sequence[tuple[Deviation, str]]) -> str:
    """The first deviation of each place in the contract."""
    by_place: dict[str, list[tuple[Deviation, str]]] = {}
    for deviation, line in deviations:
        by_place.setdefault(deviation.place, []).append((deviation, line))
    told = []
    for place, here in list(by_place.items())[:MOST]:
        first, line = here[0]
        times = f" ({len(here)} times like this)" if len(here) > 1 else ""
        told.append(f"off the contract: {first.sentence}{times}\n    {place}\n  {line}")
    more = len(by_place) - MOST
    return "\n".join([*told, *([f"… and {more} more places of the contract"] if more > 0 else [])])
