"""Lambda's Python runtimes and the days on which AWS ends them.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

PAGE: Final = "https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"
INTERPRETER: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""The runtime of this interpreter, which Chalice packages for."""
SOON: Final = timedelta(days=180)
"""AWS itself gives notice of a deprecation 180 days before:

https://docs.aws.amazon.com/lambda/latest/dg/runtime-support-policy.html
"""


@dataclass(frozen=True)
class Runtime:
    """Deprecated runtimes get no security updates. Later, Lambda creates no function with one, then updates none."""

    deprecated: date
    creation_blocked: date
    update_blocked: date


RUNTIMES: Final = {
    "python3.9": Runtime(date(2025, 12, 15), date(2027, 2, 1), date(2027, 3, 3)),
    "python3.10": Runtime(date(2026, 10, 31), date(2027, 2, 1), date(2027, 3, 3)),
    "python3.11": Runtime(date(2027, 6, 30), date(2027, 7, 31), date(2027, 8, 31)),
    "python3.12": Runtime(date(2028, 10, 31), date(2028, 11, 30), date(2029, 1, 10)),
    "python3.13": Runtime(date(2029, 6, 30), date(2029, 7, 31), date(2029, 8, 31)),
    "python3.14": Runtime(date(2029, 6, 30), date(2029, 7, 31), date(2029, 8, 31)),
}


def problems(runtime: str, today: date, interpreter: str = INTERPRETER) -> Iterator[str]:
    """One sentence for each reason not to deploy with the runtime."""
    known = RUNTIMES.get(runtime)
    if known is None:
        yield f"{runtime} is not a runtime in deployment/runtimes.py, which has {', '.join(RUNTIMES)}: see {PAGE}."
    elif known.deprecated <= today:
        yield (
            f"Lambda deprecated {runtime} on {known.deprecated}: it gets no security updates, and no function can be "
            f"created with it from {known.creation_blocked}, nor updated from {known.update_blocked}. "
            f"Set the runtime to {newest()} in .chalice/operations.json."
        )
    if runtime != interpreter:
        yield (
            f"The runtime is {runtime} and this interpreter {interpreter}, which Chalice packages for: "
            f"run the deployment with {runtime}, or set the runtime in .chalice/operations.json."
        )


def notes(runtime: str, today: date) -> Iterator[str]:
    """A sentence for a runtime that Lambda deprecates soon."""
    known = RUNTIMES.get(runtime)
    if known and today < known.deprecated < today + SOON:
        left = (known.deprecated - today).days
        yield f"Lambda deprecates {runtime} on {known.deprecated}, in {left} days: plan a move to {newest()}."


def newest() -> str:
    """The last runtime of the table."""
    return list(RUNTIMES)[-1]
