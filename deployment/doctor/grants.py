"""The grants of an IAM policy: each action that it allows, on each resource."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from deployment import documents
from deployment.errors import DeploymentError
from deployment.policies import every


@dataclass(frozen=True)
class Grant:
    """An allowed action on a resource; `*` and `?` stand for more than one."""

    action: str
    resource: str
    has_condition: bool

    def allows(self, action: str) -> bool:
        """IAM compares actions without regard to case."""
        return fnmatchcase(action.lower(), self.action.lower())


def read(path: Path) -> Iterator[Grant]:
    """The grants of the policy in a file. Raises DeploymentError."""
    statements = every(documents.read(path).get("Statement", []))
    if not statements or not all(
        isinstance(one, dict) and one.get("Effect") in ("Allow", "Deny") for one in statements
    ):
        raise DeploymentError(f"{path} is not an IAM policy: it needs Statements whose Effect is Allow or Deny.")
    for statement in statements:
        if statement["Effect"] == "Allow":
            for action in every(statement.get("Action", "*")):  # a NotAction allows nearly everything
                for resource in every(statement.get("Resource", "*")):
                    yield Grant(str(action), str(resource), bool(statement.get("Condition")))
