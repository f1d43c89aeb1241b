"""One stage as the project's files describe it: a frozen value, the one source of each setting. Asks AWS nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deployment import configuration, documents
from deployment.errors import DeploymentError

FUNCTIONS: Final = ("api_handler", "websocket_connect", "websocket_message", "websocket_disconnect", "sweep")
REST: Final = "api_handler"
"""The function of all routes. In Lambda its name is the stage's alone; its role is named like the others."""
TABLES: Final = {"Sessions": "SESSIONS_TABLE", "Connections": "CONNECTIONS_TABLE", "Events": "EVENTS_TABLE"}
"""Logical ids of the tables in resources.json, and the variables that give their names to the functions."""
MARK: Final = "made-by"
MAKER: Final = "sessions-deployment"
"""Tag and value on all that a deploy makes; nothing without it is changed or deleted."""
LONGEST: Final = 64
"""Longest name of a role or a function:

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
"""


@dataclass(frozen=True)
class Throttle:
    """Throttle of a stage of API Gateway: requests a second, and how many at once."""

    rate: int
    burst: int


@dataclass(frozen=True)
class AlarmTopics:
    """ARNs of the SNS topics that the alarms notify: `page` wakes somebody, `ticket` waits for the morning."""

    page: tuple[str, ...]
    ticket: tuple[str, ...]

    @property
    def every(self) -> tuple[str, ...]:
        return (*self.page, *self.ticket)


@dataclass(frozen=True)
class Function:
    """A Lambda function. `memory` in MB, `timeout` in seconds; `name` as in `config.json` and the policies."""

    name: str
    full_name: str  # the name in Lambda
    role: str
    memory: int
    timeout: int
    environment: Mapping[str, str]
    policy_file: str  # the path below `.chalice/`, as Chalice reads it; empty if none is named

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.full_name}"


@dataclass(frozen=True)
class Stage:
    """A stage, from `.chalice/config.json` and `.chalice/operations.json`. Retention is in whole days."""

    root: Path
    app: str
    name: str
    account: str | None  # the one that it may stand in; None until somebody names it
    region: str | None
    runtime: str  # of Lambda, such as python3.11
    architecture: str  # x86_64 or arm64
    api_stage: str  # the stage of API Gateway, part of each URL
    functions: tuple[Function, ...]
    environment: Mapping[str, str]
    log_days: int
    http_throttle: Throttle
    websocket_throttle: Throttle
    alarm_topics: AlarmTopics
    tracing: bool  # whether X-Ray traces it
    kept: bool  # whether its tables are protected from deletion
    rollback_minutes: int  # how long an alarm can still roll an update back; 0 is not at all
    permissions_boundary: str | None  # ARN of the policy that bounds each role
    service_role: str | None  # ARN of the role by which CloudFormation makes the resources; None: the deployer's rights
    accepted: Mapping[str, str]  # findings of the doctor that somebody accepts: the reason by the check's id

    @property
    def full_name(self) -> str:
        """Prefix of the names of AWS resources."""
        return f"{self.app}-{self.name}"

    @property
    def stack(self) -> str:
        """Name of the stack of functions, APIs and monitoring."""
        return self.full_name

    @property
    def tables_stack(self) -> str:
        """Name of the stack of the tables, which outlives the stage's own."""
        return f"{self.full_name}-tables"

    @property
    def tags(self) -> Mapping[str, str]:
        """Tags of both stacks, which CloudFormation gives to their resources too."""
        return {MARK: MAKER, "app": self.app, "stage": self.name}

    @property
    def folder(self) -> Path:
        return self.root / ".chalice"

    @property
    def tables(self) -> Mapping[str, str]:
        """Names of the tables by their logical ids in resources.json."""
        return {logical: self.environment.get(variable, "") for logical, variable in TABLES.items()}

    @property
    def http_api(self) -> str:
        """The name of the REST API; its metrics are told from those of other stages by it."""
        return self.full_name

    @property
    def websocket_api(self) -> str:
        """Chalice's name of the WebSocket API."""
        return f"{self.full_name}-websocket-api"

    @property
    def sweep_rule(self) -> str:
        """Chalice's name of the rule that starts the sweep."""
        return f"{self.full_name}-sweep-event"

    @property
    def http_log_group(self) -> str:
        return f"/aws/apigateway/{self.full_name}-http"

    @property
    def websocket_log_group(self) -> str:
        return f"/aws/apigateway/{self.full_name}-websocket"

    @property
    def key_reference(self) -> str:
        """Where the signing key is kept, such as `ssm:/sessions/dev/jwt-secret`; empty with a key set."""
        return self.environment.get("JWT_SECRET") or self.environment.get("JWT_PUBLIC_KEY") or ""


