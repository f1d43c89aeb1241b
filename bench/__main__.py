"""Measures the gateway, the server and the service beside their rivals, and fails if a target is missed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bench import crowd, echoes, fixtures, frames, importing, items, loading, publish, requests
from bench.figures import FULL, SMOKE, Effort, Figure, progress, table

BENCHES: dict[str, Callable[[Effort], Figure]] = {
    "frame": echoes.measure_frame,
    "set-up": echoes.measure_set_up,
    "publish": publish.measure,
    "requests": requests.measure_usual,
    "quick-requests": requests.measure_quick,
    "frames": frames.measure,
    "crowd": crowd.measure,
    "put-and-get": items.measure_put_and_get,
    "update": items.measure_update,
    "query": items.measure_query,
    "transaction": items.measure_transaction,
    "table-copy": items.measure_copy,
    "fixtures": fixtures.measure,
    "loading": loading.measure,
    "import": importing.measure_compiled,
    "import-uncompiled": importing.measure_uncompiled,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"benchmarks to run: {', '.join(BENCHES)} (default: all)"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="one short round of each, to see that it runs; judges nothing"
    )
    asked = parser.parse_args()
    names = asked.names or list(BENCHES)
    if unknown := set(names) - set(BENCHES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(BENCHES)}")
    figures = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures.append(BENCHES[name](SMOKE if asked.smoke else FULL))
        progress("")
    print(table(figures, judged=not asked.smoke))
    if asked.smoke:
        print("smoke: each benchmark ran; the figures of one short round are not judged")
        return 0
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
