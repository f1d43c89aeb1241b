"""Lambda's Python runtimes and the days on which AWS ends them.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

PAGE: Final = "https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"
INTERPRETER: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""The runtime of this interpreter, which Chalice packages for."""
SOON: Final = timedelta(days=180)
"""AWS itself gives notice of a deprecation 180 days before:

https://docs.aws.amazon.com/lambda/latest/dg/runtime-support-policy.html
"""


RUNTIMES: Final = {
    "python3.9": date(2025, 12, 15),
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
"""The day from which each gets no security updates. Later, Lambda creates no function with it, then updates none."""


def problems(runtime: str, today: date, interpreter: str = INTERPRETER) -> Iterator[str]:
    """One sentence for each reason not to deploy with the runtime."""
    deprecated = RUNTIMES.get(runtime)
    if deprecated is None:
        yield f"{runtime} is not a runtime in deployment/runtimes.py, which has {', '.join(RUNTIMES)}: see {PAGE}."
    elif deprecated <= today:
        yield (
            f"Lambda deprecated {runtime} on {deprecated}: it gets no security updates. "
            f"Set the runtime to {newest()} in .chalice/operations.json."
        )
    if runtime != interpreter:
        yield (
            f"The runtime is {runtime} and this interpreter {interpreter}, which Chalice packages for: "
            f"run the deployment with {runtime}, or set the runtime in .chalice/operations.json."
        )


def notes(runtime: str, today: date) -> Iterator[str]:
    """A sentence for a runtime that Lambda deprecates soon."""
    deprecated = RUNTIMES.get(runtime)
    if deprecated and today < deprecated < today + SOON:
        left = (deprecated - today).days
        yield f"Lambda deprecates {runtime} on {deprecated}, in {left} days: plan a move to {newest()}."


def newest() -> str:
    """The last runtime of the table."""
    return list(RUNTIMES)[-1]
