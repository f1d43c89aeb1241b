"""How much the fuzzed tests try: 200 examples, the same each time; `make fuzz` tries more, and others each time."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

VARIABLE = "FUZZ_EXAMPLES"
EXAMPLES = int(os.environ.get(VARIABLE, "200"))


def thorough(examples: int = EXAMPLES, *, shrinks: bool = False, **others: Any) -> settings:
    """`shrinks` looks for the smallest failing example, which needs examples that do not see each other's sessions."""
    return settings(
        max_examples=examples,
        derandomize=VARIABLE not in os.environ,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if shrinks else [Phase.generate],
        suppress_health_check=list(HealthCheck),
        **others,
    )
