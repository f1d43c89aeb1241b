"""Checks the stored signing key by the service's own rules, and never shows it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from chalicelib import keys, settings
from chalicelib.credentials import Secret
from chalicelib.errors import SettingsError
from chalicelib.settings import Reference, Tokens
from deployment import key
from deployment.doctor import tokens
from deployment.doctor.account.account import Account
from deployment.doctor.check import Unknown, answers, check
from deployment.doctor.findings import NotRead
from deployment.doctor.functions import as_in_lambda
from deployment.plan import PlannedFunction


@check("key", "The signing key is stored, long enough and well formed", tokens.JWT)
def kept(account: Account) -> Iterator[str]:
    return answers(partial(_problems, account, *one) for one in sorted(_references(account), key=str))


def _references(account: Account) -> set[tuple[Reference, tuple[str, ...]]]:
    """Where the functions find their key, and what for. Empty for a key set that an issuer publishes."""
    told = [_tokens(function) for function in account.findings.plan.functions]
    return {(tokens.kept, tokens.algorithms) for tokens in told if tokens.kept is not None}


def _tokens(function: PlannedFunction) -> Tokens:
    try:
        return settings.from_environment(as_in_lambda(function), lambda: "").tokens
    except SettingsError:
        raise NotRead("environment") from None


def _problems(account: Account, reference: Reference, algorithms: tuple[str, ...]) -> Iterator[str]:
    names = f"{reference.variable} names {reference}"
    kind, text = _fetched(account, reference)
    if text is None:
        if reference.name == key.parameter(account.findings.stage) and not account.stands:
            raise Unknown(f"{names}, which is not there yet: the first deploy makes it.")
        yield f"{names}, which is not there, or marked for deletion: keep a key there, or name another place."
        return
    if kind == "String" and reference.variable == "JWT_SECRET":
        yield f"{names}, a String that can be read without a right to decrypt: make it a SecureString."
    if kind == "bytes":
        yield f"{names}, which holds bytes: keep the key there as text."
        return
    try:
        keys.judged(text.reveal(), algorithms, f"{names}, which")
    except SettingsError as error:
        yield from error.problems


def _fetched(account: Account, reference: Reference) -> tuple[str, Secret | None]:
    """Type and text of the stored key; None if it does not exist."""
    region = reference.region("") or None
    if reference.store == "ssm":
        found = account.find(
            "ssm", "get_parameter", region=region, absent=keys.NOT_THERE, Name=reference.name, WithDecryption=True
        )
        return ("", None) if found is None else (found["Parameter"]["Type"], Secret(found["Parameter"]["Value"]))
    found = account.find(
        "secretsmanager", "get_secret_value", region=region, absent=keys.NOT_THERE, SecretId=reference.name
    )
    if found is None:
        return "", None
    return "text" if "SecretString" in found else "bytes", Secret(found.get("SecretString", ""))
