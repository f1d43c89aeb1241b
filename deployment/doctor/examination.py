"""A whole examination of a stage: its files read once, each check asked. What a deploy and a package begin with."""

from __future__ import annotations

from pathlib import Path

from deployment.doctor import check, findings, report
from deployment.doctor.check import Result
from deployment.doctor.registry import CHECKS
from deployment.errors import DeploymentError


def examine(root: Path, stage: str) -> tuple[Result, ...]:
    """What each check says of the stage of the project at `root`. Asks AWS nothing."""
    return check.examine(CHECKS, findings.read(root, stage))


def refuse_unsafe(root: Path, stage: str) -> str:
    """The summary of an examination without failures. Raises DeploymentError with what each failure says."""
    results = examine(root, stage)
    failures = report.failures(results)
    if failures:
        told = "".join(f"\n  {one.check.id}: {' '.join(one.verdict.sentences)}" for one in failures)
        raise DeploymentError(f"The stage {stage} is not fit to be deployed until this is mended (make doctor):{told}")
    return report.summary(results)
