"""Checks of the functions as Chalice would deploy them: timeout, debugging, environment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

from chalicelib import settings
from chalicelib.delivery import DEADLINE
from chalicelib.errors import SettingsError
from deployment.doctor import apis
from deployment.doctor.check import check
from deployment.doctor.findings import Findings
from deployment.plan import PlannedFunction

GATEWAY: Final = 29  # seconds that API Gateway waits for an answer
SCHEDULE: Final = 60  # seconds between two sweeps
STARTS: Final = 5  # seconds: a cold start, and a call to the key store with its timeout and second attempt
UNDER_WAY: Final = 6  # seconds: a post and a close begun just before the deadline, and the answer to the sender
DELIVERS: Final = math.ceil(DEADLINE.total_seconds()) + UNDER_WAY
REACH: Final = "execute-api:ManageConnections"
ELSEWHERE: Final = ("AWS_ENDPOINT_URL", "HTTP_PROXY", "HTTPS_PROXY")


@check("function-timeout", "Each function has enough time, and no more than its caller", f"{apis.GUIDE}/limits.html")
def timeout(findings: Findings) -> Iterator[str]:
    for one in findings.plan.functions:
        for reason, bound in _bounds(one, delivers=_delivers(findings, one)):
            yield f"{one.name} may run for {one.timeout} s, {reason}: set its lambda_timeout to {bound}."


def _bounds(one: PlannedFunction, *, delivers: bool) -> Iterator[tuple[str, str]]:
    most = GATEWAY if one.behind_gateway else SCHEDULE
    if one.timeout > most:
        reason = f"and API Gateway waits {most} s" if one.behind_gateway else f"and runs again every {most} s"
        yield reason, f"{most} or less"
    if one.timeout < STARTS:
        yield "and may need that long to start and to fetch a key", f"{STARTS} or more"
    elif one.timeout < DELIVERS and delivers:
        yield f"and delivers frames for up to {DELIVERS} s", f"{DELIVERS} or more"


def _delivers(findings: Findings, one: PlannedFunction) -> bool:
    """Whether its policy lets it send frames, which may take until the deadline of a delivery."""
    part = findings.policies.get(one.name)
    return part is not None and any(grant.allows(REACH) for grant in part.value or ())


@check("app-debug", "No answer shows a traceback", "https://aws.github.io/chalice/api.html#Chalice.debug")
def debugging(findings: Findings) -> Iterator[str]:
    if findings.plan.debug:
        yield "An error in a route shows its traceback to the client: take app.debug out of app.py."


@check("environment", "The service would start with its variables", "https://www.rfc-editor.org/rfc/rfc8725")
def environment(findings: Findings) -> Iterator[str]:
    said: dict[str, list[str]] = {}
    for one in findings.plan.functions:
        for problem in (*_problems(one), *_not_of(findings.name, one)):
            said.setdefault(problem, []).append(one.name)
    yield from (f"{problem} It is so in {', '.join(names)}." for problem, names in said.items())


def _problems(one: PlannedFunction) -> Iterator[str]:
    try:
        settings.from_environment(as_in_lambda(one), lambda: "")
    except SettingsError as error:
        yield from error.problems
    for name, value in one.environment.items():
        if "*" in value and name != "ALLOWED_ORIGINS":
            yield f"{name} holds a *, and stands for nothing but itself: name what is meant."


def _not_of(stage: str, one: PlannedFunction) -> Iterator[str]:
    """Variables that the service accepts with another meaning."""
    if one.environment.get("STAGE") != stage:
        yield f"STAGE is not {stage}, so its alarms would watch other metrics than it writes."
    for name in one.environment:
        if name.startswith(ELSEWHERE):
            yield f"{name} sends calls meant for AWS elsewhere: take it out."


def as_in_lambda(one: PlannedFunction) -> Mapping[str, str]:
    """The environment, with the variables that Lambda adds."""
    return {**one.environment, "AWS_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": one.full_name}
