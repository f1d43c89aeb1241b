"""The input of the checks: one stage's files, Chalice's plan and our settings, read once. Judges nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from deployment import documents, plan, stage
from deployment.doctor.check import Unknown
from deployment.errors import DeploymentError
from deployment.plan import Plan
from deployment.policies import every
from deployment.stage import Stage

T = TypeVar("T")


class NotRead(Unknown):
    """A part of the project could not be read; the check `check` says why."""

    def __init__(self, check: str) -> None:
        super().__init__(f"Not looked at, since {check} failed.")
        self.check = check


@dataclass(frozen=True)
class Part(Generic[T]):
    """A part of the project, or why it could not be read. The check with the id `check` reports that."""

    check: str
    value: T | None
    trouble: str = ""

    def get(self) -> T:
        """Raises NotRead."""
        if self.value is None:
            raise NotRead(self.check)
        return self.value


@dataclass(frozen=True)
class Grant:
    """An allowed action on a resource; `*` and `?` stand for more than one."""

    action: str
    resource: str
    has_condition: bool

    def allows(self, action: str) -> bool:
        """IAM compares actions without regard to case."""
        return fnmatchcase(action.lower(), self.action.lower())


@dataclass(frozen=True)
class Findings:
    """One stage. `policies` holds the grants of each planned function that has a policy file."""

    root: Path
    name: str
    stage_part: Part[Stage]
    plan_part: Part[Plan]
    template_part: Part[dict[str, Any]]
    policies: Mapping[str, Part[tuple[Grant, ...]]]

    @property
    def stage(self) -> Stage:
        return self.stage_part.get()

    @property
    def plan(self) -> Plan:
        return self.plan_part.get()

    @property
    def template(self) -> dict[str, Any]:
        """`.chalice/resources.json`."""
        return self.template_part.get()


def read(root: Path, name: str, acceptable: Set[str]) -> Findings:
    """Reads the stage `name` of the project at `root`, including broken and missing files.

    `acceptable` has the ids of the checks whose findings the stage may accept.
    """
    staged = _part("stage", lambda: _stage(root, name, acceptable))
    planned = _part("app", lambda: plan.read(root, staged.get().name))
    files = {one.name: one.policy_file for one in planned.value.functions} if planned.value else {}
    return Findings(
        root=root,
        name=name,
        stage_part=staged,
        plan_part=planned,
        template_part=_part("table-names", lambda: documents.read(root / ".chalice" / "resources.json")),
        policies={one: _part("policies", partial(_grants, path)) for one, path in files.items() if path is not None},
    )


def _part(check: str, reading: Callable[[], T]) -> Part[T]:
    try:
        return Part(check, reading())
    except DeploymentError as error:
        return Part(check, None, str(error))
    except NotRead as error:
        return Part(error.check, None)


def _stage(root: Path, name: str, acceptable: Set[str]) -> Stage:
    described = stage.read(root, name)
    for check, reason in described.accepted.items():
        where = f"{name}.accepted.{check} in .chalice/operations.json"
        if check not in acceptable:
            close = get_close_matches(check, acceptable, n=1)
            raise DeploymentError(f"{where} names no finding to accept{f'; is it {close[0]}?' if close else '.'}")
        if not reason.strip():
            raise DeploymentError(f"{where} has no reason: say why the finding may stay.")
    return described


def _grants(path: Path) -> tuple[Grant, ...]:
    statements = every(documents.read(path).get("Statement", []))
    if not statements or not all(
        isinstance(one, dict) and one.get("Effect") in ("Allow", "Deny") for one in statements
    ):
        raise DeploymentError(f"{path} is not an IAM policy: it needs Statements whose Effect is Allow or Deny.")
    return tuple(
        Grant(str(action), str(resource), bool(statement.get("Condition")))
        for statement in statements
        if statement["Effect"] == "Allow"
        for action in every(statement.get("Action", "*"))  # a NotAction allows nearly everything
        for resource in every(statement.get("Resource", "*"))
    )
