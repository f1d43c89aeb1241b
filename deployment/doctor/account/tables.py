"""Checks the deployed tables. CloudFormation does not repair changes made outside it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from deployment.doctor.account.account import Account
from deployment.doctor.check import Check, Unknown, Verdict, answers
from deployment.doctor.tables import EXPIRES

BESIDE: Final = "A deploy does not, for CloudFormation believes that it is so."


def tables(account: Account) -> Verdict:
    return answers(
        partial(question, account, name)
        for name in account.stage.tables.values()
        for question in (_described, _forgets, _restorable)
    )


def _described(account: Account, name: str) -> Iterator[str]:
    table = _table(account, name)
    if table is None:
        if account.deployed:
            yield f"The table {name} is not there, and the stage stands: deploy again."
            return
        raise Unknown(f"The table {name} is not there yet: the first deploy makes it.")
    if table.get("BillingModeSummary", {}).get("BillingMode") != "PAY_PER_REQUEST":
        yield f"The table {name} is not on demand: make it so by UpdateTable. {BESIDE}"
    if account.stage.kept and not table.get("DeletionProtectionEnabled"):
        yield f"The table {name} may be deleted: turn its deletion protection on by UpdateTable. {BESIDE}"


def _forgets(account: Account, name: str) -> Iterator[str]:
    if _table(account, name) is None:
        return
    there = account.find("dynamodb", "describe_time_to_live", TableName=name)["TimeToLiveDescription"]
    status, attribute = there.get("TimeToLiveStatus"), there.get("AttributeName")
    if status not in ("ENABLED", "ENABLING"):
        yield f"The table {name} keeps its rows for ever: turn its TTL on, at {EXPIRES}, by UpdateTimeToLive. {BESIDE}"
    elif attribute != EXPIRES:
        yield f"The TTL of the table {name} is {attribute}, not {EXPIRES}: fix it by UpdateTimeToLive. {BESIDE}"


def _restorable(account: Account, name: str) -> Iterator[str]:
    if not account.stage.kept or _table(account, name) is None:
        return
    there = account.find("dynamodb", "describe_continuous_backups", TableName=name)["ContinuousBackupsDescription"]
    if there.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") != "ENABLED":
        yield f"The table {name} could not be restored: turn it on by UpdateContinuousBackups. {BESIDE}"


def _table(account: Account, name: str) -> Any:
    found = account.find("dynamodb", "describe_table", TableName=name)
    return None if found is None else found["Table"]


CHECKS: Final = (
    Check(
        "account-tables",
        "The tables expire their rows, are on demand, and are protected in a kept stage",
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html",
        tables,
    ),
)
