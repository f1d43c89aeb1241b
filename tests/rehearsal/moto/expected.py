"""The expected contents of an account, from the project's files and app alone, without `deployment`."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalice.app import Chalice

from tests.rehearsal.moto.environment import REGION

ACCOUNT = "123456789012"
OF_ROUTES = "api_handler"  # config.json's name of the function of all routes
OF_SOCKETS = {"$connect": "websocket_connect", "$default": "websocket_message", "$disconnect": "websocket_disconnect"}
LOGICAL_TABLES = {"Sessions": "SESSIONS_TABLE", "Connections": "CONNECTIONS_TABLE", "Events": "EVENTS_TABLE"}


@dataclass(frozen=True)
class Project:
    """A project at the time of its deploy: its files read, its app imported."""

    stage: str
    config: dict[str, Any]
    operations: dict[str, Any]
    tables: dict[str, dict[str, Any]]
    templates: dict[str, str]  # of policies, by function
    app: Chalice

    @property
    def prefix(self) -> str:
        return f"{self.config['app_name']}-{self.stage}"

    @property
    def own(self) -> dict[str, Any]:
        """The stage's part of config.json."""
        found: dict[str, Any] = self.config["stages"][self.stage]
        return found

    @property
    def handlers(self) -> dict[str, str]:
        """Handler strings by the function's name in config.json."""
        sockets = {OF_SOCKETS[key]: one.handler_function.__name__ for key, one in self.app.websocket_handlers.items()}
        events = {one.name: one.name for one in self.app.event_sources}
        return {OF_ROUTES: "app", **sockets, **events}

    def full_name(self, function: str) -> str:
        return self.prefix if function == OF_ROUTES else f"{self.prefix}-{function}"

    def arn(self, function: str) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.full_name(function)}"

    def invocation(self, function: str) -> str:
        """The integration URI of a function."""
        return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{self.arn(function)}/invocations"

    def setting(self, key: str, function: str) -> Any:
        """Looks a setting up in Chalice's order: https://aws.github.io/chalice/topics/configfile.html."""
        places = (
            self.own.get("lambda_functions", {}).get(function, {}),
            self.own,
            self.config.get("lambda_functions", {}).get(function, {}),
            self.config,
        )
        return next(place[key] for place in places if key in place)

    def environment(self, function: str) -> dict[str, str]:
        of_function = self.own.get("lambda_functions", {}).get(function, {})
        return {
            **self.config["environment_variables"],
            **self.own["environment_variables"],
            **of_function.get("environment_variables", {}),
        }

    def policy(self, function: str, websocket_api: str) -> dict[str, Any]:
        """The function's policy template with names filled in; without the statement about the unused kind of key."""
        variables = self.environment(function)
        kind, _, key = variables["JWT_SECRET"].partition(":")
        assert kind == "ssm", "another kind of key needs another expectation here"
        names = {
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
            "Function": self.full_name(function),
            "ApiStage": self.setting("api_gateway_stage", function),
            "WebsocketAPI": websocket_api,
            "KeyParameterArn": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{key}",
            **{f"{logical}Table": variables[variable] for logical, variable in LOGICAL_TABLES.items()},
        }
        text = re.sub(r"\$\{([\w:]+)\}", lambda found: names.get(found[1], found[0]), self.templates[function])
        policy: dict[str, Any] = json.loads(text)
        policy["Statement"] = [one for one in policy["Statement"] if one["Resource"] != ["${KeySecretArn}"]]
        return policy


def read(root: Path, stage: str) -> Project:
    folder = root / ".chalice"
    config = _json(folder / "config.json")
    resources = _json(folder / "resources.json")["Resources"]
    kept = "true" if _json(folder / "operations.json")[stage]["kept"] else "false"
    text = json.dumps(resources).replace('{"Ref": "Kept"}', kept)
    text = re.sub(r'\{"Fn::Sub": ("[^"]*")\}', lambda found: found[1].replace("${Stage}", stage), text)
    functions = config["stages"][stage]["lambda_functions"]
    return Project(
        stage=stage,
        config=config,
        operations=_json(folder / "operations.json")[stage],
        tables={one["Properties"]["TableName"]: one["Properties"] for one in json.loads(text).values()},
        templates={name: (folder / f"policy-{name}.json").read_text(encoding="utf-8") for name in functions},
        app=_app(root / "app.py"),
    )


def _app(path: Path) -> Chalice:
    """Imports it under another name: `app` stays what it is for others."""
    spec = importlib.util.spec_from_file_location("app_as_expected", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    app: Chalice = module.app
    return app


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def quoted(headers: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Headers in API Gateway's mapping syntax."""
    return {f"{prefix}.{name}": f"'{value}'" for name, value in headers.items()}
