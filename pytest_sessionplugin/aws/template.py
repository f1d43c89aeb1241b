"""The DynamoDB tables of a CloudFormation template in JSON. What it does not understand, it says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_sessionplugin.errors import TemplateError

TableSpec = Mapping[str, Any]
"""The properties of an AWS::DynamoDB::Table, its TableName among them, without intrinsic functions."""

USED = (
    "TableName",
    "KeySchema",
    "AttributeDefinitions",
    "BillingMode",
    "ProvisionedThroughput",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "StreamSpecification",
    "TimeToLiveSpecification",
)


@dataclass(frozen=True)
class Stack:
    """Where the template is to stand: the pseudo parameters."""

    name: str
    region: str = "us-east-1"
    account_id: str = "123456789012"


def tables(path: Path, stack: Stack) -> dict[str, TableSpec]:
    """Logical name -> properties, of every table in the file. No file, no tables."""
    if not path.is_file():
        return {}
    try:
        template = json.loads(path.read_text(encoding="utf-8"))
        resources = {name: dict(resource) for name, resource in template.get("Resources", {}).items()}.items()
    except (ValueError, AttributeError, TypeError) as error:
        raise TemplateError(f"{path} is no CloudFormation template in JSON: {error}.") from error
    resolve = _Resolver(path, template.get("Parameters", {}), stack)
    found: dict[str, TableSpec] = {}
    for name, resource in resources:
        if resource.get("Type") == "AWS::DynamoDB::Table":
            properties = resource.get("Properties", {})
            spec = {key: resolve(name, properties[key]) for key in USED if key in properties}
            found[name] = {"TableName": f"{stack.name}-{name}", **spec}
    return found


class _Resolver:
    """Replaces Ref and Fn::Sub by their values."""

    def __init__(self, path: Path, parameters: Mapping[str, Any], stack: Stack) -> None:
        self._path = path
        self._parameters = parameters
        self._pseudo = {
            "AWS::Region": stack.region,
            "AWS::AccountId": stack.account_id,
            "AWS::StackName": stack.name,
        }

    def __call__(self, table: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self(table, item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref":
                return self._ref(table, argument)
            if name == "Fn::Sub":
                return self._sub(table, argument)
            if name.startswith("Fn::") or name == "Condition":
                raise self._error(table, f"{name} is not understood here; Ref and Fn::Sub are.")
        return {key: self(table, item) for key, item in value.items()}

    def _ref(self, table: str, name: str) -> Any:
        if name in self._pseudo:
            return self._pseudo[name]
        parameter = self._parameters.get(name)
        if parameter is None:
            raise self._error(
                table,
                f"it refers to {name}, which is neither a parameter nor AWS::Region, AWS::AccountId or AWS::StackName.",
            )
        if "Default" not in parameter:
            raise self._error(table, f"the parameter {name} has no default.")
        return parameter["Default"]

    def _sub(self, table: str, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})

        def value(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("!"):  # ${!Literal} stands for ${Literal}
                return f"${{{name[1:]}}}"
            return str(self(table, own[name]) if name in own else self._ref(table, name))

        return re.sub(r"\$\{([^}]*)\}", value, text)

    def _error(self, table: str, reason: str) -> TemplateError:
        return TemplateError(f"The table {table} of {self._path}: {reason}")
