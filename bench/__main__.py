"""`python -m bench`: measures everything, prints a table, fails if a figure is missed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bench import crowd, echoes, fixtures, frames, importing, loading, publish, requests
from bench.figures import Figure, progress, table

BENCHES: dict[str, Callable[[], Figure]] = {
    "frame": echoes.measure_frame,
    "set-up": echoes.measure_set_up,
    "publish": publish.measure,
    "requests": requests.measure_usual,
    "quick-requests": requests.measure_quick,
    "frames": frames.measure,
    "crowd": crowd.measure,
    "fixtures": fixtures.measure,
    "loading": loading.measure,
    "import": importing.measure_compiled,
    "import-uncompiled": importing.measure_uncompiled,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHES)} (default: all)")
    names = parser.parse_args().names or list(BENCHES)
    if unknown := set(names) - set(BENCHES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    figures = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures.append(BENCHES[name]())
        progress("")
    print(table(figures))
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
