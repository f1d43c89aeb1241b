"""Compares the account's quotas with the throttles of the stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

from deployment.doctor.account.account import Account, NotAsked
from deployment.doctor.check import Check, Unknown, Verdict, answers

RATE: Final = ("apigateway", "L-8A5B8E43")
"""Requests a second, for all APIs of an account and region together."""
BURST: Final = ("apigateway", "L-CDF5615A")
"""Size of a burst. API Gateway sets it; the account's owner cannot have it changed."""
CONCURRENCY: Final = ("lambda", "L-B99A9384")
"""Concurrent executions, for all functions of an account and region together."""


def quotas(account: Account) -> Verdict:
    return answers(partial(question, account) for question in (_rates, _bursts, _concurrency))


def _rates(account: Account) -> Iterator[str]:
    quota, stage = _quota(account, RATE), account.stage
    for name, throttle in (("http_throttle", stage.http_throttle), ("websocket_throttle", stage.websocket_throttle)):
        if throttle.rate > quota:
            yield (
                f"The rate of {name} is {throttle.rate} a second, and the account has {quota} for all its APIs: lower "
                f"it in .chalice/operations.json, or have the quota {RATE[1]} raised."
            )


def _bursts(account: Account) -> Iterator[str]:
    quota, stage = _quota(account, BURST), account.stage
    for name, throttle in (("http_throttle", stage.http_throttle), ("websocket_throttle", stage.websocket_throttle)):
        if throttle.burst > quota:
            yield (
                f"The burst of {name} is {throttle.burst}, and the account takes {quota} at once of all its APIs: "
                "lower it in .chalice/operations.json."
            )


def _concurrency(account: Account) -> Iterable[str]:
    """The duration of a function is not known here, so a full burst is compared with the concurrent executions."""
    quota, stage = _quota(account, CONCURRENCY), account.stage
    at_once = stage.http_throttle.burst + stage.websocket_throttle.burst
    if at_once > quota:
        a_second = stage.http_throttle.rate + stage.websocket_throttle.rate
        raise Unknown(
            f"Lambda runs at most {quota} functions of the account at once, and the throttles admit {at_once} calls at "
            f"once and {a_second} a second: calls beyond {quota} are refused. Have {CONCURRENCY[1]} raised in "
            "Service Quotas, or lower the bursts in .chalice/operations.json."
        )
    return ()


def _quota(account: Account, which: tuple[str, str]) -> int:
    """The account's quota, or AWS's default if it was never changed."""
    for operation in ("get_service_quota", "get_aws_default_service_quota"):
        found = account.find("service-quotas", operation, ServiceCode=which[0], QuotaCode=which[1])
        if found is not None:
            return int(found["Quota"]["Value"])
    raise NotAsked(f"Not known, since Service Quotas has no {which[1]} of {which[0]} in this region: look there.")


CHECKS: Final = (
    Check(
        "account-quotas",
        "The throttles are within the account's quotas",
        "https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html",
        quotas,
    ),
)
