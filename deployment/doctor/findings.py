"""The input of the checks: one stage's files, Chalice's plan and our settings, read once. Judges nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from deployment import documents, gateway_settings, plan, policies, stage
from deployment.doctor.check import Unknown
from deployment.errors import DeploymentError
from deployment.gateway_responses import RESPONSES, GatewayResponse
from deployment.monitoring import resources
from deployment.plan import Plan
from deployment.stage import Stage

T = TypeVar("T")
SID: Final = re.compile("[A-Za-z0-9]+")
SHAPE: Final = (
    "it must have the Version 2012-10-17 and Statements whose Effect is Allow, with lists as Action and Resource; all "
    "else is denied, so there is no need of a Deny, a NotAction, a NotResource or a Condition; and a Sid is letters "
    "and digits, each once."
)


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
class Gateway:
    """The settings that a deploy sends to API Gateway for both APIs, and to CloudFormation for monitoring."""

    methods: Mapping[str, Any]
    routes: Mapping[str, Any]
    formats: Mapping[str, str]  # access log formats by kind of API
    responses: tuple[GatewayResponse, ...]
    watching: Mapping[str, Mapping[str, Any]]  # resources by logical id


@dataclass(frozen=True)
class Findings:
    """One stage. `policies` holds the readable files; `policy_troubles` says what is wrong with the others."""

    root: Path
    name: str
    stage_part: Part[Stage]
    plan_part: Part[Plan]
    template_part: Part[Mapping[str, Any]]
    gateway_part: Part[Gateway]
    policies: Mapping[str, Mapping[str, Any]]
    policy_troubles: Mapping[str, str]

    @property
    def stage(self) -> Stage:
        return self.stage_part.get()

    @property
    def plan(self) -> Plan:
        return self.plan_part.get()

    @property
    def template(self) -> Mapping[str, Any]:
        """`.chalice/resources.json`."""
        return self.template_part.get()

    @property
    def gateway(self) -> Gateway:
        return self.gateway_part.get()


def read(root: Path, name: str) -> Findings:
    """Reads the stage `name` of the project at `root`, including broken and missing files."""
    staged = _part("stage", lambda: stage.read(root, name))
    planned = _part("app", lambda: plan.read(root, staged.get().name))
    found, troubles = _policies(staged.value, planned.value)
    return Findings(
        root=root,
        name=name,
        stage_part=staged,
        plan_part=planned,
        template_part=_part("template", lambda: _template(root / ".chalice" / "resources.json")),
        gateway_part=_part("stage", lambda: _gateway(staged.get())),
        policies=found,
        policy_troubles=troubles,
    )


def _part(check: str, reading: Callable[[], T]) -> Part[T]:
    try:
        return Part(check, reading())
    except DeploymentError as error:
        return Part(check, None, str(error))
    except NotRead as error:
        return Part(error.check, None)


def _policies(staged: Stage | None, planned: Plan | None) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    found: dict[str, dict[str, Any]] = {}
    troubles: dict[str, str] = {}
    listed = {function.name: function for function in staged.functions} if staged else {}
    for one in planned.functions if planned else ():
        if staged is None or one.name not in listed:
            troubles[one.name] = (
                f"deployment/stage.py has no function {one.name}: add it to FUNCTIONS, give it a policy."
            )
            continue
        try:
            document = policies.committed(staged, listed[one.name])
        except DeploymentError as error:
            troubles[one.name] = str(error)
            continue
        if _is_policy(document):
            found[one.name] = document
        else:
            troubles[one.name] = f".chalice/{listed[one.name].policy_file}: {SHAPE}"
    return found, troubles


def _is_policy(document: Any) -> bool:
    if not isinstance(document, dict) or document.get("Version") != "2012-10-17":
        return False
    statements = document.get("Statement")
    if not isinstance(statements, list) or not document.keys() <= {"Version", "Statement"}:
        return False
    sids = [one["Sid"] for one in statements if isinstance(one, dict) and "Sid" in one]
    return all(isinstance(one, str) and SID.fullmatch(one) and sids.count(one) == 1 for one in sids) and all(
        isinstance(one, dict)
        and one.get("Effect") == "Allow"
        and one.keys() <= {"Sid", "Effect", "Action", "Resource"}
        and all(_is_texts(one.get(key)) for key in ("Action", "Resource"))
        for one in statements
    )


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _template(path: Path) -> Mapping[str, Any]:
    document = documents.read(path)
    resources = document.get("Resources")
    if not isinstance(resources, dict) or not all(_is_resource(one) for one in resources.values()):
        raise DeploymentError(f"{path} has no Resources, or one without a Type and Properties.")
    return document


def _is_resource(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("Type"), str) and isinstance(value.get("Properties"), dict)


def _gateway(staged: Stage) -> Gateway:
    return Gateway(
        methods=gateway_settings.method_settings(staged),
        routes=gateway_settings.route_settings(staged),
        formats={
            "REST": gateway_settings.access_format(gateway_settings.HTTP_FIELDS),
            "WebSocket": gateway_settings.access_format(gateway_settings.WEBSOCKET_FIELDS),
        },
        responses=RESPONSES,
        watching=resources.resources(staged, websocket_api={"Ref": "WebsocketAPI"}),
    )
