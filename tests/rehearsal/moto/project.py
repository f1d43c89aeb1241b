"""A copy of the project that a test may change and deploy, without requirements; other tests cover the package.

Chalice would fetch them from a package index, which takes seconds and a network.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.processes import ROOT


def copied(to: Path) -> Path:
    """Copies the files that a deploy reads to `to`."""
    to.mkdir()
    shutil.copy(ROOT / "app.py", to)
    shutil.copytree(ROOT / "chalicelib", to / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    ignored = shutil.ignore_patterns("deployed", "deployments", "venv", "local.key")
    shutil.copytree(ROOT / ".chalice", to / ".chalice", ignore=ignored)
    (to / "requirements.txt").write_text("")
    return to


def change(path: Path, how: Callable[[Any], None]) -> None:
    """Changes a JSON file in place."""
    document = json.loads(path.read_text(encoding="utf-8"))
    how(document)
    path.write_text(json.dumps(document), encoding="utf-8")
