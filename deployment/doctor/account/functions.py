"""Compares the deployed functions, and their roles' permissions, with the project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from deployment import commands
from deployment.chalice import Apis
from deployment.doctor.account.account import Account
from deployment.doctor.findings import NotRead
from deployment.errors import DeploymentError
from deployment.plan import PlannedFunction


def _configuration(account: Account, apis: Apis, function: PlannedFunction) -> Iterator[str]:
    there = _found(account, function)
    if there is None:
        yield f"Missing function {function.full_name}: deploy again."
        return
    for what, found, wanted in (
        ("memory", there.get("MemorySize"), function.memory),
        ("timeout", there.get("Timeout"), function.timeout),
        ("tracing", there.get("TracingConfig", {}).get("Mode"), "Active" if function.traced else "PassThrough"),
    ):
        if found != wanted:
            yield f"The {what} of {function.full_name} is {found}, not {wanted}: deploy again."
    variables = there.get("Environment", {}).get("Variables", {})
    for name in sorted(variables.keys() | function.environment.keys()):
        if variables.get(name) != function.environment.get(name):  # values may be secret; only names are printed
            yield f"The variable {name} of {function.full_name} is not what .chalice/config.json says: deploy again."


def _role(account: Account, apis: Apis, function: PlannedFunction) -> Iterator[str]:
    there = _found(account, function)
    if there is None:
        return
    role = there["Role"].rpartition("/")[2]
    for attached in account.every("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=role):
        yield f"The role {role} has the policy {attached['PolicyArn']} besides its own: detach it."
    documents = [
        account.find("iam", "get_role_policy", RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in account.every("iam", "list_role_policies", "PolicyNames", RoleName=role)
    ]
    found, wanted = _rights(documents), _rights([_wanted(account, apis, function)])
    for effect, action, resource, _ in sorted(found - wanted):
        yield (
            f"The role {role} has {effect} {action} on {resource}, which is not in its file: deploy again, or remove "
            "it."
        )
    for effect, action, resource, _ in sorted(wanted - found):
        yield f"The role {role} lacks {effect} {action} on {resource}: deploy again."


QUESTIONS: Final = (_configuration, _role)


def _found(account: Account, function: PlannedFunction) -> Any:
    return account.find("lambda", "get_function_configuration", FunctionName=function.full_name)


def _wanted(account: Account, apis: Apis, function: PlannedFunction) -> Mapping[str, Any]:
    """The policy with the id of the WebSocket API, to which the first deploy narrows it."""
    try:
        return commands.filled_policies(account.aws, account.stage, apis)[function.name]
    except (DeploymentError, KeyError):
        raise NotRead("policy-files") from None


def _rights(documents: Iterable[Mapping[str, Any]]) -> set[tuple[str, str, str, str]]:
    """Effect, action, resource and the rest of a statement, without its name."""
    return {
        (statement["Effect"], action, resource, _rest(statement))
        for document in documents
        for statement in _listed(document["Statement"])
        for action in _listed(statement.get("Action", "all but what is listed as NotAction"))
        for resource in _listed(statement.get("Resource", "all but what is listed as NotResource"))
    }


def _rest(statement: Mapping[str, Any]) -> str:
    return repr(sorted((k, v) for k, v in statement.items() if k not in ("Sid", "Effect", "Action", "Resource")))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
