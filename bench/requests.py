"""Requests per second of `GET /health`, which makes no AWS call: `sessionplugin serve` and `chalice local`.

`chalice local` writes each answer in two segments with Nagle's algorithm on, so most clients wait 40 ms for it.
`requests` measures that, as a client sees it; `quick-requests` acknowledges each segment at once and compares the work.
"""

from __future__ import annotations

import functools

from bench import callers
from bench.figures import Effort, Figure, in_turns
from tests.processes import chalice_local, sessionplugin_serve

SECONDS = 2.0
RUNS = 5
TARGET = 1.5  # times the rival's rate
HEALTHY = b'{"status":"ok"}'


def measure_usual(effort: Effort) -> Figure:
    return _measured(effort, "GET /health", quick=False)


def measure_quick(effort: Effort) -> Figure:
    return _measured(effort, "GET /health, each segment acknowledged at once", quick=True)


def _measured(effort: Effort, what: str, *, quick: bool) -> Figure:
    with sessionplugin_serve() as served, chalice_local() as local:

        def per_second(url: str, seconds: float = SECONDS) -> float:
            return callers.get(url, "/health", HEALTHY, seconds=effort.seconds(seconds), quick=quick).per_second

        for url in (served.http, local):
            per_second(url, 0.5)
        ours, theirs = in_turns(
            effort.of(RUNS), functools.partial(per_second, served.http), functools.partial(per_second, local)
        )
    return Figure(
        f"{what}, {callers.CLIENTS} clients",
        f"{ours:.0f}/s",
        f"chalice local {theirs:.0f}/s",
        f"{TARGET:g} times as many",
        ours >= TARGET * theirs,
    )
