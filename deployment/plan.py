"""Chalice's own deployment plan of a stage. Only this file and `chalice.py` import Chalice's internals.

Asks AWS nothing and leaves this process's environment unchanged; it imports the project's `app.py`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalice.cli.factory import CLIFactory
from chalice.config import Config
from chalice.deploy import models
from chalice.deploy.appgraph import ApplicationGraphBuilder

from deployment.errors import DeploymentError


@dataclass(frozen=True)
class PlannedFunction:
    """A Lambda function. `memory` in MB, `timeout` in seconds, `log_days` None for ever."""

    name: str  # the name in config.json
    full_name: str  # the name in Lambda
    role: str  # empty for an existing role
    memory: int
    timeout: int
    environment: Mapping[str, str]
    log_days: int | None
    policy_file: Path | None  # None: Chalice writes the policy itself, or uses an existing role
    reserved: int  # concurrent executions reserved for it; 0 for none
    in_vpc: bool
    behind_gateway: bool  # whether API Gateway waits for its answer


@dataclass(frozen=True)
class Plan:
    """The planned result of a `chalice deploy`."""

    functions: tuple[PlannedFunction, ...]
    debug: bool  # whether routes answer an error with its traceback
    cors: Mapping[str, Mapping[str, str]]  # headers of each route, keyed as in `GET /sessions`


def read(root: Path, stage: str) -> Plan:
    """The plan of the project at `root`. Raises DeploymentError if Chalice, or `app.py`, fails."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # keep app.py's own output off stdout, which holds the findings
            config = CLIFactory(str(root), environ={}).create_config_obj(stage)
            application = ApplicationGraphBuilder().build(config, stage)
    except (Exception, SystemExit) as error:  # importing app.py can raise anything
        raise DeploymentError(f"Chalice finds nothing to deploy in {root / 'app.py'}: {error}") from error
    every = list(_resources(application))
    functions = {one.resource_name: one for one in every if isinstance(one, models.LambdaFunction)}
    if not any(isinstance(one, models.RestAPI) for one in every):
        raise DeploymentError(f"{root / 'app.py'} has no route, so that there would be no REST API.")
    answering = {
        function.resource_name
        for api in every
        if isinstance(api, (models.RestAPI, models.WebsocketAPI))
        for function in api.dependencies()
        if isinstance(function, models.LambdaFunction)
    }
    return Plan(
        functions=tuple(_function(name, one, answering) for name, one in sorted(functions.items())),
        debug=bool(config.chalice_app.debug),
        cors=dict(_cors(config)),
    )


def _resources(above: Any) -> Iterator[Any]:
    yield above
    for below in above.dependencies():
        yield from _resources(below)


def _function(name: str, planned: Any, answering: Set[str]) -> PlannedFunction:
    role = planned.role
    policy = getattr(role, "policy", None)
    return PlannedFunction(
        name=name,
        full_name=planned.function_name,
        role=getattr(role, "role_name", ""),
        memory=planned.memory_size,
        timeout=planned.timeout,
        environment=dict(planned.environment_variables),
        log_days=planned.log_group.retention_in_days if planned.log_group else None,
        policy_file=Path(policy.filename) if isinstance(policy, models.FileBasedIAMPolicy) else None,
        reserved=planned.reserved_concurrency or 0,
        in_vpc=bool(planned.subnet_ids),
        behind_gateway=name in answering,
    )


def _cors(config: Config) -> Iterator[tuple[str, Mapping[str, str]]]:
    for path, methods in config.chalice_app.routes.items():
        for method, entry in methods.items():
            yield f"{method} {path}", entry.cors.get_access_control_headers() if entry.cors else {}
