"""A copy of the project in which a test breaks one thing."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployment.doctor import examination
from deployment.doctor.check import Outcome, Result
from tests.sources import ROOT

FILES = ("config.json", "operations.json", "resources.json")


class Project:
    """`app.py` and `.chalice/` without keys and records; `monkeypatch` restores everything else."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.monkeypatch = monkeypatch
        self.folder = root / ".chalice"
        self.folder.mkdir()
        shutil.copy(ROOT / "app.py", root)
        for source in (ROOT / ".chalice").glob("*.json"):
            shutil.copy(source, self.folder)
        shutil.copytree(ROOT / ".chalice" / "policies", self.folder / "policies")

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
        self.monkeypatch.delitem(sys.modules, "app", raising=False)

    def examine(self, stage: str) -> tuple[Result, ...]:
        return examination.examine(self.root, stage)


def failed(results: tuple[Result, ...]) -> dict[str, str]:
    """Sentences of the failed checks, by their ids."""
    return {one.check.id: " ".join(one.verdict.sentences) for one in results if one.outcome is Outcome.FAILED}
