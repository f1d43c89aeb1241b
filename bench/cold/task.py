"""A folder with the files that a Lambda function finds: the service, its requirements, Chalice and botocore."""

from __future__ import annotations

import compileall
import shutil
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.processes import ROOT

DATA = {"dynamodb"}  # the other service descriptions make botocore ten times as large
WITHOUT_COMPILED = shutil.ignore_patterns("__pycache__")


def lay_out(folder: Path, *, compiled: bool) -> None:
    """Fills `folder` from the environment that runs the benchmark."""
    requirements = (ROOT / "requirements.txt").read_text().splitlines()
    for found in needed([*(line for line in requirements if line and not line.startswith("#")), "botocore"]).values():
        copy(found, folder)
    shutil.copytree(
        Path(str(distribution("chalice").locate_file("chalice"))), folder / "chalice", ignore=WITHOUT_COMPILED
    )
    shutil.copytree(ROOT / "chalicelib", folder / "chalicelib", ignore=WITHOUT_COMPILED)
    shutil.copy(ROOT / "app.py", folder)
    shutil.copy(ROOT / "bench" / "cold" / "usual_app.py", folder)
    if compiled:
        compileall.compile_dir(folder, quiet=2)


def needed(requirements: list[str]) -> dict[str, Distribution]:
    """The installed distributions that these requirements need, directly or through others."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        asked = waiting.pop()
        name = canonicalize_name(asked.name)
        found.setdefault(name, distribution(name))
        for extra in asked.extras or {""}:
            further = [Requirement(line) for line in found[name].requires or []]
            waiting += [
                one
                for one in further
                if canonicalize_name(one.name) not in found
                and (one.marker is None or one.marker.evaluate({"extra": extra}))
            ]
    return found


def copy(found: Distribution, folder: Path) -> None:
    for file in found.files or []:
        parts = file.parts
        if "__pycache__" in parts or parts[0] == "..":
            continue
        if parts[:2] == ("botocore", "data") and len(parts) > 3 and parts[2] not in DATA:
            continue
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(file.locate()), target)