def read(root: Path, name: str) -> Stage:
    """The stage `name` of the project at `root`. Raises DeploymentError."""
    config = documents.read(root / ".chalice" / "config.json")
    operations = documents.read(root / ".chalice" / "operations.json")
    _refuse(configuration.problems(config, FUNCTIONS))
    if name not in config.get("stages", {}):
        known = ", ".join(sorted(config.get("stages", {}))) or "none"
        raise DeploymentError(f"There is no stage {name!r} in .chalice/config.json, only {known}.")
    if name not in operations:
        raise DeploymentError(f"There is no stage {name!r} in .chalice/operations.json; give it its throttles there.")
    _refuse(configuration.problems_of_operations(name, operations[name]))
    ours = config["stages"][name]
    environment = {**config.get("environment_variables", {}), **ours.get("environment_variables", {})}
    try:
        app, said = config["app_name"], operations[name]
        described = Stage(
            root=root,
            app=app,
            name=name,
            account=said["account"],
            region=said["region"],
            runtime=said["runtime"],
            architecture=_setting({"lambda_architecture": "x86_64", **config}, ours, "lambda_architecture"),
            api_stage=ours.get("api_gateway_stage") or config["api_gateway_stage"],
            functions=tuple(_function(config, ours, function, f"{app}-{name}", environment) for function in FUNCTIONS),
            environment=environment,
            log_days=_setting(config, ours, "log_retention_in_days"),
            http_throttle=Throttle(**said["http_throttle"]),
            websocket_throttle=Throttle(**said["websocket_throttle"]),
            alarm_topics=AlarmTopics(**{name: tuple(topics) for name, topics in said["alarm_topics"].items()}),
            tracing=bool(ours.get("xray", config.get("xray", False))),
            kept=said["kept"],
            rollback_minutes=said["rollback_minutes"],
            permissions_boundary=said.get("permissions_boundary"),
            service_role=said.get("service_role"),
            accepted=said["accepted"],
        )
    except (KeyError, TypeError) as error:
        raise DeploymentError(f"The stage {name!r} lacks a setting, or has one of another kind: {error}.") from error
    _refuse(
        f"{full} has {len(full)} characters, and AWS takes {LONGEST}: shorten app_name or the name of the stage."
        for full in (max((one.role for one in described.functions), key=len),)
        if len(full) > LONGEST
    )
    return described


def _refuse(problems: Iterable[str]) -> None:
    """Raises DeploymentError with all problems, if there are any."""
    if told := " ".join(problems):
        raise DeploymentError(told)


def _function(
    config: Mapping[str, Any], ours: Mapping[str, Any], name: str, prefix: str, environment: Mapping[str, str]
) -> Function:
    own = ours.get("lambda_functions", {}).get(name, {})
    return Function(
        name=name,
        full_name=prefix if name == REST else f"{prefix}-{name}",
        role=f"{prefix}-{name}",
        memory=_setting(config, ours, "lambda_memory_size", name),
        timeout=_setting(config, ours, "lambda_timeout", name),
        environment={**environment, **own.get("environment_variables", {})},
        policy_file=own.get("iam_policy_file", ""),
    )


def _setting(config: Mapping[str, Any], ours: Mapping[str, Any], key: str, function: str = "") -> Any:
    """Chalice's order of lookup: function in the stage, stage, function, whole project."""
    places = (
        ours.get("lambda_functions", {}).get(function, {}),
        ours,
        config.get("lambda_functions", {}).get(function, {}),
        config,
    )
    return next(place[key] for place in (*places, config) if key in place or place is config)
