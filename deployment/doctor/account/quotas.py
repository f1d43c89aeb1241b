"""Compares the account's quotas with the throttles of the stage."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from deployment.doctor.account.account import Account, NotAsked
from deployment.doctor.apis import GUIDE
from deployment.doctor.check import Note, answers, check

THROTTLES: Final = {
    "rate": ("L-8A5B8E43", "lower it in .chalice/operations.json, or have the quota raised"),
    "burst": ("L-CDF5615A", "lower it in .chalice/operations.json"),  # API Gateway raises it with the other alone
}
"""Quotas of API Gateway, for all APIs of an account and region together, and what to do about each."""
UNRESERVED: Final = 100
"""Concurrent executions that Lambda keeps for functions without a reservation:

https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
"""


@check("quotas", "Throttles and reservations are within the account's quotas", f"{GUIDE}/limits.html")
def quotas(account: Account) -> Iterator[str]:
    return answers([*(partial(_throttles, account, what) for what in THROTTLES), partial(_concurrency, account)])


def _throttles(account: Account, what: str) -> Iterator[str]:
    code, remedy = THROTTLES[what]
    quota, stage = _quota(account, code), account.findings.stage
    for name, throttle in (("http_throttle", stage.http_throttle), ("websocket_throttle", stage.websocket_throttle)):
        value = getattr(throttle, what)
        if value > quota:
            yield f"The {what} of {name} is {value}, and the account has {quota} for all its APIs ({code}): {remedy}."


def _concurrency(account: Account) -> Iterator[str]:
    """The duration of a function is not known here, so a full burst is compared with the concurrent executions."""
    stage, reserved = account.findings.stage, sum(one.reserved for one in account.findings.plan.functions)
    quota = int(account.find("lambda", "get_account_settings")["AccountLimit"]["ConcurrentExecutions"])
    if reserved and reserved > quota - UNRESERVED:
        yield (
            f"The functions reserve {reserved} concurrent executions, and the account has {quota}, of which Lambda "
            f"keeps {UNRESERVED}: lower reserved_concurrency in .chalice/config.json."
        )
    at_once = stage.http_throttle.burst + stage.websocket_throttle.burst
    if at_once > quota:
        yield Note(
            f"The bursts of both throttles admit {at_once} calls at once, and Lambda runs {quota} for the whole "
            "account: have its concurrent executions (L-B99A9384) raised, or lower the bursts."
        )


def _quota(account: Account, code: str) -> int:
    """The account's quota, or AWS's default if it was never changed."""
    for operation in ("get_service_quota", "get_aws_default_service_quota"):
        found = account.find("service-quotas", operation, ServiceCode="apigateway", QuotaCode=code)
        if found is not None:
            return int(found["Quota"]["Value"])
    raise NotAsked(f"Not known, since Service Quotas has no {code} in this region: look there.")
