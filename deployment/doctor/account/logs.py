"""Checks that logs are written in the account and expire."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from deployment.doctor.account.account import Account
from deployment.doctor.check import Check, Unknown, Verdict, answers


def logs(account: Account) -> Verdict:
    return answers(partial(question, account) for question in (_role, _groups))


def _role(account: Account) -> Iterator[str]:
    with account.asking("apigateway") as client:
        role = client.get_account().get("cloudwatchRoleArn")
    if role:
        if account.find("iam", "get_role", RoleName=role.rpartition("/")[2]) is None:
            yield f"API Gateway is to write access logs by {role}, which is gone: make it again, or name another."
        return
    if account.deployed:
        yield "API Gateway has no role to write access logs by in this account and region: deploy again."
        return
    raise Unknown("API Gateway has no role to write access logs by yet: the first deploy makes it.")


def _groups(account: Account) -> Iterator[str]:
    stage = account.stage
    wanted = {*(one.log_group for one in stage.functions), stage.http_log_group, stage.websocket_log_group}
    groups = {}
    for prefix in ("/aws/lambda/", "/aws/apigateway/"):
        found = account.every(
            "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=f"{prefix}{stage.full_name}"
        )
        groups.update({one["logGroupName"]: one.get("retentionInDays") for one in found})
    missing = sorted(wanted - groups.keys())
    for name in sorted(wanted & groups.keys()):
        if groups[name] is None:
            yield f"The log group {name} never expires: deploy again."
        elif groups[name] != stage.log_days:
            yield f"The log group {name} keeps its lines {groups[name]} days, not {stage.log_days}: deploy again."
    if missing and account.deployed:
        yield f"Missing log group {', '.join(missing)}: deploy again, or AWS will create it without an expiry."
    elif missing:
        raise Unknown("The log groups are not there yet: the first deploy makes them.")


CHECKS: Final = (
    Check(
        "account-logs",
        "Access logs can be written, and no log is kept for ever",
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html",
        logs,
    ),
)
