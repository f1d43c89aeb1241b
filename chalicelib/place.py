"""Where this runs: in which stage, in which function of Lambda if in any. Reads no setting of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    stage: str
    function: str | None  # None outside of Lambda


def place(environment: Mapping[str, str]) -> Place:
    return Place(environment.get("STAGE", "").strip() or "local", environment.get("AWS_LAMBDA_FUNCTION_NAME") or None)
