"""A copy of the project in which a test breaks one thing."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deployment import runtimes
from deployment.aws import Aws
from deployment.doctor import examination, project
from deployment.doctor.check import Outcome, Result
from tests.sources import ROOT

TODAY = date(2026, 12, 1)


class Project:
    """`app.py`, requirements and `.chalice/` without keys, for this interpreter and at `TODAY`.

    `monkeypatch` restores everything else.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.monkeypatch = monkeypatch
        self.folder = root / ".chalice"
        self.folder.mkdir()
        for source in (ROOT / "app.py", *(ROOT / f"requirements.{kind}" for kind in ("in", "lock", "txt"))):
            shutil.copy(source, root)
        for source in (ROOT / ".chalice").glob("*.json"):
            shutil.copy(source, self.folder)
        shutil.copytree(ROOT / ".chalice" / "policies", self.folder / "policies")
        monkeypatch.setattr(project, "_today", lambda: TODAY)
        with self.edited("operations.json") as operations:
            for stage in operations.values():
                stage["runtime"] = runtimes.INTERPRETER

    @contextmanager
    def edited(self, name: str) -> Iterator[Any]:
        """The document of a file in `.chalice/`; changes are written back."""
        path = self.folder / name
        document = json.loads(path.read_text())
        yield document
        path.write_text(json.dumps(document))

    def code(self, change: Callable[[str], str]) -> None:
        """Changes app.py, which is then imported again."""
        path = self.root / "app.py"
        path.write_text(change(path.read_text()))
        self.monkeypatch.setattr(sys, "path", list(sys.path))
        self.monkeypatch.setitem(sys.modules, "app", None)  # so that what is imported next is forgotten afterwards
        del sys.modules["app"]

    def examine(self, stage: str, aws: Aws | None = None) -> dict[str, Result]:
        """The results by the id of their check."""
        return {one.check.id: one for one in examination.examine(self.root, stage, aws)}


def failed(results: Mapping[str, Result]) -> dict[str, str]:
    """Sentences of the failed checks, by their ids."""
    return {id: " ".join(one.findings) for id, one in results.items() if one.outcome is Outcome.FAILED}
