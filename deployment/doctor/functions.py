"""Checks of the functions as Chalice would deploy them: memory, timeout, tracing, logs, environment."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

from chalicelib import settings
from chalicelib.delivery import DEADLINE
from chalicelib.errors import SettingsError
from deployment.doctor.check import OK, Check, Verdict, failed
from deployment.doctor.findings import Findings
from deployment.plan import PlannedFunction

MEMORY: Final = 512
TIMEOUT: Final = 29
STARTS: Final = 5  # seconds: a cold start, and a call to the key store with its time-out and second attempt
UNDER_WAY: Final = 6  # seconds: a post and a close begun just before the deadline, with their time-outs
KEPT_DAYS: Final = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""


NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
ENVIRONMENT_BYTES: Final = 4096
RESERVED: Final = frozenset(
    {
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
    }
)
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html; 4 KB is on Lambda's page of quotas."""
ELSEWHERE: Final = ("AWS_ENDPOINT_URL", "HTTP_PROXY", "HTTPS_PROXY")


def memory(findings: Findings) -> Verdict:
    return failed(
        f"{one.name} has {one.memory} MB, and so too small a share of a CPU: set lambda_memory_size to {MEMORY} "
        "or more."
        for one in findings.plan.functions
        if one.memory < MEMORY
    )


def timeout(findings: Findings) -> Verdict:
    return failed(sentence for one in findings.plan.functions for sentence in _timeout(findings, one))


def _timeout(findings: Findings, one: PlannedFunction) -> Iterator[str]:
    if one.timeout > TIMEOUT:
        yield (
            f"{one.name} may run for {one.timeout} s, and API Gateway answers for it after {TIMEOUT}: set "
            f"lambda_timeout to {TIMEOUT} or less."
        )
    if one.timeout < STARTS:
        yield (
            f"{one.name} may run for {one.timeout} s, and may need that long to start, with a key to fetch: set "
            f"lambda_timeout to {STARTS} or more."
        )
        return
    least = math.ceil(DEADLINE.total_seconds()) + UNDER_WAY
    if one.timeout < least and _delivers(findings, one.name):
        yield (
            f"{one.name} may run for {one.timeout} s, and delivers frames for up to {least}: set lambda_timeout to "
            f"{least} or more."
        )


def _delivers(findings: Findings, function: str) -> bool:
    """Whether it sends frames, as its right to do so says."""
    statements = findings.policies.get(function, {"Statement": []})["Statement"]
    return any("execute-api:ManageConnections" in statement["Action"] for statement in statements)


def debugging(findings: Findings) -> Verdict:
    if not findings.plan.debug:
        return OK
    return failed(["An error in a route shows its traceback to the client: take app.debug out of app.py."])


def tracing(findings: Findings) -> Verdict:
    return failed(
        f"{one.name} is not traced: set xray to true in .chalice/config.json."
        for one in findings.plan.functions
        if not one.traced
    )


def log_retention(findings: Findings) -> Verdict:
    return failed(
        f"The logs of {name} are kept for {'ever' if days is None else f'{days} days, which CloudWatch refuses'}: "
        "set log_retention_in_days to 14 or 90, for example."
        for name, days in [
            *((one.name, one.log_days) for one in findings.plan.functions),
            ("API Gateway", findings.stage.log_days),
        ]
        if days not in KEPT_DAYS
    )


def environment(findings: Findings) -> Verdict:
    """Whether the service would start with this environment, by its own rules."""
    said: dict[str, list[str]] = {}
    for one in findings.plan.functions:
        for problem in (*_problems(one), *_not_of(findings.name, one)):
            said.setdefault(problem, []).append(one.name)
    return failed(f"{problem} It is so in {', '.join(names)}." for problem, names in said.items())


def _problems(one: PlannedFunction) -> Iterator[str]:
    try:
        settings.from_environment(as_in_lambda(one), lambda: "")
    except SettingsError as error:
        yield from error.problems
    for name, value in one.environment.items():
        if "*" in value and name != "ALLOWED_ORIGINS":
            yield f"{name} holds a *, and stands for nothing but itself: name what is meant."


def _not_of(stage: str, one: PlannedFunction) -> Iterator[str]:
    """Variables that the service accepts and Lambda does not, or AWS-named ones with another meaning."""
    if one.environment.get("STAGE") != stage:
        yield f"STAGE is not {stage}, so that its alarms would look at other metrics than it writes."
    for name in one.environment:
        if name in RESERVED or NAME.fullmatch(name) is None:
            yield f"Lambda does not accept {name} as the name of a variable: rename it."
        elif name.startswith(ELSEWHERE):
            yield f"{name} sends what is meant for AWS elsewhere: take it out."
    if sum(len(f"{name}{value}".encode()) for name, value in one.environment.items()) > ENVIRONMENT_BYTES:
        yield f"All variables together have more than the {ENVIRONMENT_BYTES} bytes that Lambda takes: shorten them."


def as_in_lambda(one: PlannedFunction) -> Mapping[str, str]:
    """The environment, with the variables that Lambda adds."""
    return {**one.environment, "AWS_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": one.full_name}


LAMBDA: Final = "https://docs.aws.amazon.com/lambda/latest/dg"
CHECKS: Final = (
    Check("function-memory", f"Each function has {MEMORY} MB or more", f"{LAMBDA}/configuration-memory.html", memory),
    Check(
        "function-timeout",
        "Each function ends before API Gateway gives up, and after its deliveries",
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
        timeout,
    ),
    Check(
        "app-debug", "No answer shows a traceback", "https://aws.github.io/chalice/api.html#Chalice.debug", debugging
    ),
    Check("function-tracing", "Each function is traced", f"{LAMBDA}/services-xray.html", tracing),
    Check("log-retention", "No log is kept for ever", f"{LAMBDA}/monitoring-cloudwatchlogs.html", log_retention),
    Check(
        "environment",
        "The service would start with its environment: tokens, keys, tables",
        "https://www.rfc-editor.org/rfc/rfc8725",
        environment,
    ),
)
