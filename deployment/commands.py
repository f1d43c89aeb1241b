"""The steps of the commands that change an account. Each step can be repeated."""

from __future__ import annotations

from typing import Any

from deployment import documents
from deployment.stage import Stage


def tables_template(stage: Stage) -> dict[str, Any]:
    """`.chalice/resources.json`, unchanged."""
    return documents.read(stage.folder / "resources.json")


def tables_parameters(stage: Stage) -> dict[str, str]:
    """Parameters of `.chalice/resources.json`: kept tables cannot be deleted, and can be restored to any second."""
    return {"Stage": stage.name, "Kept": str(stage.kept).lower()}
