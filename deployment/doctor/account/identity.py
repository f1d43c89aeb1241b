"""Checks which account is asked; the other account checks depend on it."""

from __future__ import annotations

from typing import Final

from deployment.doctor.account.account import Account
from deployment.doctor.check import Check, Outcome, Verdict, note
from deployment.errors import DeploymentError


def identity(account: Account) -> Verdict:
    place = account.identity
    if isinstance(place, DeploymentError):
        return note(f"{str(place).rstrip('.')}.")
    return Verdict(Outcome.OK, (f"Account {place.account}, {place.region}.",))


CHECKS: Final = (
    Check(
        "account-identity",
        "AWS says whose account is asked",
        "https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html",
        identity,
    ),
)
