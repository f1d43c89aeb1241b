"""Checks whether APIs, functions and roles are still as a deploy made them."""

from __future__ import annotations

from functools import partial
from typing import Final

from deployment.chalice import Apis
from deployment.commands import TWICE
from deployment.doctor.account import functions, http, websocket
from deployment.doctor.account.account import Account
from deployment.doctor.check import Check, Verdict, answers, failed, note


def drift(account: Account) -> Verdict:
    there, name = account.standing, account.stage.name
    if not account.deployed:
        return note(f"The stage {name} is not deployed here.")
    for kind, ids in {"REST": there.rest, "WebSocket": there.websocket}.items():
        if len(ids) > 1:
            return failed([TWICE.format(stage=name, kind=kind, ids=", ".join(ids))])
    if not (there.rest and there.websocket):
        return failed([f"A deploy of the stage {name} broke off, for it stands in part: deploy again."])
    apis = Apis(there.rest[0], there.websocket[0])
    of_apis = [partial(question, account, apis) for part in (http, websocket) for question in part.QUESTIONS]
    of_functions = [
        partial(question, account, apis, function)
        for function in account.plan.functions
        for question in functions.QUESTIONS
    ]
    return answers([*of_apis, *of_functions])


CHECKS: Final = (
    Check(
        "account-drift",
        "What is deployed is what the files say",
        "https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html",
        drift,
    ),
)
