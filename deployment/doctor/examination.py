"""Reads a stage's files once and runs all checks. A deploy and a package begin with this.

The account is asked only on request: its answers change without the project and need further permissions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from deployment.aws import Aws
from deployment.doctor import check, findings, report
from deployment.doctor.account.account import Account
from deployment.doctor.check import Note, Outcome, Result
from deployment.doctor.registry import CHECKS, CHECKS_OF_ACCOUNT
from deployment.errors import DeploymentError

ACCEPTABLE: Final = frozenset(one.id for one in (*CHECKS, *CHECKS_OF_ACCOUNT)) - {"stage", "app", "identity"}
"""Checks whose findings may be accepted. Where the others fail, little can be checked."""


def examine(root: Path, stage: str, aws: Aws | None = None) -> tuple[Result, ...]:
    """The result of each check of the stage at `root`; with `aws`, of its account as well."""
    found = findings.read(root, stage, ACCEPTABLE)
    results = {one.check.id: one for one in check.examine(CHECKS, found)}
    if aws is not None:
        results |= {one.check.id: one for one in check.examine(CHECKS_OF_ACCOUNT, Account(aws, found))}
    known = found.stage_part.value
    return tuple(_accepted(results.values(), {} if known is None else known.accepted))


def refuse_unsafe(root: Path, stage: str) -> str:
    """The summary of an examination without failures. Raises DeploymentError with each failure's sentences."""
    results = examine(root, stage)
    failures = report.failures(results)
    if failures:
        told = "".join(f"\n  {one.check.id}: {' '.join(one.findings)}" for one in failures)
        raise DeploymentError(
            f"The stage {stage} cannot be deployed until these failures are fixed (make doctor):{told}"
        )
    return report.summary(results)


def _accepted(results: Iterable[Result], reasons: Mapping[str, str]) -> Iterator[Result]:
    """The results, with each accepted failure as a note that gives the reason."""
    for one in results:
        if one.check.id not in reasons or one.outcome is Outcome.NOTE:
            yield one
        elif one.outcome is Outcome.FAILED:
            told = (*one.findings, f"Accepted: {reasons[one.check.id]}")
            yield Result(one.check, tuple(Note(sentence) for sentence in told))
        else:
            yield Result(one.check, (Note("Nothing is wrong any more: take this check out of accepted."),))
