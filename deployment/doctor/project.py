"""Checks of the project's files: readable, consistent, and built for a runtime that Lambda supports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from deployment import dependencies, runtimes
from deployment.doctor.check import Note, check
from deployment.doctor.findings import Findings
from deployment.errors import DeploymentError

CONFIGURATION: Final = "https://aws.github.io/chalice/topics/configfile.html"


@check("stage", "The files describe the stage, its account and its region", CONFIGURATION)
def stage(findings: Findings) -> Iterator[str]:
    if findings.stage_part.trouble:
        yield findings.stage_part.trouble
    elif findings.stage.account is None or findings.stage.region is None:
        yield Note("A deploy will ask for the account and the region: name both in .chalice/operations.json.")


@check("app", "Chalice finds what to deploy in app.py", CONFIGURATION)
def app(findings: Findings) -> Iterator[str]:
    if findings.plan_part.trouble:
        yield findings.plan_part.trouble
    findings.plan_part.get()


@check("runtime", "Lambda supports the runtime, and this interpreter has its version", runtimes.PAGE)
def runtime(findings: Findings) -> Iterator[str]:
    name, today = findings.stage.runtime, _today()
    yield from runtimes.problems(name, today)
    yield from map(Note, runtimes.notes(name, today))


def _today() -> date:
    return datetime.now(UTC).date()


@check("lock", "Dependencies are locked, with hashes", "https://pip.pypa.io/en/stable/topics/secure-installs/")
def lock(findings: Findings) -> Iterator[str]:
    try:
        yield from dependencies.disagreements(findings.root)
    except DeploymentError as error:
        yield str(error)
