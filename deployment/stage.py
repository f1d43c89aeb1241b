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
"""The function of all routes: Chalice gives it the name of the stage alone in Lambda, and a role like the others."""
TABLES: Final = {"Sessions": "SESSIONS_TABLE", "Connections": "CONNECTIONS_TABLE", "Events": "EVENTS_TABLE"}
"""Logical id of a table in resources.json, and the variable that names it to the functions."""
LONGEST: Final = 64
"""Characters in the name of a role or a function:
https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
"""


@dataclass(frozen=True)
class Throttle:
    """What a stage of API Gateway lets through: requests a second, and how many may come at once."""

    rate: int
    burst: int


@dataclass(frozen=True)
class Function:
    """A Lambda function. `memory` in MB, `timeout` in seconds; `name` as `config.json` and the policies have it."""

    name: str
    full_name: str  # in Lambda
    role: str
    memory: int
    timeout: int
    environment: Mapping[str, str]
    policy_file: str  # what Chalice reads, from `.chalice/` on; empty if none is named

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.full_name}"


@dataclass(frozen=True)
class Stage:
    """A stage, from `.chalice/config.json` and `.chalice/operations.json`. Days are whole days."""

    root: Path
    app: str
    name: str
    api_stage: str  # the stage of API Gateway, a part of each URL
    functions: tuple[Function, ...]
    environment: Mapping[str, str]
    log_days: int
    http_throttle: Throttle
    websocket_throttle: Throttle
    alarm_topics: tuple[str, ...]  # ARNs of SNS topics
    tracing: bool  # by X-Ray
    kept: bool  # whether its tables are protected from deletion, and destroying it has to be confirmed

    @property
    def full_name(self) -> str:
        """What names of AWS resources begin with."""
        return f"{self.app}-{self.name}"

    @property
    def folder(self) -> Path:
        return self.root / ".chalice"

    @property
    def tables(self) -> Mapping[str, str]:
        """Logical id in resources.json to the name of the table."""
        return {logical: self.environment.get(variable, "") for logical, variable in TABLES.items()}

    @property
    def http_api(self) -> str:
        """The name of the REST API, by which its metrics are told from those of other stages in the account."""
        return self.full_name

    @property
    def sweep_rule(self) -> str:
        """The rule that starts the sweep, as Chalice names it."""
        return f"{self.full_name}-sweep-event"

    @property
    def http_log_group(self) -> str:
        return f"/aws/apigateway/{self.full_name}-http"

    @property
    def websocket_log_group(self) -> str:
        return f"/aws/apigateway/{self.full_name}-websocket"

    @property
    def key_reference(self) -> str:
        """Where the key of the tokens is kept, such as `ssm:/sessions/dev/jwt-secret`; empty if it is in a key set."""
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
            api_stage=ours.get("api_gateway_stage") or config["api_gateway_stage"],
            functions=tuple(_function(config, ours, function, f"{app}-{name}", environment) for function in FUNCTIONS),
            environment=environment,
            log_days=_setting(config, ours, "log_retention_in_days"),
            http_throttle=Throttle(**said["http_throttle"]),
            websocket_throttle=Throttle(**said["websocket_throttle"]),
            alarm_topics=tuple(said["alarm_topics"]),
            tracing=bool(ours.get("xray", config.get("xray", False))),
            kept=said["kept"],
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
    """Raises DeploymentError if there is a problem, with all of them."""
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
    """As Chalice looks it up: the function in the stage, the stage, the function, the whole."""
    places = (
        ours.get("lambda_functions", {}).get(function, {}),
        ours,
        config.get("lambda_functions", {}).get(function, {}),
        config,
    )
    return next(place[key] for place in (*places, config) if key in place or place is config)
