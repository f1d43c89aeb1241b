"""Requests a second of `GET /health`, which asks nothing of DynamoDB: `sessionplugin serve` and `chalice local`.

Once as Python's own client gets them, and once with segments acknowledged at once: `chalice local` writes an answer in
two, with Nagle's algorithm on, so that most clients wait 40 ms for each. With the first, no client has such a wait, and
what is compared is the work; the second is what a client has.
"""

from __future__ import annotations

import functools

from bench import callers
from bench.figures import Figure, in_turns
from tests.processes import chalice_local, sessionplugin_serve

SECONDS = 2.0
RUNS = 5
ASKED = 1.5  # times as many
HEALTHY = b'{"status":"ok"}'


def measure_usual() -> Figure:
    return _measured("GET /health", quick=False)


def measure_quick() -> Figure:
    return _measured("the same, each segment acknowledged at once", quick=True)


def _measured(what: str, *, quick: bool) -> Figure:
    with sessionplugin_serve() as served, chalice_local() as local:

        def per_second(url: str, seconds: float = SECONDS) -> float:
            return callers.get(url, "/health", HEALTHY, seconds=seconds, quick=quick).per_second

        for url in (served.http, local):
            per_second(url, 0.5)
        ours, theirs = in_turns(RUNS, functools.partial(per_second, served.http), functools.partial(per_second, local))
    return Figure(
        f"{what}, {callers.CLIENTS} clients",
        f"{ours:.0f}/s",
        f"chalice local {theirs:.0f}/s",
        f"{ASKED:g} times as many",
        ours >= ASKED * theirs,
    )
