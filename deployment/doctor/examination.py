"""Reads a stage's files once and runs all checks. A deploy and a package begin with this.

The account is asked only on request: its answers change without the project and need further permissions.
"""

from __future__ import annotations

from pathlib import Path

from deployment.aws import Aws
from deployment.doctor import check, findings, report
from deployment.doctor.account import registry
from deployment.doctor.account.account import Account
from deployment.doctor.check import Result
from deployment.doctor.registry import CHECKS
from deployment.errors import DeploymentError


def examine(root: Path, stage: str, aws: Aws | None = None) -> tuple[Result, ...]:
    """The result of each check of the stage at `root`; with `aws`, of its account as well."""
    found = findings.read(root, stage)
    results = check.examine(CHECKS, found)
    return results if aws is None else (*results, *check.examine(registry.CHECKS, Account(aws, found)))


def refuse_unsafe(root: Path, stage: str) -> str:
    """The summary of an examination without failures. Raises DeploymentError with each failure's sentences."""
    results = examine(root, stage)
    failures = report.failures(results)
    if failures:
        told = "".join(f"\n  {one.check.id}: {' '.join(one.verdict.sentences)}" for one in failures)
        raise DeploymentError(
            f"The stage {stage} cannot be deployed until these failures are fixed (make doctor):{told}"
        )
    return report.summary(results)
